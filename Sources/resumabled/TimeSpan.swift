import ArgumentParser

/// A span of time as people write it: `90s`, `30m`, `12h`, `7d`; a number alone is seconds.
struct TimeSpan: ExpressibleByArgument, Sendable {
    let seconds: UInt64

    private static let units: [(letter: Character, seconds: UInt64)] = [
        ("d", 86_400), ("h", 3600), ("m", 60), ("s", 1),
    ]

    init(seconds: UInt64) {
        self.seconds = seconds
    }

    init?(argument: String) {
        let unit = TimeSpan.units.first { $0.letter == argument.last }
        guard let number = UInt64(unit == nil ? argument[...] : argument.dropLast()) else { return nil }
        let (seconds, overflow) = number.multipliedReportingOverflow(by: unit?.seconds ?? 1)
        guard !overflow, seconds <= 1 << 40 else { return nil }
        self.seconds = seconds
    }

    var defaultValueDescription: String { description }
}

extension TimeSpan: CustomStringConvertible {
    /// In the largest unit that says it exactly.
    var description: String {
        let unit = TimeSpan.units.first { seconds >= $0.seconds && seconds % $0.seconds == 0 }
        return unit.map { "\(seconds / $0.seconds)\($0.letter)" } ?? "\(seconds)"
    }
}
