/// What a parser found. The order is always `(partBegan (data | heldData)* partEnded)* ended`.
package enum MultipartEvent: Sendable, Equatable {
    /// A part begins: all that is known about it. Its data follow.
    case partBegan(PartHeader)
    /// Data of the part: this range of the input, counted from its start. Never empty.
    case data(Range<Int>)
    /// Data of the part from inputs before this one: they looked like a delimiter until now. They belong before all
    /// data of this input that have not been handed out yet. Never empty; at most a delimiter line long.
    case heldData(ArraySlice<UInt8>)
    /// The part is whole.
    case partEnded
    /// The close delimiter was seen: all parts are whole. Nothing follows but the end of the body.
    case ended
}
