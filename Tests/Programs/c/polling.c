// poll, select, epoll, eventfd and timerfd: what is ready when, and waiting.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static int ends[2];

static void *write_later(void *text) {
    struct timespec pause = {0, 20000000};
    nanosleep(&pause, 0);
    write(ends[1], text, strlen(text));
    return 0;
}

static void show_poll(const char *name, int fd, short wanted, int timeout) {
    struct pollfd entry = {fd, wanted, 0};
    int count = poll(&entry, 1, timeout);
    printf("%s: %d %#x\n", name, count, entry.revents);
}

static void show_epoll(const char *name, int watch, int timeout) {
    struct epoll_event events[8];
    int count = epoll_wait(watch, events, 8, timeout);
    printf("%s: %d", name, count);
    for (int i = 0; i < count; i++) {
        printf(" %#x/%llu", events[i].events, (unsigned long long)events[i].data.u64);
    }
    printf("\n");
}

static void pipes(void) {
    pthread_t writer;
    char buffer[16] = {0};
    pipe(ends);
    show_poll("empty pipe", ends[0], POLLIN, 0);
    show_poll("empty pipe for a while", ends[0], POLLIN, 5);
    show_poll("writer", ends[1], POLLOUT | POLLIN, 0);
    pthread_create(&writer, 0, write_later, "hello");
    show_poll("a thread writes", ends[0], POLLIN, -1);
    pthread_join(writer, 0);
    printf("read %zd", read(ends[0], buffer, sizeof buffer));
    printf(" %s\n", buffer);
    fd_set readable;
    FD_ZERO(&readable);
    FD_SET(ends[0], &readable);
    struct timeval wait = {0, 3000};
    printf("select %d", select(ends[0] + 1, &readable, 0, 0, &wait));
    printf(" %d\n", FD_ISSET(ends[0], &readable) != 0);
    close(ends[1]);
    show_poll("hung up", ends[0], POLLIN, -1);
    show_poll("not open", 77, POLLIN, 0);
    show_poll("ignored", -1, POLLIN, 0);
    close(ends[0]);
    pipe2(ends, O_NONBLOCK);
    printf("nothing there %zd", read(ends[0], buffer, 1));
    printf(" %s\n", errno == EAGAIN ? "EAGAIN" : "?");
    close(ends[0]);
    show_poll("no reader", ends[1], POLLOUT, 0);
    close(ends[1]);
}

static void counters(void) {
    uint64_t value = 3;
    int counter = eventfd(2, EFD_NONBLOCK), semaphore = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
    write(counter, &value, 8);
    read(counter, &value, 8);
    printf("counter %llu, then %zd\n", (unsigned long long)value, read(counter, &value, 8));
    for (int i = 0; i < 3; i++) {
        value = 9;
        ssize_t count = read(semaphore, &value, 8);
        printf("semaphore %zd %llu\n", count, (unsigned long long)value);
    }
    value = UINT64_MAX - 1;
    printf("full %zd", write(counter, &value, 8));
    value = 1;
    printf(" %zd\n", write(counter, &value, 8));
    show_poll("full counter", counter, POLLIN | POLLOUT, 0);
    close(counter);
    close(semaphore);
}

static void timers(void) {
    int timer = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec setting = {{0, 0}, {0, 10000000}}, left;
    uint64_t count = 0;
    show_poll("timer off", timer, POLLIN, 2);
    timerfd_settime(timer, 0, &setting, 0);
    show_poll("timer", timer, POLLIN, -1);
    read(timer, &count, 8);
    timerfd_gettime(timer, &left);
    printf("expired %llu, left %ld\n", (unsigned long long)count, left.it_value.tv_nsec);
    setting.it_interval.tv_nsec = 2000000;
    timerfd_settime(timer, 0, &setting, 0);
    struct timespec pause = {0, 30000000};
    nanosleep(&pause, 0);
    read(timer, &count, 8);
    printf("several %d\n", count >= 5);
    close(timer);
}

static void watching(void) {
    int watch = epoll_create1(EPOLL_CLOEXEC), counter = eventfd(0, EFD_NONBLOCK);
    uint64_t value = 1;
    struct epoll_event event = {EPOLLIN, {.u64 = 7}};
    printf("add %d", epoll_ctl(watch, EPOLL_CTL_ADD, counter, &event));
    printf(" %d %s\n", epoll_ctl(watch, EPOLL_CTL_ADD, counter, &event), strerror(errno));
    show_epoll("nothing", watch, 0);
    write(counter, &value, 8);
    show_epoll("level", watch, -1);
    show_epoll("level again", watch, 0);
    event.events = EPOLLIN | EPOLLET;
    event.data.u64 = 8;
    epoll_ctl(watch, EPOLL_CTL_MOD, counter, &event);
    show_epoll("edge", watch, 0);
    show_epoll("edge again", watch, 0);
    write(counter, &value, 8);
    show_epoll("edge after a write", watch, 0);
    event.events = EPOLLIN | EPOLLONESHOT;
    epoll_ctl(watch, EPOLL_CTL_MOD, counter, &event);
    show_epoll("once", watch, 0);
    show_epoll("once again", watch, 5);
    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    event.events = EPOLLIN | EPOLLRDHUP;
    event.data.u64 = 9;
    epoll_ctl(watch, EPOLL_CTL_ADD, pair[0], &event);
    char buffer[8];
    send(pair[1], "abc", 3, 0);
    show_epoll("socket", watch, -1);
    printf("received %zd\n", recv(pair[0], buffer, 8, 0));
    close(pair[1]);
    show_epoll("closed", watch, -1);
    printf("end %zd\n", read(pair[0], buffer, 8));
    close(pair[0]);
    show_epoll("forgotten", watch, 0);
    printf("file %d", epoll_ctl(watch, EPOLL_CTL_DEL, counter, 0));
    printf(" %d %s\n", epoll_ctl(watch, EPOLL_CTL_DEL, counter, 0), strerror(errno));
}

int main(void) {
    pipes();
    counters();
    timers();
    watching();
    return 0;
}
