import Linux

/// The uploads whose journals are open. At the capacity, the least recently used quarter is dropped. A thread that
/// works on a dropped upload keeps it, and the next request opens it again: two openings of one journal are safe,
/// because file locks exclude each other as between two processes.
final class UploadCache: Sendable {
    private struct State {
        var uploads: [UploadKey: (upload: Upload, used: UInt64)] = [:]
        var clock: UInt64 = 0
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

    /// All of them.
    var uploads: [Upload] { state.withLock { $0.uploads.values.map(\.upload) } }

    /// Removes an upload from the cache.
    func drop(_ upload: Upload) {
        state.withLock { state in
            if state.uploads[upload.key]?.upload === upload { state.uploads[upload.key] = nil }
        }
    }
}
