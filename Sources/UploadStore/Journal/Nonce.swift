import Glibc
import Linux

/// Random numbers that no client can predict, for journals. One system call fetches many.
enum Nonce {
    private static let pool = Lock<[UInt64]>([])
    /// How many are fetched at a time: getentropy(3) returns 256 bytes at most.
    private static let batch = 32

    /// A number that was not used before.
    static func next() -> UInt64 {
        pool.withLock { pool in
            if pool.isEmpty {
                pool = [UInt64](repeating: 0, count: batch)
                let length = batch * MemoryLayout<UInt64>.stride
                let result = pool.withUnsafeMutableBytes { getentropy($0.baseAddress, length) }
                if result != 0 { pool = (0..<batch).map { _ in .random(in: 0 ... .max) } }
            }
            return pool.removeLast()
        }
    }
}
