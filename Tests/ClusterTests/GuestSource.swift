/// The C sources of the programs that only these tests run.
///
/// Text, because a Swift target cannot hold C files beside its own.
enum GuestSource {
    /// Does what its first argument says: one program shows every way to end.
    static let probe = #"""
        #include <errno.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>

        // Named in the report of the crash.
        __attribute__((noinline)) void write_through_null(volatile int *where) { *where = 1; }

        static int shout(void) {
            for (int c; (c = getchar()) != EOF;) putchar(c >= 'a' && c <= 'z' ? c - 32 : c);
            return 0;
        }

        static int copy(const char *from, const char *to) {
            FILE *input = fopen(from, "r");
            if (!input) {
                fprintf(stderr, "probe: %s: %s\n", from, strerror(errno));
                return 1;
            }
            FILE *output = fopen(to, "w");
            for (int c; (c = getc(input)) != EOF;) putc(c, output);
            fputs("copied\n", output);
            fclose(output);
            return 0;
        }

        static int leave(const char *name) {
            FILE *file = fopen(name, "w");
            if (!file) return 1;
            fputs("left\n", file);
            return fclose(file);
        }

        int main(int argc, char **argv) {
            if (argc < 2) return 2;
            if (!strcmp(argv[1], "arguments")) {
                for (int i = 1; i < argc; i++) printf("%d: <%s>\n", i, argv[i]);
                fprintf(stderr, "%d arguments\n", argc - 1);
                return argc > 2 ? atoi(argv[2]) : 0;
            }
            if (!strcmp(argv[1], "shout")) return shout();
            if (!strcmp(argv[1], "copy") && argc == 4) return copy(argv[2], argv[3]);
            if (!strcmp(argv[1], "leave")) {
                for (int i = 2; i < argc; i++)
                    if (leave(argv[i])) return 1;
                return 0;
            }
            if (!strcmp(argv[1], "crash")) {
                puts("before the crash");
                fflush(stdout);
                write_through_null(NULL);
            }
            return 2;
        }
        """#

    /// Works for a while and then names its index: one line in the ledger of a test.
    static let ledger = #"""
        #include <stdint.h>
        #include <stdio.h>
        #include <stdlib.h>

        int main(int argc, char **argv) {
            if (argc != 3) return 2;
            // The finaliser of MurmurHash3, over and over: nothing that a compiler could fold.
            uint64_t x = strtoull(argv[1], NULL, 10) + 1;
            for (uint64_t n = strtoull(argv[2], NULL, 10); n > 0; n--) {
                x ^= x >> 33;
                x *= 0xff51afd7ed558ccdULL;
                x ^= x >> 29;
            }
            printf("entry %s %016llx\n", argv[1], (unsigned long long)x);
            return 0;
        }
        """#

    static let all = ["probe": probe, "ledger": ledger]
}
