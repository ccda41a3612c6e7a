/// Notices jumps of the wall clock between sweeps. A clock that was set forward by a year would let everything expire
/// at once, and may be set back a minute later.
struct ClockWatch {
    /// How far the wall clock may get ahead of the monotonic one from one sweep to the next, in seconds.
    static let tolerance: UInt64 = 3600

    private var last: (wall: UInt64, monotonic: UInt64)?
    private var wasTrusted = false

    /// True if the last sweep trusted the clock, and the wall clock has not jumped forward since.
    func agrees(wall: UInt64, monotonic: UInt64) -> Bool {
        guard wasTrusted, let expected = expected(at: monotonic) else { return false }
        return wall <= expected + ClockWatch.tolerance
    }

    /// Compares the clocks, and remembers them for the next sweep: a clock that stays where it jumped is trusted then.
    ///
    /// - Parameters:
    ///   - wall: in Unix seconds.
    ///   - monotonic: in seconds.
    ///   - newest: returns the time of the newest journal, which the first sweep compares with; nil if there is none.
    /// - Returns: false if the wall clock has jumped forward. A clock that goes back lets nothing expire early.
    mutating func isTrusted(wall: UInt64, monotonic: UInt64, newest: () -> UInt64?) -> Bool {
        let expected = expected(at: monotonic) ?? newest()
        last = (wall, monotonic)
        wasTrusted = expected.map { wall <= $0 + ClockWatch.tolerance } ?? true
        return wasTrusted
    }

    /// The wall clock by the last sweep and the time that the monotonic clock has measured since; nil before the first.
    private func expected(at monotonic: UInt64) -> UInt64? {
        last.map { $0.wall + (monotonic - min(monotonic, $0.monotonic)) }
    }
}
