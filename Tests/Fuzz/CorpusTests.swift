import Foundation
import Testing

@Suite("Stored inputs of the fuzzers")
struct CorpusTests {
    private static let corpus = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Corpus")

    @Test("No stored input breaks an invariant", arguments: targets.keys.sorted())
    func holds(name: String) throws {
        let target = try #require(targets[name])
        let folder = CorpusTests.corpus.appending(path: name)
        let inputs = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        #expect(!inputs.isEmpty)
        for input in inputs {
            let fault = try [UInt8](Data(contentsOf: input)).withUnsafeBytes { target($0) }
            #expect(fault == nil, "\(input.lastPathComponent)")
        }
    }
}
