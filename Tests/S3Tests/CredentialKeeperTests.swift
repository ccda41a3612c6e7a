import Glibc
import Linux
import Synchronization
import TestSupport
import Testing

@testable import S3

/// A container endpoint whose credentials have numbers, and a clock that the test sets. Both start at 1,000,000 seconds.
private final class Site: Sendable {
    struct State {
        var now: UInt64 = 1_000_000
        /// How long the next credentials last, in seconds.
        var lifetime: UInt64 = 3600
        var number = 0
        /// The answer of the endpoint in place of credentials.
        var failure: ServiceReply?
        var delay: UInt32 = 0
        var reports: [CredentialReport] = []
    }

    let state = Lock(State())
    /// The endpoint answers while this is true.
    let isOpen = Monitor(true)

    func reply() -> ServiceReply {
        isOpen.wait { $0 ? () : nil }
        return state.withLock { state in
            if let failure = state.failure { return failure }
            state.number += 1
            return ServiceReply(
                body: Answers.json(
                    accessKey: "AKI\(state.number)", expiration: Answers.iso(state.now + state.lifetime)),
                delay: state.delay)
        }
    }

    func change(_ body: (inout State) -> Void) { state.withLock { body(&$0) } }

    func pass(_ seconds: UInt64) { change { $0.now += seconds } }

    var reports: [CredentialReport] { state.withLock { $0.reports } }

    /// Runs the endpoint, with a keeper that has its first credentials.
    static func run(
        _ work: (Site, LoopbackService, CredentialKeeper) throws -> Void
    ) throws {
        let site = Site()
        try LoopbackService.run({ _ in site.reply() }) { service throws in
            let url = service.url
            let search = CredentialSearch(file: nil) { $0 == "AWS_CONTAINER_CREDENTIALS_FULL_URI" ? url : nil }
            let keeper = try CredentialKeeper(search, now: { site.state.withLock { $0.now } }) { report in
                site.change { $0.reports.append(report) }
            }
            try work(site, service, keeper)
        }
    }
}

@Suite("Credentials that end")
struct CredentialKeeperTests {
    private func key(_ keeper: CredentialKeeper) throws -> String { try keeper.current().accessKey }

    @Test("they are used until five minutes before their end, and then renewed")
    func renewal() throws {
        try Site.run { site, service, keeper throws in
            #expect(try key(keeper) == "AKI1")
            site.pass(3299)
            #expect(try key(keeper) == "AKI1" && service.requests.count == 1)
            site.pass(1)
            #expect(try key(keeper) == "AKI2" && service.requests.count == 2)
            #expect(try key(keeper) == "AKI2" && service.requests.count == 2)
            #expect(site.reports == [])
        }
    }

    @Test("those without an end are not renewed until they are refused")
    func lasting() throws {
        let keeper = CredentialKeeper(Credentials(accessKey: "AKI", secretKey: "s"))
        #expect(try key(keeper) == "AKI")
        let current = try keeper.current()
        #expect(!keeper.renew(after: current))
        let folder = try TemporaryFolder()
        func write(_ key: String) throws {
            try folder.write(
                Array("[default]\naws_access_key_id=\(key)\naws_secret_access_key=s\n".utf8), to: "credentials")
        }
        try write("AKI1")
        let now = Atomic<UInt64>(1_000_000)
        let file = CredentialSearch(file: folder.path + "/credentials") { _ in nil }
        let rotating = try CredentialKeeper(file, now: { now.load(ordering: .relaxed) })
        let first = try rotating.current()
        #expect(!rotating.renew(after: first))
        try write("AKI2")
        now.store(1_000_100, ordering: .relaxed)
        #expect(try key(rotating) == first.accessKey)
        #expect(rotating.renew(after: first))
        #expect(try key(rotating) == "AKI2")
    }

    @Test("of threads that need new ones, one asks for them, and the others go on with the old ones at once")
    func threads() throws {
        try Site.run { site, service, keeper throws in
            site.pass(3400)
            site.isOpen.change { $0 = false }
            let keys = Lock<[String]>([])
            try onThreads(8) { _ in
                guard let key = try? key(keeper) else { return }
                let count = keys.withLock { keys in
                    keys.append(key)
                    return keys.count
                }
                // The one that asks is the last: the endpoint answers when the others have the old ones.
                if count == 7 { site.isOpen.change { $0 = true } }
            }
            #expect(service.requests.count == 2)
            #expect(keys.withLock { $0 } == Array(repeating: "AKI1", count: 7) + ["AKI2"])
        }
    }

    @Test("threads that have no valid ones wait for the one that asks")
    func waiting() throws {
        try Site.run { site, service, keeper throws in
            site.pass(3600)
            site.change { $0.delay = 300 }
            let keys = Lock<[String]>([])
            try onThreads(8) { _ in
                let key = (try? key(keeper)) ?? "none"
                keys.withLock { $0.append(key) }
            }
            #expect(service.requests.count == 2)
            #expect(keys.withLock { $0 } == Array(repeating: "AKI2", count: 8))
        }
    }

    @Test("if the source fails, the old ones are used while they are valid, and it is asked again after a pause")
    func failure() throws {
        try Site.run { site, service, keeper throws in
            site.pass(3500)
            site.change { $0.failure = ServiceReply(status: 404) }
            for _ in 0..<5 { #expect(try key(keeper) == "AKI1") }
            #expect(service.requests.count == 2)
            let error = CredentialsError.failed(
                service: "the container endpoint at \(service.url)", reason: "it answered 404")
            #expect(site.reports == [.failed(error)])
            site.pass(5)
            #expect(try key(keeper) == "AKI1" && service.requests.count == 3)
            site.pass(94)
            #expect(try key(keeper) == "AKI1" && service.requests.count == 4)
            // They have ended.
            site.pass(1)
            for _ in 0..<3 { #expect(throws: error) { try key(keeper) } }
            #expect(service.requests.count == 4)
            site.pass(5)
            #expect(throws: error) { try key(keeper) }
            // Each kind of trouble is reported once.
            #expect(service.requests.count == 5 && site.reports == [.failed(error), .ended(error)])
            site.change { $0.failure = nil }
            site.pass(5)
            #expect(try key(keeper) == "AKI2")
            #expect(site.reports == [.failed(error), .ended(error), .renewed])
        }
    }

    @Test("new ones that have ended already are not used")
    func endedAtOnce() throws {
        try Site.run { site, service, keeper throws in
            site.pass(3500)
            site.change { $0.lifetime = 0 }
            #expect(try key(keeper) == "AKI1")
            site.pass(100)
            let error = CredentialsError.failed(
                service: "the container endpoint at \(service.url)",
                reason: "those that it has have ended by the clock of this machine")
            #expect(throws: error) { try key(keeper) }
        }
    }

    @Test("a clock that is set back does not keep the source from being asked")
    func clock() throws {
        try Site.run { site, service, keeper throws in
            site.pass(3500)
            site.change { $0.failure = ServiceReply(status: 404) }
            #expect(try key(keeper) == "AKI1" && service.requests.count == 2)
            site.change { state in
                state.now -= 100
                state.failure = nil
            }
            #expect(try key(keeper) == "AKI2")
        }
    }

    @Test("of threads whose credentials the engine refuses, one asks for others, which all get")
    func refused() throws {
        try Site.run { site, service, keeper throws in
            let first = try keeper.current()
            site.change { $0.delay = 200 }
            let renewed = Atomic(0)
            try onThreads(8) { _ in
                if keeper.renew(after: first) { renewed.add(1, ordering: .relaxed) }
            }
            #expect(renewed.load(ordering: .relaxed) == 8 && service.requests.count == 2)
            let second = try keeper.current()
            #expect(second.accessKey == "AKI2")
            // These are refused as well: the source is left alone for a moment.
            #expect(!keeper.renew(after: second) && service.requests.count == 2)
            site.pass(5)
            #expect(keeper.renew(after: second) && service.requests.count == 3)
        }
    }

    @Test("a source that fails, or has the same ones, has no others")
    func same() throws {
        try Site.run { site, service, keeper throws in
            let first = try keeper.current()
            site.change { $0.failure = ServiceReply(status: 404) }
            #expect(!keeper.renew(after: first))
            site.pass(5)
            site.change { state in
                state.failure = nil
                state.number = 0
                state.lifetime -= 5
            }
            #expect(!keeper.renew(after: first) && service.requests.count == 3)
            #expect(try key(keeper) == first.accessKey)
        }
    }
}
