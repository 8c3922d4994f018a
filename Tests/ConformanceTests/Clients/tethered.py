"""Runs a program until the standard input ends, then stops it with SIGTERM.

usage: tethered.py PROGRAM ARGUMENT...

Whoever holds the other end of the pipe can die in any way: the program does not outlive it. Exits
with the program's code; a program that is still there after 20 s is killed.
"""

import signal
import subprocess
import sys


def main():
    # A test runner's threads block signals, and children inherit that.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    program = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    sys.stdin.read()
    program.terminate()
    try:
        code = program.wait(20)
    except subprocess.TimeoutExpired:
        program.kill()
        code = program.wait()
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
