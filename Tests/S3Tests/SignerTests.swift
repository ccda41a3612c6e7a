import Linux
import Testing

@testable import S3

/// The expected signatures are those that AWS publishes: the examples for Amazon S3 ("Authenticating Requests: Using
/// the Authorization Header"), the example of a signing key, and the test suite of Signature Version 4.
@Suite("Signatures of requests")
struct SignerTests {
    private let credentials = Credentials(
        accessKey: "AKIAIOSFODNN7EXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    private let signer = Signer(region: "us-east-1")
    /// 24 May 2013, midnight.
    private let time: UInt64 = 1_369_353_600
    private let host = Header("host", "examplebucket.s3.amazonaws.com")

    private func signature(of authorization: String) -> Substring? {
        authorization.split(separator: "Signature=").last
    }

    private func sign(
        _ method: String, _ path: String, query: [(name: String, value: String)] = [], headers: [Header] = [],
        hash: String = Bucket.Call.emptyHash
    ) -> String {
        signer.authorization(
            credentials, method, path: percentEncoded(path, keepsSlashes: true), query: Signer.query(query),
            headers: headers + [host] + signer.headers(credentials, hash: hash, time: time), hash: hash, time: time)
    }

    @Test("a GET of a range has the signature of AWS's example")
    func getObject() {
        #expect(
            sign("GET", "/test.txt", headers: [Header("range", "bytes=0-9")])
                == "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
                + "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
                + "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
    }

    @Test("a PUT whose key has a dollar sign has the signature of AWS's example")
    func putObject() {
        let hash = sha256(Array("Welcome to Amazon S3.".utf8)).hexDigits
        let headers = [
            Header("date", "Fri, 24 May 2013 00:00:00 GMT"), Header("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ]
        #expect(
            signature(of: sign("PUT", "/test$file.text", headers: headers, hash: hash))
                == "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd")
    }

    @Test("a query without a value has the signature of AWS's example")
    func lifecycle() {
        #expect(
            signature(of: sign("GET", "/", query: [("lifecycle", "")]))
                == "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")
    }

    @Test(
        "a listing has the signature of AWS's example, in whatever order its parameters are", arguments: [true, false])
    func list(_ isSorted: Bool) {
        let query = [(name: "max-keys", value: "2"), (name: "prefix", value: "J")]
        #expect(
            signature(of: sign("GET", "/", query: isSorted ? query : query.reversed()))
                == "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
    }

    @Test("the signing key is that of AWS's example, and another day or secret has another")
    func key() {
        let signer = Signer(region: "us-east-1", service: "iam")
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
        let expected = "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
        #expect(signer.key(of: "20150830", secret).hexDigits == expected)
        #expect(signer.key(of: "20150831", secret).hexDigits != expected)
        #expect(signer.key(of: "20150830", secret).hexDigits == expected)
        #expect(signer.key(of: "20150830", "another").hexDigits != expected)
        #expect(signer.key(of: "20150830", secret).hexDigits == expected)
    }

    @Test(
        "requests of AWS's test suite have its signatures",
        arguments: [
            // get-vanilla
            ("/", [], "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            // get-vanilla-empty-query-key
            ("/", [["Param1", "value1"]], "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"),
            // get-vanilla-query-order-key-case
            (
                "/", [["Param2", "value2"], ["Param1", "value1"]],
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"
            ),
            // get-utf8
            ("/\u{1234}", [], "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
        ] as [(String, [[String]], String)])
    func suite(_ path: String, _ query: [[String]], _ expected: String) {
        let credentials = Credentials(
            accessKey: "AKIDEXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
        let signer = Signer(region: "us-east-1", service: "service")
        // 30 August 2015, 12:36:00.
        let headers = [Header("host", "example.amazonaws.com"), Header("x-amz-date", "20150830T123600Z")]
        let authorization = signer.authorization(
            credentials, "GET", path: percentEncoded(path, keepsSlashes: true),
            query: Signer.query(query.map { ($0[0], $0[1]) }), headers: headers, hash: Bucket.Call.emptyHash,
            time: 1_440_938_160)
        #expect(signature(of: authorization).map(String.init) == expected)
    }

    @Test("the token of temporary credentials is sent and signed")
    func token() {
        let credentials = Credentials(accessKey: "a", secretKey: "s", sessionToken: "the token")
        let headers = signer.headers(credentials, hash: Signer.unsignedPayload, time: time)
        #expect(headers.contains(Header("x-amz-security-token", "the token")))
        let authorization = signer.authorization(
            credentials, "GET", path: "/", query: "", headers: headers + [host], hash: Signer.unsignedPayload,
            time: time)
        #expect(
            authorization.contains("SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,"))
    }
}
