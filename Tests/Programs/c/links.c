// Symbolic and hard links, open files without a name, times, and memory that is a file.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void say(const char *name, long result) {
    printf("%s: %s\n", name, result < 0 ? strerror(errno) : "done");
}

static void put(const char *name, const char *text) {
    int file = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    write(file, text, strlen(text));
    close(file);
}

static void show(const char *name) {
    char text[64];
    int file = open(name, O_RDONLY);
    ssize_t count = file < 0 ? -1 : read(file, text, sizeof text);
    printf("%s holds %zd: %.*s\n", name, count, count < 0 ? 0 : (int)count, text);
    if (file >= 0) close(file);
}

static void symbolic(void) {
    char target[64];
    struct stat status;
    put("real.txt", "real");
    say("symlink", symlink("real.txt", "soft"));
    say("again", symlink("real.txt", "soft"));
    ssize_t count = readlink("soft", target, sizeof target);
    printf("readlink %zd %.*s\n", count, (int)count, target);
    lstat("soft", &status);
    printf("lstat %d %lld\n", S_ISLNK(status.st_mode), (long long)status.st_size);
    stat("soft", &status);
    printf("stat %d %lld\n", S_ISREG(status.st_mode), (long long)status.st_size);
    show("soft");
    say("not following", open("soft", O_RDONLY | O_NOFOLLOW));
    say("exclusive", open("soft", O_WRONLY | O_CREAT | O_EXCL, 0644));
    say("dangling", symlink("made.txt", "dangling"));
    say("nowhere", open("dangling", O_RDONLY));
    put("dangling", "through");
    show("made.txt");
    symlink("ring", "ring");
    say("ring", open("ring", O_RDONLY));
    mkdir("folder", 0755);
    symlink("../real.txt", "folder/up");
    symlink("folder", "door");
    show("door/up");
    say("rmdir of a link", rmdir("door"));
    say("trailing slash", stat("door/", &status));
    printf("folder %d\n", S_ISDIR(status.st_mode));
    say("unlink the link", unlink("soft"));
    show("real.txt");
}

static void hard(void) {
    struct stat first, second;
    say("link", link("real.txt", "other.txt"));
    stat("real.txt", &first);
    stat("other.txt", &second);
    printf("same %d, %d names\n", first.st_ino == second.st_ino, (int)second.st_nlink);
    put("other.txt", "shared");
    show("real.txt");
    unlink("real.txt");
    show("other.txt");
    stat("other.txt", &second);
    printf("%d name\n", (int)second.st_nlink);
    say("over itself", rename("other.txt", "other.txt"));
}

static void unnamed(void) {
    char text[16] = {0};
    struct stat status;
    int file = open("gone.txt", O_RDWR | O_CREAT, 0600);
    unlink("gone.txt");
    write(file, "still", 5);
    pread(file, text, 5, 0);
    fstat(file, &status);
    printf("gone %s %d names\n", text, (int)status.st_nlink);
    close(file);
    int memory = memfd_create("memory", 0);
    ftruncate(memory, 8192);
    char *map = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    strcpy(map + 4096, "mapped");
    pread(memory, text, 7, 4096);
    printf("shared %s\n", text);
    pwrite(memory, "M", 1, 4096);
    msync(map, 8192, MS_SYNC);
    munmap(map, 8192);
    pread(memory, text, 7, 4096);
    printf("then %s\n", text);
    int source = open("other.txt", O_RDONLY), target = open("copy.txt", O_RDWR | O_CREAT, 0644);
    printf("copied %zd\n", copy_file_range(source, 0, target, 0, 100, 0));
    show("copy.txt");
}

static void times(void) {
    struct timespec set[2] = {{1000, 0}, {2000, 5}};
    struct stat status;
    say("utimensat", utimensat(AT_FDCWD, "copy.txt", set, 0));
    stat("copy.txt", &status);
    printf("changed %lld.%ld\n", (long long)status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
    umask(077);
    close(open("private.txt", O_CREAT | O_WRONLY, 0666));
    stat("private.txt", &status);
    printf("mode %o\n", status.st_mode & 0777);
}

static void listing(void) {
    struct dirent **entries;
    int count = scandir(".", &entries, 0, alphasort);
    for (int i = 0; i < count; i++) {
        printf("%s %d\n", entries[i]->d_name, entries[i]->d_type);
    }
    int folder = open("folder", O_RDONLY | O_DIRECTORY), file = openat(folder, "up", O_RDONLY);
    printf("from a handle %d\n", file >= 0);
    say("missing", openat(folder, "none", O_RDONLY));
    fchdir(folder);
    char path[4096];
    printf("%s\n", strrchr(getcwd(path, sizeof path), '/'));
}

int main(void) {
    symbolic();
    hard();
    unnamed();
    times();
    listing();
    return 0;
}
