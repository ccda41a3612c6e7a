import S3
import UploadStore

/// A lease that ends when it is released, or some time after its host has died: an engine has no locks.
///
/// A lease is an object with a number, which one host can create. The highest number counts, until the object is
/// deleted or too old by the engine's clock. Then the next number can be created. A host that is stopped for longer than
/// a lease lasts may go on although another one has the lease.
final class TimedLease {
    private let store: ObjectStore
    private let folder: String
    private var number: Int
    /// When it was taken or renewed, in Unix seconds.
    private var taken: UInt64

    /// Takes the lease; nil if another host, or another thread, has it.
    ///
    /// - Parameter folder: the folder of its objects.
    init?(_ store: ObjectStore, _ folder: String) throws(StoreError) {
        let objects = try onEngine { () throws(S3Error) in try store.bucket.listAll(folder) }
        let numbered = objects.compactMap { object in
            Int(object.key.dropFirst(folder.count), radix: 16).map { (number: $0, object: object) }
        }
        let last = numbered.max { $0.number < $1.number }
        let taken = store.now()
        if let last, (last.object.modified ?? .max - store.leaseSeconds) + store.leaseSeconds > taken { return nil }
        let number = (last?.number ?? 0) + 1
        guard try store.create(folder + String(number, radix: 16), { _ in }) else { return nil }
        self.store = store
        self.folder = folder
        self.number = number
        self.taken = taken
        if !objects.isEmpty {
            try? onEngine { () throws(S3Error) in try store.bucket.delete(objects.map(\.key)) }
        }
    }

    deinit {
        let key = key
        // If that fails, it ends by its age.
        try? onEngine { () throws(S3Error) in try store.bucket.delete([key]) }
    }

    private var key: String { folder + String(number, radix: 16) }

    /// Takes it again if half of its time is over.
    ///
    /// - Returns: false if another host has it by now.
    func renew() throws(StoreError) -> Bool {
        let now = store.now()
        guard now >= taken + store.leaseSeconds / 2 else { return true }
        let old = key
        guard try store.create(folder + String(number + 1, radix: 16), { _ in }) else { return false }
        number += 1
        taken = now
        try onEngine { () throws(S3Error) in try store.bucket.delete([old]) }
        return true
    }
}
