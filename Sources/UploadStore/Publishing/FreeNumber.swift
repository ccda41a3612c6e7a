/// A free number above `taken`, or from 0 if that is nil. Where all numbers up to n are taken, it looks at about
/// 2 * log2(n) of them: the distance doubles until a number is free, and is then halved towards the last one that is
/// taken. Gaps may be skipped.
///
/// - Parameter isTaken: looks at one number.
package func freeNumber<Failure: Error>(
    after taken: UInt64?, _ isTaken: (UInt64) throws(Failure) -> Bool
) throws(Failure) -> UInt64 {
    /// Clients choose names, so they may have taken exactly the numbers that are looked at. Past this one, a random
    /// number is free nearly always.
    let limit: UInt64 = 1 << 32
    var low = taken
    var high = taken.map { $0 + 1 } ?? 0
    var distance: UInt64 = 1
    while try isTaken(high) {
        low = high
        high = high < limit ? high + distance : .random(in: 0..<1 << 53)
        distance &*= 2
    }
    if high > 2 * limit { return high }
    while let taken = low, high > taken + 1 {
        let middle = taken + (high - taken) / 2
        if try isTaken(middle) { low = middle } else { high = middle }
    }
    return high
}
