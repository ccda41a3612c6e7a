import Linux
import TestSupport
import Testing
import UploadModel
import UploadStore

@testable import ObjectStore

@Suite("A file that is sent again in full") struct EarlierFileTests {
    private static let part = SimulationTests.part

    /// The chunks of a file, with a damaged one among them that is then sent as it should be.
    private func again(_ file: SimulatedFile, damaged: Int) throws -> [(SimulatedFile, ChunkRequest)] {
        var content = file.content
        let range = file.bytes(of: file.chunks[damaged]).indices
        for index in range { content[index] ^= 1 }
        let other = try SimulatedFile(
            "id", "name.bin", content, chunkSizes: [file.bytes(of: file.chunks[0]).count], isForced: true)
        var sent = file.chunks.map { (file, $0) }
        sent.insert((other, other.chunks[damaged]), at: damaged)
        return sent
    }

    private func file(_ seed: UInt64, _ chunkSize: Int) throws -> SimulatedFile {
        var generator = SplitMix64(seed: seed)
        return try SimulatedFile(
            "id", "name.bin", content(3 * EarlierFileTests.part + 100, &generator), chunkSizes: [chunkSize],
            isForced: true)
    }

    @Test(
        "It leaves one file, although a chunk of it was damaged on its way",
        arguments: 0..<3, [SimulationTests.part, SimulationTests.part / 2])
    func damaged(_ chunk: Int, _ chunkSize: Int) throws {
        let simulation = try Simulation(seed: 0, Faults())
        let file = try file(UInt64(chunk), chunkSize)
        for time in 0..<3 {
            let host = simulation.calmHost()
            let jobs = try time == 0 ? file.chunks.map { (file, $0) } : again(file, damaged: chunk)
            for (file, chunk) in jobs { try simulation.perform(.chunk(file, chunk), on: host) }
            #expect(simulation.engine.body("files/name.bin") == file.content)
            let names = simulation.engine.keys.filter { !$0.contains("/.resumabled/") }
            #expect(names == ["files/name.bin"], "time \(time)")
            #expect(simulation.engine.contents.withLock { $0.multiparts.isEmpty })
            #expect(try host.status(of: file.chunks[0])?.complete == true)
        }
    }

    @Test("Another file in its place becomes a second one")
    func other() throws {
        let simulation = try Simulation(seed: 0, Faults())
        let (one, two) = (try file(1, EarlierFileTests.part), try file(2, EarlierFileTests.part))
        let host = simulation.calmHost()
        for file in [one, two] { for chunk in file.chunks { try simulation.perform(.chunk(file, chunk), on: host) } }
        #expect(simulation.engine.body("files/name (1).bin") == two.content)
    }

    @Test("A host may die at any call", arguments: [false, true])
    func death(_ isAfter: Bool) throws {
        let file = try file(3, EarlierFileTests.part)
        var call = 0
        var hasDied = true
        while hasDied {
            let simulation = try Simulation(seed: UInt64(call), Faults())
            let first = simulation.calmHost()
            for chunk in file.chunks { try simulation.perform(.chunk(file, chunk), on: first) }
            hasDied = try simulation.send(
                again(file, damaged: 1), dyingAt: call, after: isAfter, then: file)
            // It was finished more than once, each time as the same file.
            simulation.finished.withLock { $0 = Array(Set($0)) }
            try simulation.check([file], "call \(call), after it: \(isAfter)")
            call += 1
        }
        #expect(call > 10)
    }
}
