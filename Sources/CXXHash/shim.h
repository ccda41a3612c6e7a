#include <xxhash.h>
#if defined(__x86_64__)
// Replaces the functions above by ones that use the widest vector instructions of the processor.
#include <xxh_x86dispatch.h>
#endif

static inline XXH_errorcode xxh3_update(XXH3_state_t *state, const void *bytes, size_t count) {
    return XXH3_64bits_update(state, bytes, count);
}
