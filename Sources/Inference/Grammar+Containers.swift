import Basics

extension GrammarCompiler {
    // MARK: Arrays

    /// The first items one by one, then a loop over the others.
    mutating func array(_ array: Schema.Items, next: Place) throws(SchemaError) -> Place {
        let least = array.countMin
        var most = array.countMax
        // What nothing was said of is written only where it must be.
        if array.isOpen { most = min(most ?? .max, max(least, array.prefix.count)) }
        let close = try byte("]", next: next)
        let prefix = array.prefix.prefix(most ?? .max)
        var rest = try items(
            array.items,
            after: prefix.count,
            least: least,
            most: most,
            close: close
        )
        for index in prefix.indices.reversed() {
            // `rest` goes on behind this item.
            let item = try compile(prefix[index], next: rest)
            guard 0 < index else {
                rest = try choice(least == 0 ? [close, item] : [item])
                break
            }
            let more = try byte(",", next: item)
            rest = try choice(least <= index ? [close, more] : [more])
        }
        return try byte("[", next: rest)
    }

    /// The items behind the first `written` ones, and the closing bracket.
    private mutating func items(
        _ items: Schema,
        after written: Int,
        least: Int,
        most: Int?,
        close: Place
    ) throws(SchemaError) -> Place {
        if let most, most <= written { return close }
        let missing = max(0, least - written)
        let entry: Place
        if most == nil, missing <= 1 {
            // No counter: after an item comes the end, or a comma and another.
            let after = try emit(.choice([]))
            let item = try compile(items, next: after)
            let again = try byte(",", next: item)
            patch(after, .choice([close, again]))
            entry = written == 0 ? item : again
        } else {
            guard missing <= Grammar.shortestByteCountMax else {
                throw .tooLarge(
                    what: "bytes in the shortest document",
                    limit: Grammar.shortestByteCountMax
                )
            }
            let counter = try emit(.end)
            let item = try compile(items, next: counter)
            let again = try byte(",", next: item)
            let room = most.flatMap { Int32(exactly: $0 - written) } ?? Grammar.unbounded
            patch(
                counter,
                .count(least: Int32(missing), most: room, again: again, done: close)
            )
            entry = try emit(.enter(next: written == 0 ? item : again, counter: counter))
        }
        return missing == 0 ? try choice([close, entry]) : entry
    }

    // MARK: Objects

    /// From the last property to the first, two entries for each: one where it would be the
    /// first that is written, and one where a comma comes before.
    mutating func object(_ members: Schema.Members, next: Place) throws(SchemaError) -> Place {
        let close = try byte("}", next: next)
        var asFirst = close
        var asNext = close
        if case .schema(let schema) = members.additional {
            asNext = try emit(.choice([]))
            let value = try compile(schema, next: asNext)
            let name = try freeName(except: members, next: try byte(":", next: value))
            patch(asNext, .choice([close, try byte(",", next: name)]))
            asFirst = try choice([close, name])
        }
        for property in members.properties.reversed() {
            let value = try compile(property.schema, next: asNext)
            let name = try text(JSON.string(property.name).text + ":", next: value)
            let comma = try byte(",", next: name)
            asFirst = property.isRequired ? name : try choice([name, asFirst])
            asNext = property.isRequired ? comma : try choice([comma, asNext])
        }
        return try byte("{", next: asFirst)
    }

    /// A name that is none of the properties', quoted.
    private mutating func freeName(
        except members: Schema.Members,
        next: Place
    ) throws(SchemaError) -> Place {
        guard !members.properties.isEmpty else {
            let inside = try emit(.string(least: 0, most: Grammar.unbounded, next: next))
            return try byte("\"", next: inside)
        }
        let language = try budget.forSchema { budget throws(GrammarBudget.Exceeded) in
            try TextLanguage.all(except: members.properties.map(\.name), &budget)
        }
        return try byte("\"", next: try lexer(language, .quoted, next: next))
    }
}
