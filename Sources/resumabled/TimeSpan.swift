import ArgumentParser

/// A duration on the command line: `90s`, `30m`, `12h`, `7d`. A number alone is in seconds.
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
    /// The duration in the largest unit that needs no fraction.
    var description: String {
        let unit = TimeSpan.units.first { seconds >= $0.seconds && seconds % $0.seconds == 0 }
        return unit.map { "\(seconds / $0.seconds)\($0.letter)" } ?? "\(seconds)"
    }
}
