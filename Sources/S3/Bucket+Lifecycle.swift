/// A rule by which a bucket removes objects below a prefix by itself.
package struct LifecycleRule: Sendable, Equatable {
    /// Empty for all objects.
    package var prefix: String
    /// After how many days it aborts a multipart upload, counted from its beginning.
    package var daysToAbort: UInt32?
    /// After how many days it removes an object.
    package var daysToExpire: UInt32?
}

extension Bucket {
    /// Returns the rules that are in force. Credentials that may not read them, and engines without rules, have none.
    package func lifecycle() throws(S3Error) -> [LifecycleRule] {
        var call = Call("GetBucketLifecycleConfiguration", "GET")
        call.query = [("lifecycle", "")]
        do throws(S3Error) {
            return try perform(call) { answer in
                guard let root = XMLElement.parse(answer.body), root.name == "LifecycleConfiguration" else {
                    return nil
                }
                return root.all("Rule").filter { $0["Status"] == "Enabled" }.map(LifecycleRule.init)
            }
        } catch {
            switch error {
            case .denied, .noSuchKey, .refused: return []
            default: throw error
            }
        }
    }
}

extension LifecycleRule {
    fileprivate init(_ rule: XMLElement) {
        let filter = rule.all("Filter").first
        // The prefix is in the rule itself (the older form), in its filter, or in a conjunction in the filter.
        prefix = rule["Prefix"] ?? filter?["Prefix"] ?? filter?.all("And").first?["Prefix"] ?? ""
        daysToAbort = rule.all("AbortIncompleteMultipartUpload").first?["DaysAfterInitiation"].flatMap { UInt32($0) }
        daysToExpire = rule.all("Expiration").first?["Days"].flatMap { UInt32($0) }
    }
}
