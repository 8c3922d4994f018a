// memfd_create and its flags are extensions of glibc.
#define _GNU_SOURCE

#include "platform.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__GLIBC__)
#include <malloc.h>
#endif
#include <sys/mman.h>
#include <unistd.h>

bool platform_has_translation(void) {
#if defined(__x86_64__)
    unsigned a, b, c, d;
    // LZCNT has a bit of its own, which not every compiler's library knows by name.
    bool counts_zeros = __get_cpuid(0x80000001, &a, &b, &c, &d) && (c & 1u << 5);
    return counts_zeros && __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("avx")
        && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi")
        && __builtin_cpu_supports("bmi2");
#elif defined(__aarch64__) && defined(__AARCH64EL__)
    // Nothing beyond what every one has.
    return true;
#else
    return false;
#endif
}

size_t platform_heap_byte_count(void) {
#if defined(__GLIBC__)
    // Of all arenas.
    struct mallinfo2 heap = mallinfo2();
    return heap.uordblks + heap.hblkhd;
#else
    return 0;
#endif
}

int platform_memory_file(size_t size) {
    int file = memfd_create("swiftlet-memory", MFD_CLOEXEC);
    if (file >= 0 && ftruncate(file, (off_t)size) != 0) {
        close(file);
        return -1;
    }
    return file;
}

platform_code platform_code_map(size_t size) {
    platform_code none = {NULL, NULL, 0};
    int file = platform_memory_file(size);
    if (file < 0)
        return none;
    void *writable = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    void *executable = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0);
    // The mappings keep the memory; nobody can map it a third time.
    close(file);
    if (writable == MAP_FAILED || executable == MAP_FAILED) {
        if (writable != MAP_FAILED)
            munmap(writable, size);
        if (executable != MAP_FAILED)
            munmap(executable, size);
        return none;
    }
    platform_code code = {writable, executable, size};
    return code;
}

void platform_code_unmap(platform_code code) {
    if (code.writable)
        munmap(code.writable, code.size);
    if (code.executable)
        munmap((void *)code.executable, code.size);
}

void platform_code_flush(platform_code code, size_t offset, size_t size) {
#if defined(__aarch64__)
    // What was written leaves the data cache where it was written, and what was fetched leaves the
    // instruction cache where it is fetched.
    char *written = (char *)code.writable + offset, *fetched = (char *)code.executable + offset;
    __builtin___clear_cache(written, written + size);
    __builtin___clear_cache(fetched, fetched + size);
#else
    (void)code, (void)offset, (void)size;
#endif
}

uint32_t platform_code_call(platform_code code, size_t offset, void *context, size_t target) {
    typedef uint32_t (*entry)(void *, const void *);
    return ((entry)(uintptr_t)(code.executable + offset))(context, code.executable + target);
}
