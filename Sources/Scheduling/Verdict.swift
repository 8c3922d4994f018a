/// What becomes of a task command, judged against the table.
package enum Verdict: Hashable, Sendable {
    /// It takes effect.
    case fresh
    /// Its effect is there already: an asker may repeat itself.
    case done
    /// It has no effect, now or later, and this is why.
    case refused(Refusal)
}
