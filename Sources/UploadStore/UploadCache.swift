import Linux

/// The uploads whose journals are open. At the capacity, the least recently used quarter is dropped. A thread that
/// works on a dropped upload keeps it, and the next request opens it again: two openings of one journal are safe,
/// because file locks exclude each other as between two processes.
final class UploadCache: Sendable {
    private struct State {
        var uploads: [UploadKey: (upload: Upload, used: UInt64)] = [:]
        var clock: UInt64 = 0
        /// The uploads that a thread is opening, each with the number of threads that wait for that.
        var opening: [UploadKey: Int] = [:]
    }

    private let state = Lock(State())
    private let capacity: Int

    init(capacity: Int) {
        self.capacity = capacity
    }

    subscript(key: UploadKey) -> Upload? {
        state.withLock { state in
            state.clock += 1
            state.uploads[key]?.used = state.clock
            return state.uploads[key]?.upload
        }
    }

    /// Adds an upload and returns it. If another thread has added one with the same key, returns that one.
    func keep(_ upload: Upload) -> Upload {
        state.withLock { state in
            state.clock += 1
            if let other = state.uploads[upload.key] { return other.upload }
            // A broken upload must stay: its files don't say that it is broken.
            if state.uploads.count >= capacity {
                let droppable = state.uploads.filter { !$0.value.upload.isBroken }
                // Several at a time, so that not every new upload has to sort all of them.
                let oldest = droppable.sorted { $0.value.used < $1.value.used }.prefix(max(1, capacity / 4))
                for (key, _) in oldest { state.uploads[key] = nil }
            }
            state.uploads[upload.key] = (upload, state.clock)
            return upload
        }
    }

    /// Calls `work`, which opens an upload that is not in the cache, while no other thread does. That may take long: a
    /// journal may have millions of records, or bytes have to be compared after a crash. Other threads wait for a while,
    /// so requests for one upload never hold all threads.
    ///
    /// - Throws: `StoreError.busy` after a while, or what `work` throws.
    func opening<Result>(_ key: UploadKey, _ work: () throws(StoreError) -> Result) throws(StoreError) -> Result {
        let place = state.withLock { state -> Int? in
            guard let waiting = state.opening[key] else {
                state.opening[key] = 0
                return nil
            }
            state.opening[key] = waiting + 1
            return waiting
        }
        if let place {
            var budget = WaitBudget(milliseconds: place < UploadCache.patientThreads ? 2000 : 250)
            while true {
                let isFree = state.withLock { state in
                    // The next thread starts a new count: of those that wait already, a few more may be patient.
                    guard state.opening[key] == nil else { return false }
                    state.opening[key] = 0
                    return true
                }
                if isFree { break }
                guard budget.wait() else {
                    state.withLock { state in
                        if let waiting = state.opening[key], waiting > 0 { state.opening[key] = waiting - 1 }
                    }
                    throw .busy
                }
            }
        }
        defer { state.withLock { $0.opening[key] = nil } }
        return try work()
    }

    /// How many threads wait longer for an upload that is being opened: the chunks that one client sends at a time.
    private static let patientThreads = 3

    /// All of them.
    var uploads: [Upload] { state.withLock { $0.uploads.values.map(\.upload) } }

    /// Removes an upload from the cache.
    func drop(_ upload: Upload) {
        state.withLock { state in
            if state.uploads[upload.key]?.upload === upload { state.uploads[upload.key] = nil }
        }
    }
}
