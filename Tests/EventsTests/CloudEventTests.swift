import Testing
import UploadModel

@testable import Events

@Suite("The events that a site gets")
struct CloudEventTests {
    private func event(_ extra: [(String, String)], names: (String) -> String) throws -> String {
        var parameters = Parameters(limits: ParameterLimits())
        let placing = [
            ("ChunkNumber", "1"), ("ChunkSize", "10"), ("TotalSize", "5"), ("Identifier", "id"), ("Filename", "a.mp4"),
        ]
        for (name, value) in placing { try parameters.add(names(name), value, from: .query) }
        for (name, value) in extra { try parameters.add(name, value, from: .query) }
        let chunk = try ChunkRequest(parameters, for: .upload, maximumFileSize: 1 << 40)
        return CloudEvent(begun: chunk, id: "1", time: 0).json
    }

    @Test(
        "every dialect's media type is the event's type, and is no metadata",
        arguments: ["resumable", "flow", "my_resumable", "资料resumable"])
    func mediaType(_ prefix: String) throws {
        let event = try event([(prefix + "Type", "video/mp4"), ("title", "Holiday")]) { prefix + $0 }
        #expect(event.contains(#""type": "video/mp4""#))
        #expect(event.contains(#""metadata": {"title": "Holiday"}"#))
    }

    @Test("simple-uploader.js' media type has no prefix")
    func unprefixed() throws {
        let event = try event([("type", "video/mp4")]) { $0.prefix(1).lowercased() + $0.dropFirst() }
        #expect(event.contains(#""type": "video/mp4""#))
        #expect(event.contains(#""metadata": {}"#))
    }

    @Test("parameters of two namespaces name no type, and stay metadata")
    func ambiguous() throws {
        let event = try event([("a_resumableType", "a/a"), ("b_resumableType", "b/b")]) { "x_resumable" + $0 }
        #expect(event.contains(#""type": null"#))
        #expect(event.contains(#""a_resumableType": "a/a""#))
    }
}
