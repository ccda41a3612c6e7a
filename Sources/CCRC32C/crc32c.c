#include "CCRC32C.h"

#include <string.h>

#if defined(__x86_64__)

#include <cpuid.h>

bool crc32c_has_instruction(void) {
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && c & bit_SSE4_2;
}

#define TARGET __attribute__((target("sse4.2")))
#define ADD_WORD(crc, word) __builtin_ia32_crc32di(crc, word)
#define ADD_BYTE(crc, byte) __builtin_ia32_crc32qi(crc, byte)

#elif defined(__aarch64__)

#include <sys/auxv.h>

#ifndef HWCAP_CRC32
#define HWCAP_CRC32 (1 << 7)
#endif

bool crc32c_has_instruction(void) { return getauxval(AT_HWCAP) & HWCAP_CRC32; }

#define TARGET __attribute__((target("crc")))
#define ADD_WORD(crc, word) __builtin_arm_crc32cd(crc, word)
#define ADD_BYTE(crc, byte) __builtin_arm_crc32cb(crc, byte)

#else

bool crc32c_has_instruction(void) { return false; }

#define TARGET
#define ADD_WORD(crc, word) (crc)
#define ADD_BYTE(crc, byte) (crc)

#endif

TARGET uint32_t crc32c_add(uint32_t state, const void *bytes, size_t count) {
    const uint8_t *next = bytes;
    for (; count >= 8; count -= 8, next += 8) {
        uint64_t word;
        memcpy(&word, next, 8);
        state = (uint32_t)ADD_WORD(state, word);
    }
    for (; count > 0; count--) state = ADD_BYTE(state, *next++);
    return state;
}
