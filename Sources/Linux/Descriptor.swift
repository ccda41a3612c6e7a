import Glibc

/// The owner of a file descriptor: closes it once, when it goes.
package struct Descriptor: ~Copyable, Sendable {
    package let number: Int32

    /// Takes over a descriptor that nobody else closes.
    package init(_ number: Int32) {
        self.number = number
    }

    deinit { close(number) }
}
