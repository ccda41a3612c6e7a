import ArgumentParser
import UploadModel
import UploadStore

/// A part of the disk on the command line: a number of bytes such as `50G`, or a share of the disk such as `10%`.
struct DiskShare: ExpressibleByArgument, Sendable {
    let limit: SpaceLimit

    init(_ limit: SpaceLimit) {
        self.limit = limit
    }

    init?(argument: String) {
        if argument.hasSuffix("%") {
            guard let percent = UInt64(argument.dropLast()), (1...100).contains(percent) else { return nil }
            limit = .percent(percent)
        } else {
            guard let count = ByteCount(argument: argument) else { return nil }
            limit = .bytes(count.bytes)
        }
    }

    var defaultValueDescription: String {
        switch limit {
        case .bytes(let bytes): ByteCount(bytes).defaultValueDescription
        case .percent(let percent): "\(percent)%"
        }
    }
}
