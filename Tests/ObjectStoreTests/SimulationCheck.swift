import Linux
import Testing
import UploadModel
import UploadStore

@testable import ObjectStore

extension Simulation {
    /// Checks that each file is there once and right, and that nothing else is left.
    /// Why it is not true that the bytes of a chunk are held, just after they were answered with 200; nil if it is.
    ///
    /// - Parameter begun: the event with which the request began.
    func doubt(about file: SimulatedFile, _ chunk: ChunkRequest, begun: Int) throws(StoreError) -> String? {
        guard case .sized(_, _, let layout) = chunk.place, !layout.range.isEmpty else { return nil }
        let (range, bytes) = (layout.range, Array(file.bytes(of: chunk)))
        let isPublished = engine.contents.withLock { contents in
            contents.objects.contains { key, object in
                !key.contains("/.resumabled/") && object.body.count >= range.end
                    && object.body[Int(range.start)..<Int(range.end)] == bytes[...]
            }
        }
        if isPublished { return nil }
        let look = try calmHost().look(file.id)
        switch look.phase {
        case .live(let claim), .finishing(let claim, _):
            if isThere(range, bytes, look.holdings(claim)) { return nil }
        case .none, .whole, .finished: break
        }
        // A removal, or other bytes for the range, may have come after it.
        let isReplaced = history.withLock { history in
            history.contains { event in
                event.id == file.id && (event.range == nil || event.range?.overlaps(range) == true)
                    && event.bytes != bytes && event.end ?? .max > begun
            }
        }
        return isReplaced ? nil : "\(range) of \(file.id.identifier) was answered with 200: \(look.phase)"
    }

    /// True if records have the bytes of a range.
    private func isThere(_ range: ByteRange, _ bytes: [UInt8], _ holdings: Holdings) -> Bool {
        holdings.grid.cells(of: range).allSatisfy { cell in
            let piece = holdings.grid.piece(of: range, in: cell)
            var blocks = BlockDigests()
            bytes[Int(piece.start - range.start)..<Int(piece.end - range.start)].withBytes { blocks.add($0) }
            blocks.end()
            return holdings.records[cell]?.contains { record in
                record.digest == blocks.digest && holdings.grid.piece(of: record.chunk, in: cell) == piece
                    // Not stored, because a part has these bytes.
                    || record.part != nil && piece != holdings.grid.range(cell)
            } == true
        }
    }

    /// - Parameter expire: true if records of finished files may have expired.
    func check(_ files: [SimulatedFile], _ context: String, expire: Bool = false) throws {
        #expect(trouble.withLock { $0 } == [], "\(context)")
        let host = calmHost()
        if !expire { schedule.wait(seconds: 3600) }
        for _ in 0..<2 { #expect(host.sweep().failures.isEmpty, "\(context)") }
        let uploads = try host.uploads()
        var paths: [String] = []
        for file in files {
            let own = uploads.filter { $0.id == file.id }
            let isRemoved = removed.withLock { $0.contains(file.id) }
            if expire && own.isEmpty {
                // Some files were finished long before, and their records have expired.
                let path = engine.keys.first { !$0.contains("/.resumabled/") && engine.body($0) == file.content }
                #expect(path != nil, "\(context): \(file.id.identifier) is missing")
                path.map { paths.append(String($0.dropFirst(6))) }
                continue
            }
            #expect(own.count == 1 || isRemoved && own.isEmpty, "\(context): \(file.id.identifier) \(own)")
            for upload in own {
                guard let path = upload.path else {
                    #expect(isRemoved, "\(context): \(file.id.identifier) is not finished")
                    continue
                }
                paths.append(path)
                #expect(engine.body("files/\(path)") == file.content, "\(context): \(file.id.identifier) is wrong")
            }
        }
        #expect(trouble.withLock { $0 } == [], "\(context)")
        let found = engine.keys.filter { !$0.hasPrefix("files/.resumabled/") }.map { String($0.dropFirst(6)) }
        #expect(found == paths.sorted(), "\(context): files without a record, or one name twice")
        try checkEvents(of: found, host, context)
        let told = finished.withLock { $0 }
        #expect(Set(told).count == told.count, "\(context): told twice")
        try checkLeftovers(host, uploads, context)
    }

    private func checkLeftovers(_ host: ObjectStore, _ uploads: [UploadSummary], _ context: String) throws {
        // A sweep removes after a day the objects that dead hosts have left.
        schedule.wait(seconds: 3 * 24 * 3600)
        for _ in 0..<2 { #expect(host.sweep().failures.isEmpty, "\(context)") }
        let live = Set(uploads.filter(\.isUnderWay).map { UploadKey($0.id).text })
        let left = engine.keys.filter { key in
            let isOfLive = live.contains { key.contains($0) }
            return key.hasPrefix("files/.resumabled/") && !isOfLive
                && (key.contains("/c/") || key.contains("/name/") || key.contains("/trial/"))
        }
        let names = left.filter { $0.contains("/name/") }.count
        #expect(left.count - names == 0 && names <= live.count, "\(context): left \(left)")
        // Of a ledger, the entry stays that closes it.
        let entries = engine.keys.filter { key in
            let isOfLive = live.contains { key.contains($0) }
            return key.contains("/l/") && !isOfLive && !Ledger.isClosing(size: engine.body(key)?.count ?? 0)
        }
        #expect(entries.isEmpty, "\(context): left \(entries)")
        let open = engine.contents.withLock { $0.multiparts.map { "\($0.key) \($0.value.key) \($0.value.metadata)" } }
        #expect(open.count <= live.count, "\(context): multipart uploads left: \(open) \(engine.keys)")
    }

    /// Checks that there is one event of each file for each recipient, and none of anything else.
    private func checkEvents(of files: [String], _ host: ObjectStore, _ context: String) throws {
        // Notes of hosts that have died are used after a minute.
        schedule.wait(seconds: 100)
        let found = try host.outbox.events(owedTo: Simulation.recipients, atMost: .max)
        #expect(found.events.map { $0.upload.path ?? "" }.sorted() == files, "\(context): events")
        #expect(found.events.allSatisfy { $0.owed == Simulation.recipients }, "\(context): recipients")
        #expect(Set(found.events.map(\.id)).count == files.count && found.unreadable.isEmpty, "\(context): events")
        let notes = engine.keys.filter { $0.contains("/owed/note/") }
        #expect(notes.isEmpty, "\(context): left \(notes)")
    }

    /// Checks that versions of a file were sent without a loss, and that each is there once it is sent alone.
    func check(versions: [SimulatedFile], _ context: String) throws {
        #expect(trouble.withLock { $0 } == [], "\(context)")
        let host = calmHost()
        for version in versions {
            // Chunks that were sent together with the other version may be in one file with it.
            for _ in 0..<2 {
                for chunk in version.chunks {
                    try insist(.chunk(version, chunk), on: host)
                }
            }
            let files = engine.keys.filter { !$0.contains(".resumabled") }
            #expect(
                files.contains { engine.body($0) == version.content }, "\(context): a version is missing")
            // No file has a chunk that is neither.
            for file in files {
                let body = try #require(engine.body(file))
                for chunk in version.chunks {
                    let places = versions.map { $0.bytes(of: chunk) }
                    #expect(places.contains { $0 == body[$0.startIndex..<$0.endIndex] }, "\(context): a mix")
                }
            }
        }
    }
}
