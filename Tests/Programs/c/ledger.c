/* Accounts that a debugger looks at: a global that changes, a function called again and again,
   threads that stand in it. */
#include <pthread.h>
#include <stdio.h>

static long balance;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void deposit(long amount)
{
    balance += amount;
}

static void *customer(void *argument)
{
    long share = (long)argument;
    for (int round = 0; round < 3; round++) {
        pthread_mutex_lock(&lock);
        deposit(share);
        pthread_mutex_unlock(&lock);
    }
    return 0;
}

int main(void)
{
    double rate = 1.5;
    for (long step = 1; step <= 5; step++) deposit(step * 10);
    printf("balance %ld\n", balance);
    pthread_t threads[2];
    for (long i = 0; i < 2; i++) pthread_create(&threads[i], 0, customer, (void *)(i + 1));
    for (int i = 0; i < 2; i++) pthread_join(threads[i], 0);
    printf("balance %ld, with interest %.2f\n", balance, balance * rate);
    return balance == 159 ? 3 : 1;
}
