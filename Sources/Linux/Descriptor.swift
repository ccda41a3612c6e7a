import Glibc

/// Owns a file descriptor, and closes it when it is released.
package struct Descriptor: ~Copyable, Sendable {
    package let number: Int32

    /// Takes over a descriptor. Nothing else may close it.
    package init(_ number: Int32) {
        self.number = number
    }

    deinit { close(number) }
}
