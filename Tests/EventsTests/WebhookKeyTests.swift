import Testing

@testable import Events

// Signatures as in the Standard Webhooks specification. The end-to-end tests check what is sent with another
// implementation of it.

@Suite struct WebhookKeyTests {
    private let id = "msg_p5jXN8AQM9LWM0D4loKWxJek"
    private let body = Array(#"{"test": 2432232314}"#.utf8)

    @Test("A signature equals that of the specification's own libraries")
    func signature() throws {
        let key = try #require(WebhookKey(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]))
        #expect(
            key.signature(id: id, timestamp: 1_614_265_330, body: body)
                == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
    }

    @Test("With several keys there is one signature for each, in their order")
    func several() throws {
        let texts = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + String(repeating: "QUJD", count: 10)]
        let both = try #require(WebhookKey(texts)).signature(id: id, timestamp: 5, body: body)
        let each = try texts.map { try #require(WebhookKey([$0])).signature(id: id, timestamp: 5, body: body) }
        #expect(both == each.joined(separator: " "))
    }

    @Test(
        "Text that is not a key of 24 to 64 bytes in base64 is rejected",
        arguments: [
            "", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa==", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa!w",
            "whsec_" + String(repeating: "QUJD", count: 22), "whsec_" + String(repeating: "=", count: 32),
        ])
    func invalid(text: String) {
        #expect(WebhookKey([text]) == nil)
    }

    @Test(
        "The length of a key is counted in bytes, whatever its padding",
        arguments: [(24, true), (25, true), (64, true), (65, false), (23, false)])
    func lengths(count: Int, isKey: Bool) {
        // "A" and "=" by the rules of RFC 4648, section 4: all bytes are zero.
        let letters = (count * 8 + 5) / 6
        let text = String(repeating: "A", count: letters) + String(repeating: "=", count: (4 - letters % 4) % 4)
        #expect((WebhookKey(["whsec_" + text]) != nil) == isKey)
    }

    @Test("No keys and too many keys are rejected")
    func counts() {
        let text = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
        #expect(WebhookKey([]) == nil)
        #expect(WebhookKey([text, text, text, text]) != nil)
        #expect(WebhookKey([text, text, text, text, text]) == nil)
    }
}
