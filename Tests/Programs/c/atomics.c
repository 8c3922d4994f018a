#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
int main(void) {
    _Atomic uint64_t d = 5;
    _Atomic int32_t w = -3;
    _Atomic uint8_t b = 200;
    printf("%lu %d %d\n", atomic_fetch_add(&d, 10), atomic_fetch_sub(&w, 4), atomic_fetch_add(&b, 100));
    printf("%lu %d\n", atomic_fetch_or(&d, 0xf0), atomic_fetch_and(&w, 0xff));
    printf("%lu %d\n", atomic_fetch_xor(&d, 0xff00000000ull), atomic_exchange(&w, 77));
    uint64_t expected = 1;
    int swapped = atomic_compare_exchange_strong(&d, &expected, 9);
    printf("%d %lx", swapped, expected);
    swapped = atomic_compare_exchange_strong(&d, &expected, 9);
    printf(" %d %lx %lu\n", swapped, expected, atomic_load(&d));
    int32_t e = 77;
    swapped = atomic_compare_exchange_weak(&w, &e, -1);
    printf("%d %d %d %d\n", swapped, e, atomic_load(&w), atomic_load(&b));
    atomic_flag flag = ATOMIC_FLAG_INIT;
    int was = atomic_flag_test_and_set(&flag);
    printf("%d %d\n", was, atomic_flag_test_and_set(&flag));
    return 0;
}
