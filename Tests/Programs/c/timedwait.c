// Waits that end by time, and sleeps that last.
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
static double seconds(struct timespec a, struct timespec b) { return (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) * 1e-9; }
int main(void) {
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t never = PTHREAD_COND_INITIALIZER;
    struct timespec start, end, deadline;
    clock_gettime(CLOCK_MONOTONIC, &start);
    usleep(20000);
    struct timespec pause = {0, 30000000};
    printf("%d\n", nanosleep(&pause, 0));
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%d\n", seconds(start, end) >= 0.05);
    clock_gettime(CLOCK_REALTIME, &deadline);
    printf("%d\n", deadline.tv_sec > 1000000000);
    deadline.tv_nsec += 40000000;
    if (deadline.tv_nsec >= 1000000000) deadline.tv_sec++, deadline.tv_nsec -= 1000000000;
    pthread_mutex_lock(&lock);
    printf("%d\n", pthread_cond_timedwait(&never, &lock, &deadline) == ETIMEDOUT);
    struct timespec after;
    clock_gettime(CLOCK_MONOTONIC, &after);
    printf("%d\n", seconds(end, after) >= 0.03 && seconds(end, after) < 30);
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += 0;
    printf("%d\n", clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, 0));
    return 0;
}
