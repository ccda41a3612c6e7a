import Testing

@testable import S3

@Suite("What an answer means")
struct S3ErrorTests {
    private func error(_ status: Int, _ code: String) -> S3Error {
        S3Error(S3Cause(operation: "PutObject", key: "k", status: status, code: code))
    }

    private func name(_ error: S3Error) -> String? { Mirror(reflecting: error).children.first?.label }

    @Test(
        "the code counts for more than the status",
        arguments: [
            (404, "NoSuchKey", "noSuchKey"), (404, "", "noSuchKey"), (404, "NoSuchUpload", "noSuchUpload"),
            (404, "NoSuchBucket", "denied"), (403, "AccessDenied", "denied"), (403, "", "denied"),
            (401, "", "denied"), (400, "ExpiredToken", "denied"), (400, "ExpiredTokenException", "denied"),
            (403, "RequestTimeTooSkewed", "denied"),
            (301, "PermanentRedirect", "denied"), (307, "", "denied"), (400, "BadDigest", "damaged"),
            (400, "XAmzContentSHA256Mismatch", "damaged"), (400, "InvalidPart", "invalidPart"),
            (412, "PreconditionFailed", "exists"), (400, "InvalidRequest", "refused"),
            (501, "NotImplemented", "refused"),
            (405, "MethodNotAllowed", "refused"), (400, "RequestTimeout", "unreachable"),
            (409, "ConditionalRequestConflict", "unreachable"), (429, "", "unreachable"), (500, "", "unreachable"),
            (502, "", "unreachable"), (503, "SlowDown", "unreachable"), (504, "", "unreachable"),
            (200, "InternalError", "unreachable"), (200, "SlowDown", "unreachable"),
        ])
    func meaning(_ status: Int, _ code: String, _ expected: String) {
        #expect(name(error(status, code)) == expected)
    }

    @Test("only trouble on the way or in the engine may pass")
    func passing() {
        #expect(error(503, "SlowDown").mayPass && error(409, "").mayPass)
        #expect(!error(403, "").mayPass && !error(404, "").mayPass && !error(412, "").mayPass)
        #expect(!error(400, "BadDigest").mayPass && !S3Error.payload(PayloadError("no")).mayPass)
    }

    @Test("a line for the log names the call, the key, the answer, the request and the tries")
    func description() {
        let cause = S3Cause(
            operation: "PutObject", key: "a/b", status: 503, code: "SlowDown", message: "Reduce your rate.",
            request: "17C", tries: 4)
        #expect(
            "\(S3Error.unreachable(cause))"
                == "PutObject a/b: 503 SlowDown Reduce your rate. (request 17C), tried 4 times")
        #expect("\(S3Error.payload(PayloadError("gone")))" == "cannot read the body: gone")
    }
}
