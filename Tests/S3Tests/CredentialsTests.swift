import Glibc
import TestSupport
import Testing

@testable import S3

@Suite("Where credentials come from")
struct CredentialsTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        let text = """
            # A comment
            [default]
            aws_access_key_id = AKIDEFAULT
            aws_secret_access_key=secret=with/equals+sign

            [ build ]
            ; another
            AWS_ACCESS_KEY_ID\t=\tAKIBUILD
            aws_secret_access_key = other
            aws_session_token = token
            [half]
            aws_access_key_id = AKIHALF
            aws_secret_access_key =
            """
        try folder.write(Array(text.utf8), to: "credentials")
    }

    private var file: String { folder.path + "/credentials" }

    private func find(_ file: String? = nil, _ variables: [String: String] = [:]) throws -> Credentials {
        try Credentials.find(file: file) { variables[$0] }
    }

    @Test("the sections of a file are read, and AWS_PROFILE chooses one")
    func sections() throws {
        let first = Credentials(accessKey: "AKIDEFAULT", secretKey: "secret=with/equals+sign")
        #expect(try find(file) == first)
        let other = Credentials(accessKey: "AKIBUILD", secretKey: "other", sessionToken: "token")
        #expect(try find(file, ["AWS_PROFILE": "build"]) == other)
        #expect(try find(nil, ["AWS_SHARED_CREDENTIALS_FILE": file, "AWS_PROFILE": "build"]) == other)
        try folder.makeFolder(".aws")
        try folder.move("credentials", to: ".aws/credentials")
        #expect(try find(nil, ["HOME": folder.path]) == first)
    }

    @Test("a file that is named comes before the environment, which comes before the shared file")
    func order() throws {
        let variables = [
            "AWS_ACCESS_KEY_ID": "AKIENV", "AWS_SECRET_ACCESS_KEY": "env", "AWS_SESSION_TOKEN": "t",
            "AWS_SHARED_CREDENTIALS_FILE": file,
        ]
        #expect(try find(nil, variables) == Credentials(accessKey: "AKIENV", secretKey: "env", sessionToken: "t"))
        #expect(try find(file, variables).accessKey == "AKIDEFAULT")
    }

    @Test("missing credentials are errors that name what is missing")
    func errors() {
        #expect(throws: CredentialsError.none) { try find() }
        #expect(throws: CredentialsError.none) { try find(nil, ["HOME": folder.path]) }
        #expect(throws: CredentialsError.noProfile("none", file: file)) { try find(file, ["AWS_PROFILE": "none"]) }
        #expect(throws: CredentialsError.noEntry("aws_secret_access_key", profile: "half", file: file)) {
            try find(file, ["AWS_PROFILE": "half"])
        }
        #expect(throws: CredentialsError.unreadable(file: "/no/such/file", reason: "No such file or directory")) {
            try find("/no/such/file")
        }
        #expect(throws: CredentialsError.unreadable(file: folder.path, reason: "Is a directory")) {
            try find(folder.path)
        }
        #expect(throws: CredentialsError.half(set: "AWS_ACCESS_KEY_ID", missing: "AWS_SECRET_ACCESS_KEY")) {
            try find(nil, ["AWS_ACCESS_KEY_ID": "a", "AWS_SHARED_CREDENTIALS_FILE": file])
        }
        #expect(throws: CredentialsError.half(set: "AWS_SECRET_ACCESS_KEY", missing: "AWS_ACCESS_KEY_ID")) {
            try find(nil, ["AWS_SECRET_ACCESS_KEY": "a"])
        }
    }

    @Test("no description shows a secret or a token")
    func descriptions() throws {
        let credentials = Credentials(accessKey: "AKI", secretKey: "hidden", sessionToken: "hidden")
        var dumped = ""
        dump(credentials, to: &dumped)
        for text in ["\(credentials)", String(reflecting: credentials), "\([credentials])", dumped] {
            #expect(!text.contains("hidden") && text.contains("AKI"))
        }
    }
}
