/// Why the node refuses a request: what an HTTP client gets to see.
package struct APIError: Error, Hashable, Sendable {
    /// An HTTP status from 400 to 599.
    package var status: Int
    /// A word for programs, in `snake_case`: `model_not_found`.
    package var code: String
    /// One plain sentence for people, with what to do next where that is known.
    package var message: String
    /// The request's parameter that is to blame, by its name in the request.
    package var parameter: String?

    package init(status: Int, message: String, code: String, parameter: String? = nil) {
        self.status = status
        self.code = code
        self.message = message
        self.parameter = parameter
    }
}
