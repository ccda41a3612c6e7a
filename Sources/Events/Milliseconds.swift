import Linux

/// The time in milliseconds, by the monotonic clock.
func milliseconds() -> UInt64 { MonotonicClock.milliseconds }
