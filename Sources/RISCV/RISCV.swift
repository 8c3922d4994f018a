// RISCV: a riscv64 Linux program in its own world, counted to the instruction.
//
// The mesh runs strangers' programs and proves the results by running them again. So everything
// that a program can observe is a function of the program, its inputs and a seed:
//
//   time      one nanosecond per retired instruction, from a fixed date; a sleep skips ahead
//   chance    splitmix64 from the seed (getrandom, AT_RANDOM, /dev/urandom)
//   threads   100,000 instructions each in turn, on one host thread
//   memory    addresses chosen first-fit; 64 GiB reserved, pages count when first written
//   files     an in-memory tree with the inputs in /work; directories are listed sorted
//   floats    computed in integers, or by the host where IEEE 754 leaves it no choice
//   the end   exit, signal, or an exact number of instructions, as a value and never a crash
//
// The instruction set is RV64IMAFDC_Zicsr_Zifencei with the counters of Zicntr, in user mode
// (RISC-V Instruction Set Manual, volume I, 20240411); the system calls are those that statically
// linked glibc, picolibc and newlib programs in C and C++ make. Of what the ISA leaves open:
// misaligned loads and stores work, misaligned atomics are SIGBUS, tininess is detected after
// rounding (the manual says so), stores into code take effect at once, and SC fails only when
// there was no LR to the same address, another SC, or a change of threads in between.
//
// From the file to the result:
//
//   ELFFile, ELFError, SymbolTable   what a file holds, or in one sentence why it is no program
//   Memory, MemoryWindow             pages, protections, checked access; the loop's view of them
//   Decoder                          32 and 16 bits of instruction to one Operation of 16 bytes
//   TraceCache, TraceWindow          runs of operations, linked as they are executed
//   Frame                            the loop: registers, memory and traces by pointer; `run` is
//                                    the hot part, `executeRare` and `Frame+Float` the rest
//   SoftFloat                        IEEE 754 from its definition
//   Hart, Registers, Thread          who runs
//   Machine                          the door: run in slices, take output, digest, report;
//                                    its extensions are what the loop leaves to it: faults,
//                                    signals, threads, and system calls by topic
//
// Speed comes from four things: each instruction is decoded once; the loop counts at taken jumps
// only, by a number in the jump (close to the end of the fuel it goes one by one, so the count is
// exact all the same); one test per access covers alignment, range and protection; and the loop's
// state lives in host registers. It makes some 400 to 500 million instructions a second where a
// translator (qemu) makes 2,000 and a decoding interpreter 15.
