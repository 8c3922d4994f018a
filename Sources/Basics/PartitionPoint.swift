extension RandomAccessCollection where Index == Int {
    /// Where the elements end that are before something, by bisection: all of them stand in front.
    ///
    /// In a sorted collection it is where something stands, or would stand.
    // Inlined, because the comparison is a call where the collection is not known.
    @inlinable public func partitionPoint(_ isBefore: (Element) -> Bool) -> Int {
        var (low, high) = (startIndex, endIndex)
        while low < high {
            let middle = low + (high - low) / 2
            if isBefore(self[middle]) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
