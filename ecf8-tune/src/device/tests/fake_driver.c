/* A CUDA driver that is none: one GPU whose memory is the host's, whose only kernel writes out[i] = in[i] ^ key. With the
 * trouble "any kernel" it has kernels of all names, which write nothing.
 *
 * It has just the functions listed in driver.rs, so that one missing from the lists shows itself; with NO_GRAPHS it lacks
 * those for graphs, with NO_PINNING those for pinned memory. With the trouble "late" it copies from the host when it is waited
 * for, and no earlier. FAKE_CUDA names the trouble it makes. Signatures are those of cuda.h, with handles as void pointers. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long long ptr;
static int trouble(const char *name) {
    const char *wanted = getenv("FAKE_CUDA");
    return wanted && strcmp(wanted, name) == 0;
}
static void *const handle = (void *)64;
static size_t largest_shared = 48 * 1024;
static int faulted;

/* What was asked of the stream being captured, and what a test may look at: graphs and streams that are there, replays of
 * graphs, and what ran, in graphs or not; calls are launches and copies outside of graphs. */
enum { MOST = 128 };
typedef struct { ptr in, out; uint64_t n; uint32_t key, threads; enum { FLIP, COPY, NOTHING } kind; } launch;
typedef struct { int count; launch launches[MOST]; } graph;
static graph *captured;
int fake_graphs, fake_streams, fake_replays, fake_kernels, fake_copies, fake_calls;
/* Waits for the stream and for events, memory on the device and pinned, and bytes copied from the host. */
int fake_waits, fake_event_waits, fake_allocations, fake_pinned, fake_uploaded;
static int capturing(void *stream) { return captured && stream != NULL && stream == (void *)captured; }
static int run(const launch *l) {
    if (l->kind == COPY) {
        memcpy((void *)(uintptr_t)l->out, (void *)(uintptr_t)l->in, l->n);
        fake_copies++;
        return 0;
    }
    if (l->kind == FLIP) for (uint64_t i = 0; i < l->n && i < l->threads; i++)
        ((uint8_t *)(uintptr_t)l->out)[i] = ((uint8_t *)(uintptr_t)l->in)[i] ^ l->key;
    fake_kernels++;
    faulted = trouble("fault");
    return 0;
}

/* Whether a call is on another stream than it should be. */
static int astray(void *stream);
/* Does it, or records it. */
static int ask(const launch *l, void *stream) {
    if (!capturing(stream)) return astray(stream) ? 1 : (fake_calls++, run(l));
    if (captured->count == MOST) return 2;
    captured->launches[captured->count++] = *l;
    return 0;
}
static int astray(void *stream) { return stream != (trouble("own stream") ? handle : NULL); }

int cuInit(unsigned flags) { return trouble("no gpu") ? 100 : trouble("stub") ? 34 : trouble("mismatch") ? 803 : (int)flags; }
int cuGetErrorString(int code, const char **text) { *text = "fake words"; return code == 0; }
int cuDriverGetVersion(int *version) { *version = 12040; return 0; }
int cuDeviceGetCount(int *count) { *count = 1; return 0; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return 0; }
int cuDeviceGetName(char *name, int room, int device) { strncpy(name, "Fake H1", room); return device; }
int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = 1 << 20; return device; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    switch (attribute) {
    case 1: *value = 1024; break;           /* threads per block */
    case 13: *value = 0; break;             /* clock: not told */
    case 36: return 1;                      /* memory clock: refused */
    case 75: *value = 9; break;             /* compute capability */
    case 76: *value = 0; break;
    case 82: *value = 64 * 1024; break;     /* registers per multiprocessor */
    case 97: *value = 227 * 1024; break;    /* shared memory per block, opt-in */
    case 115: *value = trouble("no pools") ? 0 : 1; break;
    default: *value = 132; break;
    }
    return device;
}
int cuDevicePrimaryCtxRetain(void **context, int device) { *context = handle; return device; }
int cuDevicePrimaryCtxRelease_v2(int device) { return device; }
int cuCtxGetCurrent(void **context) { *context = NULL; return 0; }
int cuCtxSetCurrent(void *context) { return context != handle; }

/* Copies from the host that are still to be made. */
static struct { ptr to; const void *from; size_t bytes; } late[1024];
static int lates;
static void catch_up(void) {
    for (int i = 0; i < lates; i++) memcpy((void *)(uintptr_t)late[i].to, late[i].from, late[i].bytes);
    lates = 0;
}
int cuStreamSynchronize(void *stream) { catch_up(); fake_waits++; return faulted ? 700 : astray(stream); }


int cuMemGetInfo_v2(size_t *free_bytes, size_t *total) { *free_bytes = 1000; *total = 1 << 20; return 0; }
int cuMemAlloc_v2(ptr *address, size_t bytes) {
    if (bytes == 0) return 1;
    if (bytes > 1 << 20 && !trouble("late")) return 2;
    fake_allocations++;
    *address = (ptr)(uintptr_t)malloc(bytes);
    return 0;
}
int cuMemAllocAsync(ptr *address, size_t bytes, void *stream) { return astray(stream) ? 1 : cuMemAlloc_v2(address, bytes); }
int cuMemFree_v2(ptr address) { catch_up(); free((void *)(uintptr_t)address); return 0; }
int cuMemFreeAsync(ptr address, void *stream) { return astray(stream) ? 1 : cuMemFree_v2(address); }
int cuMemcpyHtoDAsync_v2(ptr to, const void *from, size_t bytes, void *stream) {
    fake_uploaded += (int)bytes;
    if (lates == 1024) catch_up();
    late[lates].to = to;
    late[lates].from = from;
    late[lates++].bytes = bytes;
    if (!trouble("late")) catch_up();
    return astray(stream);
}
#ifndef NO_PINNING
int cuMemHostAlloc(void **address, size_t bytes, unsigned flags) {
    if (trouble("no pinning")) return 304;
    *address = malloc(bytes);
    fake_pinned++;
    return flags & ~7u;
}
int cuMemFreeHost(void *address) { free(address); fake_pinned--; return 0; }
#endif

int cuMemcpyDtoHAsync_v2(void *to, ptr from, size_t bytes, void *stream) { catch_up(); memcpy(to, (void *)(uintptr_t)from, bytes); return astray(stream); }
int cuMemcpyDtoDAsync_v2(ptr to, ptr from, size_t bytes, void *stream) { launch l = {from, to, bytes, 0, 0, COPY}; return ask(&l, stream); }
int cuMemsetD8Async(ptr to, unsigned char value, size_t bytes, void *stream) { memset((void *)(uintptr_t)to, value, bytes); return astray(stream); }

int cuModuleLoadData(void **module, const void *image) { *module = handle; return trouble("other gpu") ? 209 : image == NULL; }
int cuModuleUnload(void *module) { return module != handle; }
int cuModuleGetFunction(void **function, void *module, const char *name) { *function = handle; return strcmp(name, "flip") && !trouble("any kernel") ? 500 : module != handle; }
int cuFuncGetAttribute(int *value, int attribute, void *function) {
    static const int values[] = {512, 1024, 0, 16, 40};
    *value = values[attribute];
    return function != handle;
}
/* Its functions are one, which may have as much as any of them was allowed. */
int cuFuncSetAttribute(void *function, int attribute, int value) {
    if ((size_t)value > largest_shared) largest_shared = value;
    return attribute != 8 || function != handle;
}
int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned x, unsigned y, unsigned z, unsigned shared,
                   void *stream, void **params, void **extra) {
    launch l = {0, 0, 0, 0, 0, NOTHING};
    if (function != handle || gy != 1 || gz != 1 || y != 1 || z != 1 || params || shared > largest_shared) return 1;
    if (trouble("any kernel")) return ask(&l, stream);
    if (extra[0] != (void *)1 || extra[2] != (void *)2 || extra[4] != NULL || *(size_t *)extra[3] != 28) return 1;
    memcpy(&l, extra[1], 28);               /* in, out, n and key */
    l.threads = gx * x;
    l.kind = FLIP;
    return ask(&l, stream);
}

#ifndef NO_GRAPHS
/* A stream is the graph that it captures; the default one can't be captured. */
int cuStreamCreate(void **stream, unsigned flags) { *stream = calloc(1, sizeof(graph)); fake_streams++; return flags != 1; }
int cuStreamDestroy_v2(void *stream) { int bad = capturing(stream); free(stream); fake_streams--; return bad; }
int cuStreamBeginCapture_v2(void *stream, int mode) {
    if (stream == NULL || trouble("no capture")) return 900;
    captured = stream;
    captured->count = 0;
    return mode != 2;
}
int cuStreamEndCapture(void *stream, void **made) {
    if (!capturing(stream)) return 1;
    captured = NULL;
    *made = NULL;
    if (trouble("lost capture")) return 901;
    if (trouble("gone")) return 46;
    if (trouble("null graph")) return 0;
    *made = memcpy(malloc(sizeof(graph)), stream, sizeof(graph));
    fake_graphs++;
    return 0;
}
int cuGraphInstantiateWithFlags(void **exec, void *made, unsigned long long flags) {
    if (trouble("no instance")) return 801;
    *exec = memcpy(malloc(sizeof(graph)), made, sizeof(graph));
    fake_graphs++;
    return flags != 0;
}
int cuGraphUpload(void *exec, void *stream) { return trouble("no upload") ? 801 : exec == NULL || astray(stream); }
int cuGraphLaunch(void *exec, void *stream) {
    const graph *g = exec;
    if (astray(stream)) return 1;
    if (trouble("bad replay")) return 719;
    for (int i = 0; i < g->count; i++) run(&g->launches[i]);
    fake_replays++;
    return 0;
}
int cuGraphDestroy(void *made) { free(made); fake_graphs--; return 0; }
int cuGraphExecDestroy(void *exec) { free(exec); fake_graphs--; return 0; }
#endif

int cuEventCreate(void **event, unsigned flags) { *event = calloc(1, 1); return flags > 2; }
int cuEventDestroy_v2(void *event) { free(event); return 0; }
int cuEventRecord(void *event, void *stream) { *(char *)event = 1; return event == NULL || astray(stream); }
/* One that was never recorded is not waited for. */
int cuEventSynchronize(void *event) {
    if (event && *(char *)event) { catch_up(); fake_event_waits++; }
    return event == NULL;
}
int cuEventElapsedTime(float *milliseconds, void *start, void *end) { *milliseconds = 2; return start == NULL || end == NULL; }
