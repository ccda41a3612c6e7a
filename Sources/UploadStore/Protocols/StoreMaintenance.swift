package import UploadModel

/// Keeps a store tidy. Failures are values in the results: one upload that cannot be handled does not keep the store
/// from handling the others.
package protocol StoreMaintenance: Sendable {
    /// Finishes what a process left undone when it died: publishes uploads that are complete. Called once, before the
    /// first request.
    ///
    /// - Returns: the failures.
    func recover() -> [StoreError]

    /// Removes uploads and records that have expired, and what dead processes left behind. Uploads that a request is
    /// writing to stay.
    func sweep() -> SweepReport

    /// Publishes uploads that only waited for time to pass. Called about once a second; must be quick.
    func finishWaiting()
}

/// The result of a sweep.
package struct SweepReport: Sendable {
    /// The uploads that were removed: unfinished ones, and records of finished ones.
    package var removed: [UploadSummary] = []
    /// The failures: each is one upload or file that could not be swept.
    package var failures: [StoreError] = []

    package init() {}
}

/// A store that can compare what it holds with its records.
package protocol VerifiableStore: Sendable {
    /// Checks every upload. Changes nothing, and may run beside a server that uses the store.
    ///
    /// - Throws: `StoreError` if the store cannot list its uploads.
    func verify() throws(StoreError) -> VerifyReport
}

/// The result of a verification.
package struct VerifyReport: Sendable {
    /// How many uploads were checked, finished ones included.
    package var uploads = 0
    /// How many bytes were compared with their checksums.
    package var bytes: UInt64 = 0
    /// The faults that were found.
    package var findings: [Finding] = []

    package init() {}

    /// One thing that is wrong.
    package struct Finding: Sendable, Equatable {
        /// The store's name for the object that the finding is about, such as a file in its folder.
        package let object: String
        /// The upload that the object belongs to; nil if that is unknown.
        package let upload: UploadID?
        /// The fault, and the store's next step.
        package let text: String

        package init(object: String, upload: UploadID?, text: String) {
            self.object = object
            self.upload = upload
            self.text = text
        }
    }
}
