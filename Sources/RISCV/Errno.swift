/// Why a system call failed, by the numbers of Linux.
enum Errno: UInt64, Error {
    case notPermitted = 1, noEntry = 2, noThread = 3, interrupted = 4, noDevice = 6
    case badHandle = 9, noChild = 10, again = 11, noMemory = 12, accessDenied = 13
    case badAddress = 14, busy = 16, exists = 17, crossDevice = 18, notDirectory = 20
    case isDirectory = 21, invalid = 22, tooManyHandles = 24, notTerminal = 25, noSpace = 28
    case illegalSeek = 29, readOnly = 30, brokenPipe = 32, outOfRange = 34, nameTooLong = 36
    case notImplemented = 38, notEmpty = 39, tooManyLinks = 40, noData = 61, notSocket = 88
    case notSupported = 95, noFamily = 97, timedOut = 110
}
