// Every integer operation on corner values, at every width.
#include <inttypes.h>
#include <stdio.h>
static const int64_t corners[] = {0, 1, -1, 2, 7, -8, 255, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, 0x123456789abcdef};
enum { COUNT = sizeof corners / sizeof *corners };
int main(void) {
    for (int i = 0; i < COUNT; i++)
        for (int j = 0; j < COUNT; j++) {
            volatile int64_t a = corners[i], b = corners[j];
            volatile uint64_t ua = (uint64_t)a, ub = (uint64_t)b;
            volatile int32_t wa = (int32_t)a, wb = (int32_t)b;
            printf("%" PRIx64 " %" PRIx64 " %" PRIx64, ua + ub, ua - ub, ua * ub);
            if (b != 0 && !(a == INT64_MIN && b == -1))
                printf(" / %" PRId64 " %" PRId64 " %" PRIu64 " %" PRIu64, a / b, a % b, ua / ub, ua % ub);
            if (wb != 0 && !(wa == INT32_MIN && wb == -1))
                printf(" w %d %d %u %u", wa / wb, wa % wb, (unsigned)wa / (unsigned)wb, (unsigned)wa % (unsigned)wb);
            printf(" s %" PRIx64 " %" PRIx64 " %" PRIx64, ua << (ub & 63), ua >> (ub & 63), (uint64_t)(a >> (b & 63)));
            printf(" %x %x %x", (unsigned)wa << (wb & 31), (unsigned)wa >> (wb & 31), (unsigned)(wa >> (wb & 31)));
            printf(" c %d%d%d%d h %" PRIx64 " %" PRIx64 "\n", a < b, ua < ub, a <= b, wa < wb,
                   (uint64_t)(((__int128)a * b) >> 64), (uint64_t)(((unsigned __int128)ua * ub) >> 64));
        }
    return 0;
}
