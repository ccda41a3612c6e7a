import Glibc
import Linux
import UploadModel

// Recovers uploads after a power cut or reboot: every range that was not synced is read and compared with its checksum.
// Ranges that differ, or can't be read, are lost and the client sends them again; the others are synced.

extension LocalStore {
    /// Checks the ranges that a power cut may have taken, and records the current boot.
    ///
    /// - Returns: false if nothing is left of the upload.
    func recover(_ journal: inout Journal, _ files: UploadFiles) throws(FileError) -> Bool {
        try journal.locked { journal throws(FileError) in
            guard try journal.file.status().names > 0 else { return false }
            try journal.refresh()
            guard journal.boot != boot else { return true }
            guard let data = try state.open(files.data) else {
                // Its name was not synced before the power cut.
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
            _ = try journal.file.lock(offset: Journal.syncLock, length: 1, wait: true)
            defer { journal.file.unlock(offset: Journal.syncLock, length: 1) }
            try journal.append(lost + [.durable(records: records), .boot(boot), .syncing])
            let number = UInt64(journal.records - 1)
            try journal.sync()
            try? journal.close(number)
            tell(journal) { .recovered($0, lostRanges: lost.count) }
            return true
        }
    }
}

extension File {
    /// True if the file has the bytes of that record; false also if they can't be read.
    func matches(_ record: Journal.HeldRecord) -> Bool {
        guard let checksum = Checksum() else { return false }
        return withCopyBuffer { buffer in
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
}

extension BootID {
    /// The id of the current boot, from the kernel. If the kernel has none, a random one: then every start of the
    /// program checks all ranges that were not synced.
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
