/* An nvCOMP that is none: it copies. VERSION is what it says to be; with OLD it lacks what version 6 has; with BROKEN it fails
 * to decompress the second chunk, with WRONG it changes the first byte. Signatures are those of nvcomp/ans.h 6.0. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifndef VERSION
#define VERSION 6000
#endif
typedef struct { int first, type; uint8_t sub_chunks, states, zero[54]; } options;
static int refuses(options o) {
    for (size_t i = 0; i < sizeof o.zero; i++) if (o.zero[i]) return 10;
    return o.first || o.sub_chunks || o.states != 2 || o.type != 9 ? 11 : 0;
}
int nvcompGetProperties(uint32_t *properties) { properties[0] = VERSION; properties[1] = 12080; return 0; }
const char *nvcompGetStatusString(int status) { return status == 12 ? "cannot\n decompress" : "something else"; }
#ifndef OLD
int nvcompBatchedANSCompressGetTempSize(size_t chunks, size_t chunk, options o, size_t *bytes, size_t total, void *stream) {
    *bytes = chunks;
    return total > chunks * chunk || stream ? 10 : refuses(o);
}
#endif
int nvcompBatchedANSDecompressGetTempSize(size_t chunks, size_t chunk, options o, size_t *bytes, size_t total, void *stream) {
    *bytes = 0;
    return total > chunks * chunk || stream ? 10 : refuses(o);
}
int nvcompBatchedANSCompressGetMaxOutputChunkSize(size_t chunk, options o, size_t *most) { *most = chunk + 1; return refuses(o); }
int nvcompBatchedANSCompressAsync(const void *const *from, const size_t *from_bytes, size_t chunk, size_t chunks, void *temporary,
                                  size_t temporary_bytes, void *const *to, size_t *to_bytes, options o, int *statuses, void *stream) {
    if (!temporary || temporary_bytes != chunks || stream) return 10;
    for (size_t i = 0; i < chunks; i++) {
        if (from_bytes[i] > chunk || (uintptr_t)to[i] % 16 || (uintptr_t)from[i] % 16) return 17;
        memcpy(to[i], from[i], to_bytes[i] = from_bytes[i]);
        statuses[i] = 0;
    }
    return refuses(o);
}
int nvcompBatchedANSDecompressAsync(const void *const *from, const size_t *from_bytes, const size_t *room, size_t *to_bytes,
                                    size_t chunks, void *temporary, size_t temporary_bytes, void *const *to, options o,
                                    int *statuses, void *stream) {
    if (temporary_bytes || stream) return 10;
    for (size_t i = 0; i < chunks; i++) {
        if (from_bytes[i] > room[i]) return 15;
        memcpy(to[i], from[i], to_bytes[i] = from_bytes[i]);
        statuses[i] = 0;
#ifdef BROKEN
        if (i == 1) statuses[i] = 12;
#endif
#ifdef WRONG
        if (i == 0) *(char *)to[i] ^= 1;
#endif
    }
    (void)temporary;
    return refuses(o);
}
