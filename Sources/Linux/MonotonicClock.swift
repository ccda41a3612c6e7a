import Glibc

/// The kernel's monotonic clock (clock_gettime(2), CLOCK_MONOTONIC): setting the system time does not move it. Its zero
/// is arbitrary, so only differences mean anything, and only within one boot of the machine.
package enum MonotonicClock {
    package static var seconds: UInt64 { nanoseconds / 1_000_000_000 }
    package static var milliseconds: UInt64 { nanoseconds / 1_000_000 }

    package static var nanoseconds: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
