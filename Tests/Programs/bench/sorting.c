/* Quicksort by hand, heap sort and the C library's qsort over the same numbers; prints a checksum.
 * The argument is the number of rounds (30 when there is none). */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { COUNT = 40000 };

static uint32_t numbers[COUNT];

static void fill(uint32_t seed) {
    for (int i = 0; i < COUNT; i++) {
        seed = seed * 1664525u + 1013904223u;
        numbers[i] = seed >> 3;
    }
}

static void quicksort(uint32_t *a, long low, long high) {
    while (low < high) {
        uint32_t pivot = a[(low + high) / 2];
        long i = low, j = high;
        while (i <= j) {
            while (a[i] < pivot)
                i++;
            while (a[j] > pivot)
                j--;
            if (i <= j) {
                uint32_t t = a[i];
                a[i++] = a[j];
                a[j--] = t;
            }
        }
        if (j - low < high - i) {
            quicksort(a, low, j);
            low = i;
        } else {
            quicksort(a, i, high);
            high = j;
        }
    }
}

static void sift(uint32_t *a, int root, int count) {
    for (;;) {
        int child = 2 * root + 1;
        if (child >= count)
            return;
        if (child + 1 < count && a[child] < a[child + 1])
            child++;
        if (a[root] >= a[child])
            return;
        uint32_t t = a[root];
        a[root] = a[child];
        a[child] = t;
        root = child;
    }
}

static void heapsort(uint32_t *a, int count) {
    for (int i = count / 2 - 1; i >= 0; i--)
        sift(a, i, count);
    for (int end = count - 1; end > 0; end--) {
        uint32_t t = a[0];
        a[0] = a[end];
        a[end] = t;
        sift(a, 0, end);
    }
}

static int compare(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint64_t checksum(uint64_t sum) {
    for (int i = 0; i < COUNT; i++)
        sum = (sum ^ numbers[i]) * 1099511628211u;
    return sum;
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 30;
    uint64_t sum = 14695981039346656037u;
    for (int i = 0; i < rounds; i++) {
        fill((uint32_t)i);
        quicksort(numbers, 0, COUNT - 1);
        sum = checksum(sum);
        fill((uint32_t)i + 1000);
        heapsort(numbers, COUNT);
        sum = checksum(sum);
        fill((uint32_t)i + 2000);
        qsort(numbers, COUNT, sizeof numbers[0], compare);
        sum = checksum(sum);
    }
    printf("%d rounds, checksum %016llx\n", rounds, (unsigned long long)sum);
    return 0;
}
