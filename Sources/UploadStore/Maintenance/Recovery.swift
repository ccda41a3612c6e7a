import Glibc
import Linux
import UploadModel

// What an upload is worth after the machine went down: every range that was not synced is read again and compared with
// its checksum. What differs, or can't be read, is lost and the client will send it again; the rest is synced.

extension LocalStore {
    /// Checks what a power cut put in doubt, and starts a new boot in the journal.
    ///
    /// - Returns: false if nothing is left of the upload.
    func recover(_ journal: inout Journal, _ files: UploadFiles) throws(FileError) -> Bool {
        try journal.locked { journal throws(FileError) in
            guard try journal.file.status().names > 0 else { return false }
            try journal.refresh()
            guard journal.boot != boot else { return true }
            guard let data = try state.open(files.data) else {
                // Gone with the names that were not synced.
                try state.remove(files.journal)
                tell(journal) { .removed($0, .lost) }
                return false
            }
            let lost = (journal.doubtful ?? []).filter { !data.matches($0) }.map { JournalRecord.lost($0.range) }
            let records = UInt64(journal.records)
            do throws(FileError) { try data.sync() } catch {
                journal.distrust()
                throw error
            }
            try journal.append(lost + [.durable(records: records), .boot(boot)])
            try journal.sync()
            tell(journal) { .recovered($0, lostRanges: lost.count) }
            return true
        }
    }
}

extension File {
    /// True if the bytes of that record are there. False also where they can't be read.
    func matches(_ record: Journal.HeldRecord) -> Bool {
        guard let checksum = Checksum() else { return false }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 4096)
        defer { buffer.deallocate() }
        var position = record.range.start
        while position < record.range.end {
            let wanted = Int(min(UInt64(buffer.count), record.range.end - position))
            let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted])
            guard (try? read(into: piece, at: position)) == wanted else { return false }
            checksum.update(UnsafeRawBufferPointer(piece))
            position += UInt64(wanted)
        }
        return checksum.value == record.checksum
    }
}

extension BootID {
    /// This run of the machine, as the kernel names it. Where it doesn't, an id that no other run has: then everything
    /// that is not synced is checked at each start.
    package static var current: BootID {
        var text = [UInt8](repeating: 0, count: 64)
        let descriptor = Descriptor(open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC))
        let count = read(descriptor.number, &text, text.count)
        let digits = String(decoding: text.prefix(max(0, count)), as: UTF8.self).filter(\.isHexDigit)
        guard digits.count == 32, let high = UInt64(digits.prefix(16), radix: 16),
            let low = UInt64(digits.suffix(16), radix: 16)
        else { return BootID(low: .random(in: 0 ... .max), high: .random(in: 0 ... .max)) }
        return BootID(low: low, high: high)
    }
}
