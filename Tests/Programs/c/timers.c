// Timers, queued signals, interrupted calls, and calls that are begun again.
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int caught, value;
static int ends[2];

static void note(int number, siginfo_t *info, void *context) {
    caught = number;
    value = info->si_code == SI_QUEUE || info->si_code == SI_TIMER ? info->si_value.sival_int : -1;
}

static void write_byte(int number) { write(ends[1], "x", 1); }

static void handle(int number, void (*plain)(int), int flags) {
    struct sigaction action = {0};
    if (plain) {
        action.sa_handler = plain;
    } else {
        action.sa_sigaction = note;
        flags |= SA_SIGINFO;
    }
    action.sa_flags = flags;
    sigaction(number, &action, 0);
}

// Again and again: one that comes before the call that it interrupts is not the last.
static void ring(int milliseconds) {
    struct itimerval setting = {{0, milliseconds * 1000}, {0, milliseconds * 1000}};
    setitimer(ITIMER_REAL, &setting, 0);
}

static void drain(void) {
    char bytes[64];
    struct pollfd entry = {ends[0], POLLIN, 0};
    while (poll(&entry, 1, 0) > 0) read(ends[0], bytes, sizeof bytes);
}

static int pause_for_signal(void) {
    int result = pause();
    return result < 0 && errno == EINTR;
}

static void interruptions(void) {
    char byte;
    struct pollfd entry = {0};
    pipe(ends);
    entry.fd = ends[0];
    entry.events = POLLIN;
    handle(SIGALRM, 0, 0);
    ring(50);
    ssize_t count = read(ends[0], &byte, 1);
    ring(0);
    printf("read %zd %s\n", count, strerror(errno));
    handle(SIGALRM, write_byte, SA_RESTART);
    ring(50);
    count = read(ends[0], &byte, 1);
    ring(0);
    drain();
    printf("read again %zd %c\n", count, byte);
    handle(SIGALRM, 0, SA_RESTART);
    ring(50);
    printf("poll %d", poll(&entry, 1, -1));
    printf(" %s\n", strerror(errno));
    struct timespec pause = {1, 0}, rest = {0, 0};
    printf("sleep %d", nanosleep(&pause, &rest));
    printf(" %s, some left %d\n", strerror(errno), rest.tv_sec == 0 && rest.tv_nsec > 0);
    printf("pause %d", pause_for_signal());
    ring(0);
    printf(" %d\n", caught);
}

static void queue(void) {
    sigset_t set;
    siginfo_t info;
    struct timespec none = {0, 0}, shortly = {0, 5000000};
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGRTMIN);
    sigaddset(&set, SIGRTMIN + 1);
    sigprocmask(SIG_BLOCK, &set, 0);
    for (int i = 0; i < 3; i++) {
        union sigval sent = {.sival_int = 10 + i};
        sigqueue(getpid(), SIGRTMIN + 1 - i % 2, sent);
        kill(getpid(), SIGUSR1);
    }
    int number;
    while ((number = sigtimedwait(&set, &info, &none)) > 0) {
        int isQueued = info.si_code == SI_QUEUE;
        printf("took %d %d\n", number > SIGUSR1 ? number - SIGRTMIN : -1,
               isQueued ? info.si_value.sival_int : 0);
    }
    printf("none left %s\n", strerror(errno));
    printf("wait %d", sigtimedwait(&set, &info, &shortly));
    printf(" %s\n", strerror(errno));
    sigprocmask(SIG_UNBLOCK, &set, 0);
}

static void ticking(void) {
    timer_t timer;
    struct sigevent event = {0};
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGUSR2;
    event.sigev_value.sival_int = 42;
    handle(SIGUSR2, 0, 0);
    printf("create %d\n", timer_create(CLOCK_MONOTONIC, &event, &timer));
    struct itimerspec setting = {{0, 0}, {0, 10000000}}, left;
    sigset_t set, none;
    sigemptyset(&none);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, 0);
    timer_settime(timer, 0, &setting, 0);
    sigsuspend(&none);
    printf("signal %d value %d\n", caught == SIGUSR2, value);
    timer_gettime(timer, &left);
    printf("off %ld, overrun %d\n", left.it_value.tv_nsec, timer_getoverrun(timer));
    printf("delete %d", timer_delete(timer));
    printf(" %d\n", timer_delete(timer) < 0);
}

static void *wait_here(void *unused) {
    sigset_t set;
    int number = 0;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigwait(&set, &number);
    printf("thread took %d\n", number);
    return 0;
}

static void threads(void) {
    pthread_t thread;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, 0);
    pthread_create(&thread, 0, wait_here, 0);
    kill(getpid(), SIGTERM);
    pthread_join(thread, 0);
}

int main(void) {
    interruptions();
    queue();
    ticking();
    threads();
    return 0;
}
