import TestSupport
import Testing
import UploadModel

@testable import Tokens

/// Files with keys, and tokens that are made with them.
@Suite("Keys of tokens")
struct TokenKeysTests {
    // A pair made for these tests: openssl ecparam -genkey -name prime256v1 -noout, and its public half.
    private static let privatePEM = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg0ba9oc69nPJrz8hV
        iVuyjA8FiduM2pkjTcsNWNXc+qKhRANCAAQ6vGFU5yDnC6gKYwdedGjQmboGDSTo
        LKwCKPtS9FTZE2RkhKyZczYxOjNfO/18MyCWVtb1/5S8b9qymeyrDNoG
        -----END PRIVATE KEY-----
        """
    private static let publicPEM = """
        -----BEGIN PUBLIC KEY-----
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEOrxhVOcg5wuoCmMHXnRo0Jm6Bg0k
        6CysAij7UvRU2RNkZISsmXM2MTozXzv9fDMgllbW9f+UvG/aspnsqwzaBg==
        -----END PUBLIC KEY-----
        """

    private func keys(_ text: String) throws -> TokenKeys { try TokenKeys(Array(text.utf8)) }
    private func secret(_ letter: String) -> String { String(repeating: letter, count: 32) }
    /// As a JWK holds it: 32 bytes in base64url.
    private func jwk(_ letter: String, _ more: String = "") -> String {
        #"{"kty":"oct","k":"\#(base64URL(secret(letter)))"\#(more)}"#
    }

    private func isGood(_ token: String, _ keys: TokenKeys) -> Bool {
        (try? TokenVerifier(keys: keys).permit(token, now: 0)) != nil
    }

    @Test("A token that was signed with a key is verified with it, claim by claim, and with no other key")
    func roundTrip() throws {
        let owner = try #require(
            Owner(subject: "münchen", directory: RelativePath("a/b", parameter: "")))
        let permit = Permit(
            owner: owner, maximumFileSize: 5, types: TypePolicy(".pdf"), quota: TokenQuota(tokenID: "t", limit: 2),
            mayRemove: true)
        for (signing, verifying) in [
            (secret("a"), secret("a") + "\n"), (TokenKeysTests.privatePEM, TokenKeysTests.privatePEM),
            (TokenKeysTests.privatePEM, TokenKeysTests.publicPEM), (jwk("a", #","kid":"1""#), secret("a")),
        ] {
            let token = try TokenSigner.token(permit, audience: "us", expires: 100, keys: keys(signing))
            let verifier = TokenVerifier(keys: try keys(verifying), audience: "us")
            #expect(try verifier.permit(token, now: 99) == permit)
            let stranger = TokenVerifier(keys: try keys(secret("b")), audience: "us")
            #expect(throws: TokenError.self) { try stranger.permit(token, now: 99) }
        }
    }

    @Test("Of a set, the key that the token names is used, or any key if it names none")
    func set() throws {
        let old = try keys(jwk("o", #","kid":"old""#))
        let new = try keys(jwk("n", #","kid":"new""#))
        let both = try keys(#"{"keys":[\#(jwk("n", #","kid":"new""#)),\#(jwk("o", #","kid":"old""#))]}"#)
        for keys in [old, new] { #expect(isGood(try TokenSigner.token(Permit(), expires: 1000, keys: keys), both)) }
        let nameless = try keys(secret("o"))
        #expect(isGood(try TokenSigner.token(Permit(), expires: 1000, keys: nameless), both))
        let liar = try keys(jwk("o", #","kid":"new""#))
        #expect(!isGood(try TokenSigner.token(Permit(), expires: 1000, keys: liar), both))
        let unknown = try keys(jwk("o", #","kid":"newest""#))
        #expect(!isGood(try TokenSigner.token(Permit(), expires: 1000, keys: unknown), both))
    }

    @Test("A public key verifies and doesn't sign")
    func publicOnly() throws {
        #expect(throws: TokenKeyError.cannotSign) {
            try TokenSigner.token(Permit(), expires: 1, keys: keys(TokenKeysTests.publicPEM))
        }
    }

    @Test(
        "Keys that cannot be used are an error",
        arguments: [
            "", "\n", "short", String(repeating: "x", count: 31), "{}", "{", #"{"keys":[]}"#, #"{"keys":{}}"#,
            #"{"kty":"oct","k":"AAAA"}"#, #"{"kty":"oct"}"#, #"{"kty":"OKP","crv":"Ed25519","x":"AA"}"#,
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "-----BEGIN NONSENSE-----",
        ])
    func unusable(_ text: String) throws {
        #expect(throws: TokenKeyError.self) { try keys(text) }
    }

    @Test("A key for another algorithm, or for encrypting, is no key for tokens")
    func otherUse() throws {
        #expect(throws: TokenKeyError.self) { try keys(jwk("a", #","alg":"HS512""#)) }
        #expect(throws: TokenKeyError.self) { try keys(jwk("a", #","use":"enc""#)) }
        _ = try keys(jwk("a", #","alg":"HS256","use":"sig""#))
        for use in ["5", "null", "[]", #"["sig"]"#, "\"\""] {
            #expect(throws: TokenKeyError.self, "\(use)") { try keys(jwk("a", #","use":\#(use)"#)) }
        }
    }

    @Test(
        "A key is used only for the operations that its key_ops name (RFC 7517, section 4.3)",
        arguments: [
            (#"["verify"]"#, true, false), (#"["sign"]"#, false, true), (#"["sign","verify"]"#, true, true),
            (#"["encrypt"]"#, false, false), ("[]", false, false), ("null", false, false), (#""verify""#, false, false),
            (#"[1,"verify"]"#, true, false),
        ])
    func operations(_ list: String, _ verifies: Bool, _ signs: Bool) {
        for (purpose, isAllowed) in [(TokenKeys.Purpose.verifying, verifies), (.signing, signs)] {
            let text = Array(jwk("a", #","key_ops":\#(list)"#).utf8)
            #expect(((try? TokenKeys(text, for: purpose)) != nil) == isAllowed, "\(purpose)")
        }
    }

    @Test("The error for a missing file has its name")
    func noFile() {
        #expect(throws: TokenKeyError.unreadable(path: "/nowhere/key", cause: "No such file or directory")) {
            try TokenKeys(path: "/nowhere/key")
        }
    }
}
