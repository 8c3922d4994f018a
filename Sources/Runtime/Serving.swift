import Logging
import ServiceLifecycle
import UnixSignals

extension ServiceGroup {
    /// A server until `watch` ends, or SIGTERM or SIGINT comes.
    init(serving server: any Service, until watch: any Service, logger: Logger) {
        self.init(
            configuration: .init(
                services: [
                    .init(
                        service: server, successTerminationBehavior: .gracefullyShutdownGroup,
                        failureTerminationBehavior: .cancelGroup),
                    .init(
                        service: watch, successTerminationBehavior: .gracefullyShutdownGroup),
                ], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
    }
}
