@testable import UploadStore

// The responses that the clients of a crash test got, and so may rely on.

/// For each upload, the chunks that were sent and acknowledged.
struct Ledger {
    struct Chunk {
        /// The version that got the last 200.
        var acknowledged: Int?
        /// False if a power cut may have taken it.
        var isCertain = false
        /// True if Flask left it: no power cut takes that.
        var isSafe = false
        /// True if Flask left all of it, whether or not the store can know that.
        var hasPart = false
        /// Other versions that a client has begun to send since.
        var inDoubt: Set<Int> = []
        /// All versions that a client has begun to send.
        var begun: Set<Int> = []
        /// The versions that are being sent now.
        var sending: [Int] = []

        /// True if it must be held.
        var isPromised: Bool { acknowledged != nil && isCertain && inDoubt.isEmpty }
        /// The versions that may be held.
        var allowed: Set<Int> { acknowledged.map { inDoubt.union([$0]) } ?? begun }
    }

    struct Upload {
        var chunks: [Chunk]
        /// Set once a client was told that the file is complete: the file's position in the order in which files got
        /// their names, or 0 if it had its name before at an unknown time.
        var completed: Int?
        /// True if its name was taken.
        var isRefused = false
        /// True if the record of the finished upload has expired, or a chunk of another file may have ended it: the
        /// next chunk begins a new upload.
        var isForgotten = false
        /// The events of it that a recipient has received.
        var told: Set<String> = []
    }

    var uploads: [Upload]
    private(set) var completions = 0
    /// How many failed syncs the disk had reported at the last response to a client.
    var failedSyncs = 0
    /// A sync has failed, and the uploads that depended on it were removed.
    var syncFailed = false
    /// Counts the changes of this ledger.
    private(set) var changes = 0

    init(_ plan: CrashPlan) {
        uploads = plan.clients.map { client in
            let chunks = client.chunks.indices.map { index in
                // Flask had acknowledged its parts.
                let hasPart = client.parts[index] == client.chunks[index].range.count
                return client.hasPart(index)
                    ? Chunk(acknowledged: 0, isCertain: true, isSafe: true, hasPart: hasPart, begun: [0])
                    : Chunk(hasPart: hasPart, begun: [0])
            }
            return Upload(chunks: chunks)
        }
    }

    mutating func begin(_ client: Int, _ chunk: Int, _ version: Int) {
        changes += 1
        let isComplete = uploads[client].completed != nil
        if isComplete && uploads[client].chunks[chunk].allowed != [version] { uploads[client].isForgotten = true }
        change(client, chunk) { chunk in
            chunk.sending.append(version)
            // Chunks of a finished file do not change that file.
            if isComplete { return }
            chunk.begun.insert(version)
            if chunk.acknowledged != version {
                chunk.inDoubt.insert(version)
                chunk.isSafe = false
            }
        }
    }

    mutating func end(_ client: Int, _ chunk: Int, _ version: Int) {
        change(client, chunk) { chunk in
            if let index = chunk.sending.firstIndex(of: version) { chunk.sending.remove(at: index) }
        }
    }

    mutating func acknowledge(_ client: Int, _ chunk: Int, _ version: Int) {
        changes += 1
        end(client, chunk, version)
        if uploads[client].completed != nil { return }
        change(client, chunk) { chunk in
            chunk.acknowledged = version
            chunk.isCertain = true
            chunk.inDoubt = Set(chunk.sending.filter { $0 != version })
        }
    }

    /// A test has found the chunk missing. Its bytes are gone, unless a power cut restores them.
    mutating func miss(_ client: Int, _ chunk: Int) {
        changes += 1
        change(client, chunk) { $0 = Chunk(hasPart: $0.hasPart, begun: $0.begun, sending: $0.sending) }
    }

    /// - Parameter isNow: true if the file got its name at this moment. That may be for the second time, if another
    ///   upload's file had replaced the first.
    mutating func complete(_ client: Int, isNow: Bool) {
        guard isNow || uploads[client].completed == nil else { return }
        changes += 1
        completions += 1
        uploads[client].completed = isNow ? completions : 0
        // A chunk of another file that is on its way ends the record when it arrives.
        let mayEnd = uploads[client].chunks.contains { chunk in chunk.sending.contains { chunk.allowed != [$0] } }
        if mayEnd { uploads[client].isForgotten = true }
    }

    /// True if another upload's file may have replaced the client's file since. After a failed sync, that may also be
    /// an upload that was complete before: it begins again with Flask's parts, whose removal was not synced.
    func isReplaced(_ client: Int, _ plan: CrashPlan) -> Bool {
        guard plan.settings.onConflict == .replace else { return false }
        return plan.clients.indices.contains { other in
            guard other != client, plan.path(other) == plan.path(client) else { return false }
            if syncFailed { return true }
            let (mine, theirs) = (uploads[client].completed ?? 0, uploads[other].completed ?? .max)
            return mine == 0 || theirs == 0 || theirs > mine
        }
    }

    /// A recipient has received that event.
    mutating func tell(_ client: Int, _ event: String) {
        changes += 1
        uploads[client].told.insert(event)
    }

    /// The upload was removed or has expired: its chunks may be held, but need not be.
    mutating func giveUp(_ client: Int) {
        changes += 1
        for index in uploads[client].chunks.indices {
            change(client, index) { chunk in
                chunk.acknowledged = nil
                chunk.isSafe = false
            }
        }
    }

    /// All connections break off.
    ///
    /// - Parameter isDurable: true if each acknowledged chunk must survive a power cut.
    mutating func crash(_ crash: Crash, isDurable: Bool) {
        for client in uploads.indices {
            for index in uploads[client].chunks.indices {
                change(client, index) { chunk in
                    chunk.sending = []
                    if crash == .powerCut && !isDurable && !chunk.isSafe {
                        chunk.isCertain = false
                        // Its replacement is lost, and it is still there.
                        if chunk.hasPart { chunk.inDoubt.insert(0) }
                    }
                }
            }
        }
    }

    private mutating func change(_ client: Int, _ chunk: Int, _ work: (inout Chunk) -> Void) {
        work(&uploads[client].chunks[chunk])
    }
}

/// The kinds of crashes.
enum Crash { case kill, powerCut }
