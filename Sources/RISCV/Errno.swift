/// Why a system call failed, by the numbers of Linux.
enum Errno: UInt64, Error {
    case notPermitted = 1, noEntry = 2, noThread = 3, interrupted = 4, badHandle = 9
    case again = 11, noMemory = 12, accessDenied = 13, badAddress = 14, exists = 17
    case notDirectory = 20, isDirectory = 21, invalid = 22, tooManyHandles = 24, notTerminal = 25
    case noSpace = 28, illegalSeek = 29, brokenPipe = 32, outOfRange = 34, nameTooLong = 36
    case notImplemented = 38, notEmpty = 39, notSupported = 95, timedOut = 110
}
