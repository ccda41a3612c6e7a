import Testing
import UploadModel
import UploadStore

extension Promise {
    /// Inventory, sweep, removal and verification, as operators see them.
    static let inventory = [
        Promise("Uploads are listed in the order of their beginning, and unfinished ones are counted") { site in
            let (store, other) = (try site.open(), try site.open())
            let clients = try (0..<3).map { try Client("id \(2 - $0)", "\($0)", of: content(30)) }
            for client in clients {
                try client.send(2, to: store)
                site.wait(seconds: 2)
            }
            for number in [1, 3] { try clients[1].send(number, to: store) }
            for store in [store, other] {
                let uploads = try store.uploads()
                #expect(uploads.map(\.id) == clients.map(\.id))
                #expect(uploads.map(\.held) == [10, 30, 10])
                #expect(uploads.map(\.size) == [30, 30, 30])
                #expect(uploads.map(\.path) == [nil, "1", nil])
                #expect(uploads.map(\.isUnderWay) == [true, false, true])
                #expect(uploads[1].finished.map { $0 >= uploads[1].begun } == true)
                #expect(try store.uploadsUnderWay().map(\.id) == [clients[0].id, clients[2].id])
                #expect(try store.countUnderWay() == 2)
            }
        },
        Promise("Each thing that happens to an upload is reported once, by the process that did it") { site in
            let (events, others) = (Collected<StoreEvent>(), Collected<StoreEvent>())
            let store = try site.open(observe: events.add)
            let other = try site.open(observe: others.add)
            let client = try Client(of: content(30))
            try client.send(1, to: store)
            try client.send(1, to: other)
            for number in [2, 3, 3, 1] { try client.send(number, to: store) }
            let removed = try Client("another", of: content(30))
            try removed.send(1, to: store)
            _ = try store.remove(removed.id)
            _ = try client.status(in: other)
            let told = events.all.map { event in
                switch event {
                case .begun(let upload): "begun \(upload.id.identifier)"
                case .finished(let upload): "finished \(upload.id.identifier) \(upload.path ?? "")"
                case .received(let upload): "received \(upload.id.identifier) \(upload.path ?? "")"
                case .removed(let upload, let cause): "removed \(upload.id.identifier) \(cause) \(upload.held)"
                case .forgotten, .recovered, .scattered: "\(event)"
                case .notice: ""
                }
            }
            #expect(
                told.filter { !$0.isEmpty } == [
                    "begun id", "finished id name.bin", "begun another", "removed another givenUp 10",
                ])
            #expect(others.all.isEmpty)
        },
        Promise("An unfinished upload expires when no client has sent to it or asked for it for so long") { site in
            let events = Collected<StoreEvent>()
            let store = try site.open(StoreSettings(expire: 8000), observe: events.add)
            let client = try Client(of: content(30))
            try client.send(1, to: store)
            site.wait(seconds: 5000)
            #expect(try client.isHeld(1, in: store))
            site.wait(seconds: 5000)
            #expect(store.sweep().removed.isEmpty, "a test did not postpone the expiry")
            #expect(try client.send(1, to: store) == .duplicate)
            site.wait(seconds: 5000)
            #expect(store.sweep().removed.isEmpty, "a chunk did not postpone the expiry")
            site.wait(seconds: 5000)
            let report = store.sweep()
            #expect(report.removed.map(\.id) == [client.id] && report.failures.isEmpty)
            #expect(try client.status(in: store) == nil)
            #expect(try store.uploads().isEmpty && store.countUnderWay() == 0)
            guard case .removed(_, .expired)? = events.all.last else {
                Issue.record("\(events.all)")
                return
            }
        },
        Promise("Nothing expires where no time is set") { site in
            let store = try site.open(StoreSettings(expire: 0))
            let client = try Client(of: content(30))
            try client.send(1, to: store)
            site.wait(seconds: 1_000_000)
            #expect(store.sweep().removed.isEmpty)
            #expect(try client.isHeld(1, in: store))
        },
        Promise("A healthy store can be written, and recovery leaves what is held as it is") { site in
            let store = try site.open()
            let client = try Client(of: content(30))
            try client.send(2, to: store)
            try store.checkWritable()
            if let space = try store.space() { #expect(space.free <= space.total) }
            let next = try site.open()
            #expect(next.recover().isEmpty)
            #expect(try client.held(in: next) == [[10, 20]])
            #expect(try next.uploads().count == 1)
        },
    ]
}
