// What the clients of a crash test were told, and so may rely on.

/// For each upload, what was sent and acknowledged.
struct Ledger {
    struct Chunk {
        /// The version of the last chunk that got its 200.
        var acknowledged: Int?
        /// False once a power cut may have taken it.
        var isCertain = false
        /// True if it was there before, from Flask: that no power cut takes.
        var isSafe = false
        /// True if Flask left all of it, whether or not anybody can tell.
        var hasPart = false
        /// Other versions that somebody has begun to send since.
        var inDoubt: Set<Int> = []
        /// All versions that somebody has begun to send.
        var begun: Set<Int> = []
        /// What is being sent now.
        var sending: [Int] = []

        /// Must it be held?
        var isPromised: Bool { acknowledged != nil && isCertain && inDoubt.isEmpty }
        /// What may stand in its place, if it is held.
        var allowed: Set<Int> { acknowledged.map { inDoubt.union([$0]) } ?? begun }
    }

    struct Upload {
        var chunks: [Chunk]
        /// The client was told that its file is complete: the how manieth of all got its name, or 0 where it had that
        /// before, nobody knows since when.
        var completed: Int?
        /// Its name was taken.
        var isRefused = false
        /// Its record has expired: the next request for it begins a new upload.
        var isForgotten = false
        /// The events that a recipient has got of it.
        var told: Set<String> = []
    }

    var uploads: [Upload]
    private(set) var completions = 0
    /// How many failed syncs the disk had told of when a client was told the last time.
    var failedSyncs = 0
    /// A sync has failed: what stood on it was given up.
    var syncFailed = false
    /// Counts the changes of what must hold.
    private(set) var changes = 0

    init(_ plan: CrashPlan) {
        uploads = plan.clients.map { client in
            let chunks = client.chunks.indices.map { index in
                // Flask has given its 200 for what it left.
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
        // What comes after a file is complete changes nothing.
        let isComplete = uploads[client].completed != nil
        change(client, chunk) { chunk in
            chunk.sending.append(version)
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

    /// A test has said that the chunk isn't held. What was is gone, unless a power cut brings it back.
    mutating func miss(_ client: Int, _ chunk: Int) {
        changes += 1
        change(client, chunk) { $0 = Chunk(hasPart: $0.hasPart, begun: $0.begun, sending: $0.sending) }
    }

    /// - Parameter isNow: whether the file got its name at this moment.
    mutating func complete(_ client: Int, isNow: Bool) {
        guard uploads[client].completed == nil else { return }
        changes += 1
        completions += 1
        uploads[client].completed = isNow ? completions : 0
    }

    /// A recipient has got that event.
    mutating func tell(_ client: Int, _ event: String) {
        changes += 1
        uploads[client].told.insert(event)
    }

    /// The upload was given up or has expired: nothing of it needs to be held any more, all of it may still be.
    mutating func giveUp(_ client: Int) {
        changes += 1
        for index in uploads[client].chunks.indices {
            change(client, index) { chunk in
                chunk.acknowledged = nil
                chunk.isSafe = false
            }
        }
    }

    /// All clients are cut off.
    ///
    /// - Parameter isDurable: whether each chunk was to survive a power cut.
    mutating func crash(_ crash: Crash, isDurable: Bool) {
        for client in uploads.indices {
            for index in uploads[client].chunks.indices {
                change(client, index) { chunk in
                    chunk.sending = []
                    if crash == .powerCut && !isDurable && !chunk.isSafe {
                        chunk.isCertain = false
                        // What has replaced it is lost, and it is still there.
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

/// How everything ends.
enum Crash { case kill, powerCut }
