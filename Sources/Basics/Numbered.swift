/// Elements under numbers that only grow: an array from which old ones can go.
///
/// It lies in pages of a fixed number of numbers each. So a copy that is read elsewhere while this
/// one goes on costs the pages that change, and not the whole; and what is old goes page by page.
public struct Numbered<Element> {
    /// Those of `pageNumberCount` numbers that are there, in order.
    @usableFromInline struct Page {
        @usableFromInline var numbers: [Int] = []
        @usableFromInline var elements: [Element] = []

        @inlinable init() {}

        // Where the number stands, or would stand: most pages are full.
        @inlinable func place(of number: Int, from first: Int) -> Int {
            var low = 0
            var high = Swift.min(number - first, numbers.count)
            if high < numbers.count, numbers[high] == number { return high }
            while low < high {
                let middle = (low + high) / 2
                if numbers[middle] < number { low = middle + 1 } else { high = middle }
            }
            return low
        }
    }

    // A page of tasks is some 200 KB: copied in a few microseconds.
    @inlinable static var pageNumberCount: Int { 256 }
    // Pages without anything between two that have something; more is no table of ours.
    @inlinable static var gapCountMax: Int { 1 << 20 }

    // The first one is not empty.
    @usableFromInline var pages: [Page] = []
    // Which page of all that ever were the first one is.
    @usableFromInline var firstPage = 0
    @usableFromInline var next: Int
    public private(set) var count = 0

    /// - Parameter nextNumber: the first that it gives.
    public init(nextNumber: Int = 0) { next = nextNumber }

    /// How many there have ever been.
    @inlinable public var nextNumber: Int { next }
    @inlinable public var isEmpty: Bool { count == 0 }

    @inlinable public func contains(number: Int) -> Bool { position(of: number) != nil }

    /// Nil where it is gone, or never was.
    @inlinable public func element(_ number: Int) -> Element? {
        position(of: number).map { pages[$0.page].elements[$0.place] }
    }

    /// The element that stands under a number; to ask for one that is gone is a fault.
    @inlinable public subscript(_ number: Int) -> Element {
        get {
            let position = present(number)
            return pages[position.page].elements[position.place]
        }
        _modify {
            let position = present(number)
            yield &pages[position.page].elements[position.place]
        }
    }

    /// Those of these numbers that are there.
    public subscript(_ range: Range<Int>) -> [Element] {
        var found: [Element] = []
        forEach(in: range) { found.append($0) }
        return found
    }

    public func forEach(in range: Range<Int>, _ body: (Element) -> Void) {
        for (page, places) in parts(of: range) {
            for place in places { body(pages[page].elements[place]) }
        }
    }

    /// Each with its number.
    public var numbered: [(number: Int, element: Element)] {
        pages.flatMap { page in
            zip(page.numbers, page.elements).map { (number: $0, element: $1) }
        }
    }

    public func firstNumber(where isWanted: (Element) -> Bool) -> Int? {
        for page in pages {
            if let place = page.elements.firstIndex(where: isWanted) { return page.numbers[place] }
        }
        return nil
    }

    public mutating func append(_ element: Element) {
        put(element, number: next)
        next += 1
    }

    /// Puts an element back under its number; false where that is not above all others, was never
    /// given, or is absurdly far from them.
    public mutating func restore(_ element: Element, number: Int) -> Bool {
        let last = pages.last?.numbers.last ?? -1
        let gap = (number - Swift.max(last, 0)) / Self.pageNumberCount
        guard last < number, number < next, pages.isEmpty || gap <= Self.gapCountMax else {
            return false
        }
        put(element, number: number)
        return true
    }

    private mutating func put(_ element: Element, number: Int) {
        let page = number / Self.pageNumberCount
        if pages.isEmpty { firstPage = page }
        while firstPage + pages.count <= page { pages.append(Page()) }
        pages[page - firstPage].numbers.append(number)
        pages[page - firstPage].elements.append(element)
        count += 1
    }

    public mutating func remove(_ ranges: [Range<Int>]) {
        for range in ranges {
            for (page, places) in parts(of: range) {
                pages[page].numbers.removeSubrange(places)
                pages[page].elements.removeSubrange(places)
                count -= places.count
            }
        }
        let emptyCount = pages.prefix { $0.numbers.isEmpty }.count
        pages.removeFirst(emptyCount)
        firstPage += emptyCount
    }

    // The places on each page that has some of these numbers.
    private func parts(of range: Range<Int>) -> [(page: Int, places: Range<Int>)] {
        let size = Self.pageNumberCount
        let first = Swift.max(range.lowerBound / size - firstPage, 0)
        let end = Swift.min((range.upperBound + size - 1) / size - firstPage, pages.count)
        guard first < end, !range.isEmpty else { return [] }
        return (first..<end).compactMap { page in
            let start = (firstPage + page) * size
            let lower = pages[page].place(
                of: Swift.max(range.lowerBound, start), from: start)
            let upper = pages[page].place(
                of: Swift.min(range.upperBound, start + size), from: start)
            return lower < upper ? (page, lower..<upper) : nil
        }
    }

    @inlinable func present(_ number: Int) -> (page: Int, place: Int) {
        guard let position = position(of: number) else {
            preconditionFailure("nothing has the number \(number)")
        }
        return position
    }

    @inlinable func position(of number: Int) -> (page: Int, place: Int)? {
        guard number >= 0 else { return nil }
        let page = number / Self.pageNumberCount - firstPage
        guard page >= 0, page < pages.count else { return nil }
        let place = pages[page].place(
            of: number, from: (firstPage + page) * Self.pageNumberCount)
        guard place < pages[page].numbers.count, pages[page].numbers[place] == number else {
            return nil
        }
        return (page, place)
    }
}

extension Numbered: Sequence {
    public struct Iterator: IteratorProtocol {
        let pages: [Page]
        var page = 0
        var place = 0

        public mutating func next() -> Element? {
            while page < pages.count {
                if place < pages[page].elements.count {
                    defer { place += 1 }
                    return pages[page].elements[place]
                }
                page += 1
                place = 0
            }
            return nil
        }
    }

    public func makeIterator() -> Iterator { Iterator(pages: pages) }

    public var underestimatedCount: Int { count }
}

extension Numbered: Equatable where Element: Equatable {
    public static func == (left: Numbered, right: Numbered) -> Bool {
        left.next == right.next && left.count == right.count
            && zip(left.numbered, right.numbered).allSatisfy {
                $0.number == $1.number && $0.element == $1.element
            }
    }
}

extension Numbered: Hashable where Element: Hashable {
    public func hash(into hasher: inout Hasher) {
        hasher.combine(next)
        for element in self { hasher.combine(element) }
    }
}

extension Numbered: Sendable where Element: Sendable {}
extension Numbered.Page: Sendable where Element: Sendable {}
