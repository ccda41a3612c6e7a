import Linux

/// The names of an upload's two files in the state folder.
struct UploadFiles: Hashable, Sendable {
    static let journalSuffix = ".journal"
    static let dataSuffix = ".data"
    let journal: String
    let data: String

    /// - Parameter nonce: the journal's. It is part of the data file's name, so that a journal never vouches for the
    ///   data file of another upload with the same key, whichever of the files a power cut leaves.
    init(key: UploadKey, nonce: UInt64) {
        journal = key.journal
        data = key.text + "-" + nonce.hexDigits + UploadFiles.dataSuffix
    }
}
