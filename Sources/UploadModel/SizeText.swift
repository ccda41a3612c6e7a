/// A limit in bytes, for a person: in the largest unit that divides it, as operators set limits, or in bytes.
package func sizeText(_ bytes: UInt64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
    var (count, unit) = (bytes, 0)
    while count >= 1024, count % 1024 == 0, unit < units.count - 1 { (count, unit) = (count / 1024, unit + 1) }
    return "\(count) \(units[unit])"
}
