// What threads need beside mutexes: barriers, keys, cancellation, spinning, moving memory.
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static pthread_barrier_t barrier;
static pthread_rwlock_t guard = PTHREAD_RWLOCK_INITIALIZER;
static pthread_key_t key;
static sem_t ready;
static int total, destroyed;

static void destroy(void *unused) { __atomic_add_fetch(&destroyed, 1, __ATOMIC_SEQ_CST); }

static void *count(void *argument) {
    pthread_setspecific(key, argument);
    for (int i = 0; i < 100; i++) {
        pthread_rwlock_wrlock(&guard);
        total++;
        pthread_rwlock_unlock(&guard);
    }
    pthread_barrier_wait(&barrier);
    return argument;
}

static void clean(void *unused) { printf("cleaned up\n"); }

static void *sleep_long(void *unused) {
    pthread_cleanup_push(clean, 0);
    sem_post(&ready);
    sleep(1000);
    pthread_cleanup_pop(0);
    return 0;
}

static void *spin(void *flag) {
    while (!__atomic_load_n((int *)flag, __ATOMIC_ACQUIRE)) sched_yield();
    return 0;
}

int main(void) {
    pthread_t workers[5], sleeper, spinner;
    void *result;
    pthread_barrier_init(&barrier, 0, 6);
    pthread_key_create(&key, destroy);
    sem_init(&ready, 0, 0);
    for (long i = 0; i < 5; i++) pthread_create(&workers[i], 0, count, (void *)(i + 1));
    pthread_barrier_wait(&barrier);
    long sum = 0;
    for (int i = 0; i < 5; i++) {
        pthread_join(workers[i], &result);
        sum += (long)result;
    }
    printf("%d %ld %d\n", total, sum, destroyed);
    pthread_create(&sleeper, 0, sleep_long, 0);
    sem_wait(&ready);
    pthread_cancel(sleeper);
    pthread_join(sleeper, &result);
    printf("cancelled %d\n", result == PTHREAD_CANCELED);
    int flag = 0;
    pthread_create(&spinner, 0, spin, &flag);
    struct timespec shortly;
    clock_gettime(CLOCK_REALTIME, &shortly);
    shortly.tv_nsec += 10000000;
    if (shortly.tv_nsec >= 1000000000) shortly.tv_sec++, shortly.tv_nsec -= 1000000000;
    printf("timed out %d\n", sem_timedwait(&ready, &shortly));
    __atomic_store_n(&flag, 1, __ATOMIC_RELEASE);
    pthread_join(spinner, 0);

    char *memory = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    strcpy(memory, "moves");
    memory = mremap(memory, 8192, 64 << 20, MREMAP_MAYMOVE);
    printf("%s %d\n", memory, memory[(64 << 20) - 1]);
    char name[16];
    prctl(PR_SET_NAME, "a name that is too long");
    prctl(PR_GET_NAME, name);
    struct rlimit limit = {64, 64};
    setrlimit(RLIMIT_NOFILE, &limit);
    int last = -1, next;
    while ((next = dup(1)) >= 0) last = next;
    printf("%s, handles up to %d\n", name, last);
    printf("raise %d\n", ({ limit.rlim_max = 65; setrlimit(RLIMIT_NOFILE, &limit); }));
    return 0;
}
