// SHA-256, where the host is an x86-64 or an AArch64 that has instructions for it by these: some
// eight times what plain code makes.

#include "platform.h"

#include <stdatomic.h>

// FIPS 180-4, section 4.2.2.
static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t word, int count) { return word >> count | word << (32 - count); }

// FIPS 180-4, section 6.2.2.
platform_sha256_state platform_sha256_plain(
    platform_sha256_state state, const uint8_t *blocks, size_t count) {
    for (; count > 0; count--, blocks += 64) {
        uint32_t schedule[64];
        for (int i = 0; i < 16; i++) {
            const uint8_t *b = blocks + 4 * i;
            schedule[i] = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
        }
        for (int i = 16; i < 64; i++) {
            uint32_t early = schedule[i - 15], late = schedule[i - 2];
            schedule[i] = schedule[i - 16] + schedule[i - 7]
                + (rotate(early, 7) ^ rotate(early, 18) ^ early >> 3)
                + (rotate(late, 17) ^ rotate(late, 19) ^ late >> 10);
        }
        uint32_t v[8];
        for (int i = 0; i < 8; i++) v[i] = state.words[i];
        for (int i = 0; i < 64; i++) {
            uint32_t a = v[0], e = v[4];
            uint32_t first = v[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25))
                + ((e & v[5]) ^ (~e & v[6])) + constants[i] + schedule[i];
            uint32_t second = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22))
                + ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
            for (int j = 7; j > 0; j--) v[j] = v[j - 1];
            v[4] += first;
            v[0] = first + second;
        }
        for (int i = 0; i < 8; i++) state.words[i] += v[i];
    }
    return state;
}

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

static bool has_instructions(void) {
    unsigned a = 0, b = 0, c = 0, d = 0;
    // Leaf 7, EBX bit 29: SHA extensions (AMD and Intel manuals, CPUID).
    bool has = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1) != 0;
    return has && __builtin_cpu_supports("ssse3") && __builtin_cpu_supports("sse4.1");
}

__attribute__((target("sha,sse4.1,ssse3")))
static platform_sha256_state hosted(
    platform_sha256_state state, const uint8_t *blocks, size_t count) {
    const uint32_t *w = state.words;
    // The instructions want the words a, b, e, f in one register and c, d, g, h in another.
    __m128i abef = _mm_set_epi32((int)w[0], (int)w[1], (int)w[4], (int)w[5]);
    __m128i cdgh = _mm_set_epi32((int)w[2], (int)w[3], (int)w[6], (int)w[7]);
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    for (; count > 0; count--, blocks += 64) {
        __m128i before_abef = abef, before_cdgh = cdgh, schedule[4];
        for (int i = 0; i < 4; i++) {
            __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(blocks + 16 * i));
            schedule[i] = _mm_shuffle_epi8(bytes, big_endian);
        }
        // Four rounds a turn, and the words for the turn four later.
        for (int i = 0; i < 16; i++) {
            __m128i now = schedule[i & 3], last = schedule[(i + 3) & 3];
            __m128i k = _mm_loadu_si128((const __m128i *)(const void *)(constants + 4 * i));
            __m128i sum = _mm_add_epi32(now, k);
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
            __m128i next = _mm_sha256msg1_epu32(now, schedule[(i + 1) & 3]);
            next = _mm_add_epi32(next, _mm_alignr_epi8(last, schedule[(i + 2) & 3], 4));
            schedule[i & 3] = _mm_sha256msg2_epu32(next, last);
        }
        abef = _mm_add_epi32(abef, before_abef);
        cdgh = _mm_add_epi32(cdgh, before_cdgh);
    }
    platform_sha256_state after = {{
        (uint32_t)_mm_extract_epi32(abef, 3), (uint32_t)_mm_extract_epi32(abef, 2),
        (uint32_t)_mm_extract_epi32(cdgh, 3), (uint32_t)_mm_extract_epi32(cdgh, 2),
        (uint32_t)_mm_extract_epi32(abef, 1), (uint32_t)_mm_extract_epi32(abef, 0),
        (uint32_t)_mm_extract_epi32(cdgh, 1), (uint32_t)_mm_extract_epi32(cdgh, 0),
    }};
    return after;
}

#elif defined(__aarch64__)

#include <arm_neon.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>

static bool has_instructions(void) { return (getauxval(AT_HWCAP) & HWCAP_SHA2) != 0; }

__attribute__((target("sha2")))
static platform_sha256_state hosted(
    platform_sha256_state state, const uint8_t *blocks, size_t count) {
    uint32x4_t abcd = vld1q_u32(state.words), efgh = vld1q_u32(state.words + 4);
    for (; count > 0; count--, blocks += 64) {
        uint32x4_t before_abcd = abcd, before_efgh = efgh, schedule[4];
        for (int i = 0; i < 4; i++) {
            schedule[i] = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(blocks + 16 * i)));
        }
        // Four rounds a turn, and the words for the turn four later.
        for (int i = 0; i < 16; i++) {
            uint32x4_t now = schedule[i & 3], last = abcd;
            uint32x4_t sum = vaddq_u32(now, vld1q_u32(constants + 4 * i));
            abcd = vsha256hq_u32(abcd, efgh, sum);
            efgh = vsha256h2q_u32(efgh, last, sum);
            schedule[i & 3] = vsha256su1q_u32(
                vsha256su0q_u32(now, schedule[(i + 1) & 3]), schedule[(i + 2) & 3],
                schedule[(i + 3) & 3]);
        }
        abcd = vaddq_u32(abcd, before_abcd);
        efgh = vaddq_u32(efgh, before_efgh);
    }
    platform_sha256_state after;
    vst1q_u32(after.words, abcd);
    vst1q_u32(after.words + 4, efgh);
    return after;
}

#endif

#if defined(__x86_64__) || defined(__aarch64__)

platform_sha256_state platform_sha256(
    platform_sha256_state state, const uint8_t *blocks, size_t count) {
    // Asked once: a virtual machine takes tens of microseconds to answer CPUID. 1 is no, 2 is yes.
    static atomic_int known;
    int answer = atomic_load_explicit(&known, memory_order_relaxed);
    if (answer == 0) {
        answer = has_instructions() ? 2 : 1;
        atomic_store_explicit(&known, answer, memory_order_relaxed);
    }
    return answer == 2 ? hosted(state, blocks, count) : platform_sha256_plain(state, blocks, count);
}

#else

platform_sha256_state platform_sha256(
    platform_sha256_state state, const uint8_t *blocks, size_t count) {
    return platform_sha256_plain(state, blocks, count);
}

#endif
