/// An event of the parser. The order is always `(partBegan (data | heldData)* partEnded)* ended`.
package enum MultipartEvent: Sendable, Equatable {
    /// A part begins, with this header. Its data follow.
    case partBegan(PartHeader)
    /// Data of the part: this range of the input, counted from its start. Never empty.
    case data(Range<Int>)
    /// Data of the part from earlier inputs, which looked like a delimiter until now. They come before all data of this
    /// input that have not been returned yet. Never empty; at most as long as a delimiter line.
    case heldData(ArraySlice<UInt8>)
    /// The part is complete.
    case partEnded
    /// The close delimiter was read: all parts are complete. Only the end of the body follows.
    case ended
}
