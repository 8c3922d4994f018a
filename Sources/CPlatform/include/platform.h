// The few things of the system that Swift cannot say: code memory, a call into it, and what the
// heap holds.
//
// Code memory is one piece of unlinked memory with two views, one to write and one to execute,
// so that no mapping is ever writable and executable at once. A host that refuses (a hardened
// kernel, another architecture) says so, and the caller goes on without.

#ifndef PLATFORM_H
#define PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__clang__)
#pragma clang assume_nonnull begin
#else
#define _Nullable
#endif

/// Two views of the same bytes; both null where the system gave none.
typedef struct platform_code {
    uint8_t *_Nullable writable;
    const uint8_t *_Nullable executable;
    size_t size;
} platform_code;

/// Whether the host is a 64-bit Arm, or an x86-64 that has AVX, FMA, BMI1 and BMI2.
bool platform_has_translation(void);

/// Unlinked memory of whole pages as a file, zeros at first; negative where the system gave none.
int platform_memory_file(size_t size);

/// Maps code memory of whole pages.
platform_code platform_code_map(size_t size);

/// Unmaps both views.
void platform_code_unmap(platform_code code);

/// Makes what was written to the writable view what the executable view executes.
void platform_code_flush(platform_code code, size_t offset, size_t size);

/// Calls code at `offset` of the executable view as `uint32_t (*)(void *context, const void *to)`,
/// `to` being the address of the executable view plus `target`.
uint32_t platform_code_call(platform_code code, size_t offset, void *context, size_t target);

/// Bytes that this process has taken from its heap and not given back; 0 where the C library does
/// not say.
size_t platform_heap_byte_count(void);

/// The eight words of SHA-256 between two blocks (FIPS 180-4 section 6.2).
typedef struct platform_sha256_state {
    uint32_t words[8];
} platform_sha256_state;

/// The state after `count` more blocks of 64 bytes.
platform_sha256_state platform_sha256(
    platform_sha256_state state, const uint8_t *blocks, size_t count);

/// The same without the host's instructions for it.
platform_sha256_state platform_sha256_plain(
    platform_sha256_state state, const uint8_t *blocks, size_t count);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif

#endif
