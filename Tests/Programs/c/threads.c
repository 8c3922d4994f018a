// Mutex, condition variable, barrier, thread-local data, join.
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static sem_t room;
static long counter, queue[8], consumed;
static int head, tail, finished;
static _Thread_local long mine;
static void *count(void *argument) {
    for (int i = 0; i < 20000; i++) {
        pthread_mutex_lock(&lock);
        counter++;
        pthread_mutex_unlock(&lock);
        mine++;
    }
    pthread_barrier_wait(&barrier);
    return (void *)(mine + (long)argument);
}
static void *produce(void *unused) {
    for (long i = 1; i <= 500; i++) {
        sem_wait(&room);
        pthread_mutex_lock(&lock);
        queue[head++ % 8] = i;
        pthread_cond_signal(&changed);
        pthread_mutex_unlock(&lock);
    }
    return unused;
}
static void *consume(void *unused) {
    pthread_mutex_lock(&lock);
    for (;;) {
        while (head == tail && !finished) pthread_cond_wait(&changed, &lock);
        if (head == tail) break;
        consumed += queue[tail++ % 8];
        sem_post(&room);
    }
    pthread_mutex_unlock(&lock);
    return unused;
}
int main(void) {
    pthread_t threads[4], producers[2], consumers[3];
    pthread_barrier_init(&barrier, 0, 4);
    sem_init(&room, 0, 8);
    for (long i = 0; i < 4; i++) pthread_create(&threads[i], 0, count, (void *)i);
    for (int i = 0; i < 4; i++) {
        void *result;
        pthread_join(threads[i], &result);
        printf("%ld\n", (long)result);
    }
    printf("%ld %ld\n", counter, mine);
    for (int i = 0; i < 3; i++) pthread_create(&consumers[i], 0, consume, 0);
    for (int i = 0; i < 2; i++) pthread_create(&producers[i], 0, produce, 0);
    for (int i = 0; i < 2; i++) pthread_join(producers[i], 0);
    pthread_mutex_lock(&lock);
    finished = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < 3; i++) pthread_join(consumers[i], 0);
    printf("%ld\n", consumed);
    return 0;
}
