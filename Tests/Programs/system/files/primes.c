extern int printf(const char *, ...);
static unsigned char composite[20000];
struct pair { int value; double root; };
static int count_primes(int limit) {
    int count = 0;
    for (int i = 2; i < limit; i++) {
        if (composite[i]) continue;
        count++;
        for (long j = (long)i * i; j < limit; j += i) composite[j] = 1;
    }
    return count;
}
int main(int argc, char **argv) {
    struct pair pairs[4] = {{1, 1.0}, {4, 2.0}, {9, 3.0}, {16, 4.0}};
    double sum = 0;
    for (int i = 0; i < 4; i++) sum += pairs[i].root * pairs[i].value;
    printf("%d primes, sum %.3f, %d arguments\n", count_primes(20000), sum, argc);
    return 7;
}
