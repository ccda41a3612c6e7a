import TestSupport
import Testing
import UploadModel

@testable import Tokens

/// Tokens of others and of our own, held against RFC 7515, 7518 and 7519.
@Suite("Reading tokens")
struct TokenVerifierTests {
    private static let secret = Array("a secret that has thirty-two bytes".utf8)
    private static let now: UInt64 = 1_300_819_380

    private func keys() throws -> TokenKeys { try TokenKeys(TokenVerifierTests.secret) }

    /// A token with those claims, signed with the secret.
    private func token(_ claims: String, header: String = #"{"alg":"HS256"}"#) throws -> String {
        try signedHS256(header: header, claims: claims, secret: TokenVerifierTests.secret)
    }

    private func permit(_ claims: String, audience: String? = nil, leeway: UInt64 = 0) throws -> Permit {
        try TokenVerifier(keys: keys(), audience: audience, leeway: leeway)
            .permit(token(claims), now: TokenVerifierTests.now)
    }

    @Test("The example of RFC 7515, appendix A.1 (HS256), is good until its time is over")
    func appendixA1() throws {
        let key =
            #"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#
        let token =
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
            + ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
            + ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
        let verifier = TokenVerifier(keys: try TokenKeys(Array(key.utf8)), leeway: 0)
        #expect(try verifier.permit(token, now: 1_300_819_379) == Permit())
        #expect(throws: TokenError.expired(seconds: 0)) { try verifier.permit(token, now: 1_300_819_380) }
        #expect(throws: TokenError.wrongSignature) {
            try verifier.permit(token.dropLast(2) + "AA", now: 1_300_819_379)
        }
    }

    /// RFC 7515, appendix A.3, with a payload of RFC 7519's.
    @Test("The example of RFC 7515, appendix A.3 (ES256), is good")
    func appendixA3() throws {
        let key = """
            {"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
             "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}
            """
        let token =
            "eyJhbGciOiJFUzI1NiJ9"
            + ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
            + ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
        let verifier = TokenVerifier(keys: try TokenKeys(Array(key.utf8)), leeway: 0)
        #expect(try verifier.permit(token, now: 1_300_819_379) == Permit())
    }

    @Test("An algorithm is the key's: a token can't choose none, another one, or the public key as a secret")
    func algorithms() throws {
        let verifier = TokenVerifier(keys: try keys())
        let claims = #"{"exp":9999999999}"#
        #expect(throws: TokenError.malformed) {
            try verifier.permit(base64URL(#"{"alg":"none"}"#) + "." + base64URL(claims) + ".", now: 0)
        }
        for algorithm in ["none", "HS384", "HS512", "RS256", "ES384", "hs256", ""] {
            #expect(throws: TokenError.self, "\(algorithm)") {
                try verifier.permit(token(claims, header: #"{"alg":"\#(algorithm)"}"#), now: 0)
            }
        }
        #expect(throws: TokenError.unknownKey) {
            try verifier.permit(token(claims, header: #"{"alg":"ES256"}"#), now: 0)
        }
        // The public key of a pair, used as if it were a secret.
        let pair = Array(
            #"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#
                .utf8)
        let forged = try signedHS256(header: #"{"alg":"HS256"}"#, claims: claims, secret: pair)
        #expect(throws: TokenError.unknownKey) {
            try TokenVerifier(keys: TokenKeys(pair)).permit(forged, now: 0)
        }
    }

    @Test("A token with a critical extension is refused, whatever its value (RFC 7515, section 4.1.11)")
    func critical() throws {
        let verifier = TokenVerifier(keys: try keys())
        for critical in [#"["b64"],"b64":false"#, "null", "[]", "{}", #""""#, "false"] {
            #expect(throws: TokenError.unsupported, "\(critical)") {
                try verifier.permit(
                    token(#"{"exp":9999999999}"#, header: #"{"alg":"HS256","crit":\#(critical)}"#), now: 0)
            }
        }
    }

    @Test(
        "A text that is not a token is malformed",
        arguments: [
            "", ".", "..", "a.b", "a.b.c", "a.b.c.d", "eyJhbGciOiJIUzI1NiJ9", "e30.e30.e30", "eyJ.e30.AA", "é.é.é",
            "eyJhbGciOiJIUzI1NiJ9.e30=.AA", "eyJhbGciOiJIUzI1NiJ9 .e30.AA", "e30.\u{0}.AA",
        ])
    func malformed(_ text: String) throws {
        let verifier = TokenVerifier(keys: try keys())
        #expect(throws: TokenError.self) { try verifier.permit(text, now: 0) }
    }

    @Test("A token that is longer than any honest one isn't looked at")
    func long() throws {
        let claims = #"{"exp":9999999999,"x":"\#(String(repeating: "x", count: 8192))"}"#
        #expect(throws: TokenError.malformed) { try TokenVerifier(keys: keys()).permit(token(claims), now: 0) }
    }

    @Test(
        "Claims that are no object, or name something twice, are malformed",
        arguments: [
            "[]", "1", "null", "", #"{"exp":1,"exp":9999999999}"#, #"{"exp":9999999999} x"#, "{",
        ])
    func noObject(_ claims: String) throws {
        #expect(throws: TokenError.malformed) { try permit(claims) }
    }

    @Test("An end is required and kept, and a beginning waited for, both within the leeway")
    func times() throws {
        let now = Int64(TokenVerifierTests.now)
        #expect(throws: TokenError.missingClaim("exp")) { try permit("{}") }
        #expect(throws: TokenError.expired(seconds: 10)) { try permit(#"{"exp":\#(now - 10)}"#, leeway: 10) }
        _ = try permit(#"{"exp":\#(now - 10)}"#, leeway: 11)
        _ = try permit(#"{"exp":\#(now).5}"#)
        #expect(throws: TokenError.notYetValid(seconds: 10)) { try permit(#"{"exp":9999999999,"nbf":\#(now + 10)}"#) }
        _ = try permit(#"{"exp":9999999999,"nbf":\#(now + 10)}"#, leeway: 10)
        for wrong in ["\"soon\"", "null", "-1", "1e300", "[1]", "true"] {
            #expect(throws: TokenError.invalidClaim("exp")) { try permit(#"{"exp":\#(wrong)}"#) }
            #expect(throws: TokenError.invalidClaim("nbf")) { try permit(#"{"exp":9999999999,"nbf":\#(wrong)}"#) }
        }
    }

    @Test("A token with an audience is valid for that audience only (RFC 7519, section 4.1.3)")
    func audience() throws {
        func claims(_ audience: String) -> String { #"{"exp":9999999999,"aud":\#(audience)}"# }
        _ = try permit(claims(#""us""#), audience: "us")
        _ = try permit(claims(#"["them","us"]"#), audience: "us")
        for wrong in [#""them""#, "[]", "null", "[1]", #""US""#] {
            #expect(throws: TokenError.wrongAudience) { try permit(claims(wrong), audience: "us") }
        }
        #expect(throws: TokenError.wrongAudience) { try permit(#"{"exp":9999999999}"#, audience: "us") }
        #expect(throws: TokenError.wrongAudience) { try permit(claims(#""us""#)) }
    }

    @Test("Every claim becomes part of the permit")
    func claims() throws {
        let permit = try permit(
            #"{"exp":9999999999,"sub":"user-1","dir":"users/1","max_size":1000,"types":["video/*",".pdf"],"#
                + #""uploads":3,"jti":"ticket","delete":true,"site":"ours"}"#)
        #expect(permit.owner == Owner(subject: "user-1", directory: try RelativePath("users/1", parameter: "")))
        #expect(permit.maximumFileSize == 1000)
        #expect(permit.types == TypePolicy("video/*,.pdf"))
        #expect(permit.quota == TokenQuota(tokenID: "ticket", limit: 3))
        #expect(permit.mayRemove)
    }

    @Test(
        "A limit that can't be kept makes the token invalid",
        arguments: [
            ("sub", "1"), ("sub", #""a\u0007b""#), ("dir", #""../x""#), ("dir", #""/etc""#), ("dir", #""a//b""#),
            ("dir", #""""#), ("dir", "1"), ("max_size", "-1"), ("max_size", #""10""#), ("max_size", "1.5"),
            ("types", "1"), ("types", #""video""#), ("types", "[]"), ("types", "[1]"), ("uploads", "0"),
            ("uploads", #""3""#), ("delete", #""true""#), ("delete", "1"),
        ])
    func invalidClaims(_ name: String, _ value: String) throws {
        #expect(throws: TokenError.invalidClaim(name)) {
            try permit(#"{"exp":9999999999,"jti":"t","\#(name)":\#(value)}"#)
        }
    }

    @Test("A number of files needs a name to count by")
    func quotaWithoutName() throws {
        #expect(throws: TokenError.missingClaim("jti")) { try permit(#"{"exp":9999999999,"uploads":1}"#) }
        #expect(throws: TokenError.invalidClaim("jti")) { try permit(#"{"exp":9999999999,"uploads":1,"jti":""}"#) }
    }

    @Test("No error tells anything of the token")
    func quiet() throws {
        let token = try token(#"{"exp":1,"sub":"hush"}"#)
        do {
            _ = try TokenVerifier(keys: keys()).permit(token, now: TokenVerifierTests.now)
        } catch {
            #expect(!"\(error)".contains("hush"))
            for part in token.split(separator: ".") { #expect(!"\(error)".contains(part)) }
        }
    }
}
