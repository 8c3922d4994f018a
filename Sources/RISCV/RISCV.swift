// RISCV: a riscv64 Linux program in its own world, counted to the instruction.
//
// The mesh runs strangers' programs and proves the results by running them again. So everything
// that a program can observe is a function of the program, its inputs and a seed:
//
//   time      one nanosecond per retired instruction, from a fixed date; a sleep skips ahead
//   chance    splitmix64 from the seed (getrandom, AT_RANDOM, /dev/urandom)
//   threads   100,000 instructions each in turn, on one host thread
//   memory    addresses chosen first-fit; 64 GiB reserved, pages count when first written
//   files     a tree in memory with the inputs in /work, and what the caller shows of the host;
//             directories are listed sorted, times are virtual, changes stay in memory
//   floats    computed in integers, or by the host where IEEE 754 leaves it no choice
//   the end   exit, signal, or an exact number of instructions, as a value and never a crash
//
// The instruction sets are those of `Extension`, in user mode: RVA22U64 with Zfh, and of RVA23U64
// all but V (RISC-V Instruction Set Manual, volume I, 20240411); riscv_hwprobe and AT_HWCAP tell
// the program the same. The system calls are those of Linux that one process needs, with threads,
// signals, timers, pipes, polling and files, and without fork, exec and sockets to others: these
// fail, and are counted by number. Of what the ISA leaves open: misaligned loads and stores work,
// misaligned atomics are SIGBUS, tininess is detected after rounding (the manual says so), stores
// into code take effect at once, a cache block has 64 bytes, and SC fails only when there was no
// LR to the same address, another SC, a system call, a signal or a change of threads in between.
//
// From the file to the result:
//
//   ELFFile, ELFError, SymbolTable   what a file holds, or in one sentence why it is no program
//   Memory, MemoryWindow             pages, protections, checked access; the loop's view of them
//   Decoder                          32 and 16 bits of instruction to one Operation of 16 bytes
//   TraceCache, TraceWindow          runs of operations, linked as they are executed
//   Frame                            the interpreter's loop: registers, memory and traces by
//                                    pointer; `run` is the hot part, `executeRare` and
//                                    `Frame+Float` the rest
//   HostLayout                       what lies below the guest's memory for emitted code
//   Translator, AccessPlan           what is made of a trace, whichever the host
//   X86Translator, X86Assembler      a trace as x86-64 instructions; their encoding
//   Arm64Translator, Arm64Assembler  the same for AArch64
//   TranslatedCode, CodeMemory       the code that was made, its exits, where it lies
//   CodeHost                         another process that executes it, for tests
//   RegisterProfile                  which registers of the guest deserve one of the host
//   SoftFloat                        IEEE 754 from its definition
//   Hart, Registers, Thread          who runs
//   HostFolder, FileTree             what the program sees as files, links followed in its root
//   HandleTable, Poller, Timers      what it has open, watches and waits for
//   PendingSignals, ProcessFile      signals on their way; what /proc says
//   Snapshot, MemoryImage            all of this at one instruction, as a value to go on from
//   RunObserver                      the interpreter with somebody looking: one straight run of
//                                    instructions at a time, or one instruction
//   CommitLog                        a line for each instruction, as Spike writes them
//   Profiler, Profile, FlameGraph    each instruction counted: functions, blocks, mix, calls
//   Debugger, Watcher                stops at places and accesses, and goes back by snapshots
//   DebugStub, RemotePacket          gdb's protocol over a debugger, as a value without a socket
//   Machine                          the door: run in slices, take output, digest, report;
//                                    its extensions are what the loop leaves to it: faults,
//                                    signals, threads, and system calls by topic
//
// There are two engines and one behaviour. The interpreter runs on every host. The translator, on
// x86-64 with AVX, FMA and BMI2 and on 64-bit Arm, turns traces that run often into instructions
// of the host, and leaves to the machine, one by one, whatever is rare: faults, first writes to a
// page, misaligned accesses, stores into code, atomics, control registers, other rounding modes
// than to nearest.
// Both count at taken jumps and keep the longest trace in reserve, so that close to the end of the
// fuel the interpreter goes instruction by instruction and the count is exact. `EngineComparison`
// runs a program in both and compares.
//
// Who only runs a program pays nothing for those who look: breakpoints are records of the traces,
// and an observed run is another loop around the same records.
//
// The interpreter's speed comes from four things: each instruction is decoded once; the loop
// counts at taken jumps only, by a number in the jump; one test per access covers alignment, range
// and protection; and the loop's state lives in host registers. It makes some 400 to 500 million
// instructions a second. The translator's comes from guest registers, those that the program is
// seen to use most, that stay in host registers across traces, jumps that lead from code to code,
// one check for accesses that lie close together, and the host's floats with the flags left in
// MXCSR or FPSR until somebody asks. On x86-64 it makes some 2,500 to 4,500 million where qemu's
// user mode makes 400 to 3,000; on Arm it was never timed. Tasks run translated, fenced against
// speculation.
