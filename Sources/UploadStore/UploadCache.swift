import Linux

/// The uploads whose journals are open. Bounded: at the limit the quarter that was used longest ago is dropped; who
/// works on one keeps it, and the next request opens it again. (Two openings of one journal are as good as one: file
/// locks keep them apart like two processes.)
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

    /// Keeps an upload and returns it; if another thread was faster, returns that thread's.
    func keep(_ upload: Upload) -> Upload {
        state.withLock { state in
            state.clock += 1
            if let other = state.uploads[upload.key] { return other.upload }
            // What is broken must be remembered: from its files it could not be told.
            if state.uploads.count >= capacity {
                let droppable = state.uploads.filter { !$0.value.upload.isBroken }
                // Several at a time, so that not each new upload has to look through all.
                let oldest = droppable.sorted { $0.value.used < $1.value.used }.prefix(max(1, capacity / 4))
                for (key, _) in oldest { state.uploads[key] = nil }
            }
            state.uploads[upload.key] = (upload, state.clock)
            return upload
        }
    }

    /// Forgets an upload that was removed from the store.
    func drop(_ upload: Upload) {
        state.withLock { state in
            if state.uploads[upload.key]?.upload === upload { state.uploads[upload.key] = nil }
        }
    }
}
