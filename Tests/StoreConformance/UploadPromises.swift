import Testing
import UploadModel
import UploadStore

extension Promise {
    /// How uploads begin, are told apart, and end unfinished.
    static let uploads = [
        Promise("A removed upload is unknown, and the same upload can begin anew") { site in
            let (store, other) = (try site.open(), try site.open())
            let client = try Client(of: content(30))
            for number in 1...2 { try client.send(number, to: store) }
            _ = try other.remove(client.id)
            for store in [store, other] {
                #expect(try client.status(in: store) == nil)
                #expect(try store.uploads().isEmpty)
            }
            #expect(try site.files().isEmpty)
            let changed = client.with(content(40, seed: 2))
            #expect(try changed.sendAll(to: store) == .completed(path: "name.bin"))
            #expect(try site.bytes(of: "name.bin") == changed.content)
        },
        Promise("Removing an unknown upload does nothing, and a finished upload is not removed") { site in
            let store = try site.open()
            let client = try Client(of: content(30))
            _ = try store.remove(client.id)
            try client.sendAll(to: store)
            #expect(throws: StoreError.finished) { _ = try store.remove(client.id) }
            #expect(try site.bytes(of: "name.bin") == client.content)
            #expect(try client.send(1, to: store) == .duplicate)
        },
        Promise("An unfinished upload keeps its size: another size is an error and changes nothing") { site in
            let store = try site.open()
            let client = try Client(of: content(30))
            let changed = client.with(content(35))
            try client.send(1, to: store)
            site.wait(seconds: 3600)
            #expect(throws: StoreError.sizeDiffers(known: 30)) { try changed.send(2, to: store) }
            #expect(throws: StoreError.sizeDiffers(known: 30)) { try changed.isHeld(1, in: store) }
            #expect(try client.held(in: store) == [[0, 10]])
        },
        Promise("With the restart policy, a chunk of another size begins a quiet upload anew; a test does not") {
            site in
            let store = try site.open(StoreSettings(onSizeChange: .restart))
            let client = try Client(of: content(30))
            let changed = client.with(content(35, seed: 2))
            try client.send(1, to: store)
            #expect(throws: StoreError.sizeDiffers(known: 30)) { try changed.send(2, to: store) }
            site.wait(seconds: 70)
            #expect(try !changed.isHeld(1, in: store))
            #expect(try client.isHeld(1, in: store))
            #expect(try changed.send(2, to: store) == .stored)
            #expect(try changed.held(in: store) == [[10, 20]])
            for number in [1, 3, 4] { try changed.send(number, to: store) }
            #expect(try site.bytes(of: "name.bin") == changed.content)
        },
        Promise("A finished upload makes way for one of another size, and both files stay") { site in
            let store = try site.open()
            let client = try Client(of: content(30))
            let changed = client.with(content(35, seed: 2))
            try client.sendAll(to: store)
            #expect(try changed.status(in: store) == nil)
            #expect(try changed.sendAll(to: store) == .completed(path: "name (1).bin"))
            #expect(try site.bytes(of: "name.bin") == client.content)
            #expect(try site.bytes(of: "name (1).bin") == changed.content)
        },
        Promise("Owners never share an upload, and their files go to their folders") { site in
            let store = try site.open()
            let home = try RelativePath("homes/ann", parameter: "")
            let owners = [
                Owner.nobody, try #require(Owner(subject: "ann")), try #require(Owner(subject: "bob")),
                try #require(Owner(subject: "ann", directory: home)),
            ]
            let clients = try owners.enumerated().map { try Client("id", owner: $1, of: content(20, seed: UInt64($0))) }
            for (number, client) in clients.enumerated() {
                #expect(try client.status(in: store) == nil)
                try client.send(1, to: store)
                #expect(try store.uploads().count == number + 1)
            }
            _ = try store.remove(clients[1].id)
            #expect(try clients.map { try $0.isHeld(1, in: store) } == [true, false, true, true])
            #expect(try clients[3].send(2, to: store) == .completed(path: "homes/ann/name.bin"))
            #expect(try clients[2].send(2, to: store) == .completed(path: "name.bin"))
            #expect(try clients[0].send(2, to: store) == .completed(path: "name (1).bin"))
            #expect(try site.files() == ["homes/ann/name.bin", "name (1).bin", "name.bin"])
            #expect(try site.bytes(of: "homes/ann/name.bin") == clients[3].content)
        },
        Promise("An identifier or name that looks like a path makes no file of another name") { site in
            let store = try site.open()
            for (number, identifier) in ["..", "../..", "/etc/passwd", ".resumabled", "a/b", "\u{1}"].enumerated() {
                let client = try Client(identifier, ".resumabled-\(number)", of: content(20, seed: UInt64(number)))
                #expect(try client.sendAll(to: store) == .completed(path: ".resumabled-\(number)"))
                #expect(try site.bytes(of: ".resumabled-\(number)") == client.content)
            }
            #expect(try site.files().count == 6)
        },
        Promise("Identifiers that differ only in their Unicode form are different uploads") { site in
            let store = try site.open()
            let clients = try ["\u{e9}", "e\u{301}"].map { try Client($0, "\($0).bin", of: content(20)) }
            try clients[0].send(1, to: store)
            #expect(try clients[1].status(in: store) == nil)
            try clients[1].sendAll(to: store)
            #expect(try clients[0].held(in: store) == [[0, 10]])
        },
        Promise("What a client says of the file is kept with the upload") { site in
            let store = try site.open()
            var client = try Client(of: content(30))
            client.metadata = Metadata([.init(name: "title", value: "Ein Titel"), .init(name: "type", value: "a/b")])
            try client.send(1, to: store)
            #expect(try site.open().uploads().map(\.metadata) == [client.metadata])
            for number in 2...3 { try client.send(number, to: store) }
            #expect(try site.open().uploads().map(\.metadata) == [client.metadata])
        },
        Promise("A token's quota counts the uploads of one owner, and what is begun may go on") { site in
            let (store, other) = (try site.open(), try site.open())
            var clients = try (0..<4).map { try Client("id \($0)", "\($0)", of: content(20, seed: UInt64($0))) }
            for index in clients.indices { clients[index].quota = TokenQuota(tokenID: "token", limit: 2) }
            try clients[0].send(1, to: store)
            try clients[1].sendAll(to: other)
            for store in [store, other] {
                #expect(throws: StoreError.quotaUsedUp(limit: 2)) { try clients[2].send(1, to: store) }
            }
            try clients[0].send(2, to: other)
            clients[3].quota = TokenQuota(tokenID: "another token", limit: 2)
            try clients[3].send(1, to: store)
            #expect(try store.uploads().count == 3)
        },
        Promise("An upload that the admission hook refuses is not begun") { site in
            let asked = Collected<String>()
            let store = try site.open(admitting: { chunk, _ throws(StoreError) in
                asked.add(chunk.upload.identifier)
                if chunk.upload.identifier == "bad" { throw .notAdmitted("No.") }
            })
            let (bad, good) = (try Client("bad", of: content(20)), try Client("good", of: content(20)))
            #expect(throws: StoreError.notAdmitted("No.")) { try bad.send(1, to: store) }
            #expect(try bad.status(in: store) == nil)
            #expect(try store.uploads().isEmpty)
            try good.sendAll(to: store)
            #expect(Set(asked.all) == ["bad", "good"])
        },
    ]
}
