#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
static volatile sig_atomic_t seen, last;
static void on_signal(int number) { seen++, last = number; }
static void on_info(int number, siginfo_t *info, void *context) {
    (void)context;
    printf("info %d %d\n", number, info->si_signo);
}
int main(void) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, 0);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigaction(SIGUSR1, &action, 0);
    sigaction(SIGTERM, &action, 0);
    raise(SIGUSR1);
    kill(getpid(), SIGTERM);
    printf("%d %d\n", (int)seen, (int)last);
    sigset_t set, old, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, &old);
    raise(SIGUSR1);
    sigpending(&pending);
    printf("%d %d\n", (int)seen, sigismember(&pending, SIGUSR1));
    sigprocmask(SIG_SETMASK, &old, 0);
    printf("%d\n", (int)seen);
    action.sa_sigaction = on_info;
    action.sa_flags = SA_SIGINFO | SA_RESETHAND;
    sigaction(SIGUSR2, &action, 0);
    raise(SIGUSR2);
    sigaction(SIGUSR2, 0, &action);
    printf("%d\n", action.sa_handler == SIG_DFL);
    signal(SIGINT, SIG_IGN);
    raise(SIGINT);
    raise(SIGCHLD);
    printf("still here\n");
    fflush(stdout);
    raise(SIGUSR2);
    return 0;
}
