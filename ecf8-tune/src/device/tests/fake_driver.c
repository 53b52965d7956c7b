/* A CUDA driver that is none: one GPU whose memory is the host's, whose only kernel writes out[i] = in[i] ^ key. With the
 * trouble "any kernel" it has kernels of all names, which write nothing.
 *
 * It has just the functions listed in driver.rs, so that one missing from the lists shows itself; with NO_GRAPHS it lacks
 * those for graphs, with NO_PINNING those for pinned memory. With the trouble "late" it copies from the host when it is waited
 * for, and no earlier. FAKE_CUDA names the troubles it makes, with commas between them. Signatures are those of cuda.h, with
 * handles as void pointers. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long long ptr;
/* What follows a trouble's name in FAKE_CUDA; NULL if it is not among them. */
static const char *after(const char *name) {
    const char *all = getenv("FAKE_CUDA");
    for (; all && *all; all += strcspn(all, ","), all += *all == ',')
        if (strncmp(all, name, strlen(name)) == 0) return all + strlen(name);
    return NULL;
}
static int trouble(const char *name) {
    const char *rest = after(name);
    return rest && (*rest == 0 || *rest == ',');
}
static void *const handle = (void *)64;
/* The context that a thread works in. */
static _Thread_local void *current;
#define NEED_CONTEXT if (current != handle) return 201
static size_t largest_shared = 48 * 1024;
static int faulted;
/* Contexts made, modules loaded, attributes of functions set, and the last wish for shared memory, in percent. */
int fake_contexts, fake_modules, fake_attributes, fake_carve_out;
/* Set by a test: somebody captures the stream. What was recorded of it, and whether something broke that. */
int fake_captured, fake_recorded, fake_broken;
static int broken(void *stream) { return fake_captured && stream == handle ? (fake_broken = 1) : 0; }

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
    NEED_CONTEXT;
    if (fake_captured && stream == handle) return fake_recorded++, 0;
    if (!capturing(stream)) return astray(stream) ? 1 : (fake_calls++, run(l));
    if (captured->count == MOST) return 2;
    captured->launches[captured->count++] = *l;
    return 0;
}
static int astray(void *stream) { return stream != (trouble("own stream") ? handle : NULL); }

int cuInit(unsigned flags) { return trouble("no gpu") ? 100 : trouble("stub") ? 34 : trouble("mismatch") ? 803 : (int)flags; }
int cuGetErrorString(int code, const char **text) { *text = "fake words"; return code == 0 || code > 999; }
int cuGetErrorName(int code, const char **text) {
    static const struct { int code; const char *name; } names[] = {
        {209, "CUDA_ERROR_NO_BINARY_FOR_GPU"}, {700, "CUDA_ERROR_ILLEGAL_ADDRESS"}, {801, "CUDA_ERROR_NOT_SUPPORTED"},
        {803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"}, {900, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"},
        {901, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].code == code) return *text = names[i].name, 0;
    *text = NULL;
    return 1;
}
int cuDriverGetVersion(int *version) { *version = trouble("cuda 12.4") ? 12040 : 13000; return 0; }
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
    case 81: *value = 228 * 1024; break;    /* shared memory per multiprocessor */
    case 82: *value = 64 * 1024; break;     /* registers per multiprocessor */
    case 97: *value = 227 * 1024; break;    /* shared memory per block, opt-in */
    case 115: *value = trouble("no pools") ? 0 : 1; break;
    default: *value = 132; break;
    }
    return device;
}
int cuDevicePrimaryCtxRetain(void **context, int device) { *context = handle; fake_contexts++; return device; }
int cuDevicePrimaryCtxRelease_v2(int device) { return device; }
int cuCtxGetCurrent(void **context) { *context = current; return 0; }
int cuCtxSetCurrent(void *context) { current = context; return 0; }

/* Copies from the host that are still to be made. */
static struct { ptr to; const void *from; size_t bytes; } late[1024];
static int lates;
static void catch_up(void) {
    for (int i = 0; i < lates; i++) memcpy((void *)(uintptr_t)late[i].to, late[i].from, late[i].bytes);
    lates = 0;
}
int cuStreamSynchronize(void *stream) {
    NEED_CONTEXT;
    catch_up();
    fake_waits++;
    return broken(stream) ? 900 : trouble("unheard of") ? 4242 : faulted ? 700 : astray(stream);
}

int cuMemGetInfo_v2(size_t *free_bytes, size_t *total) { *free_bytes = 1000; *total = 1 << 20; return 0; }
int cuMemAlloc_v2(ptr *address, size_t bytes) {
    NEED_CONTEXT;
    if (bytes == 0) return 1;
    if (bytes > 1 << 20 && !trouble("late")) return 2;
    fake_allocations++;
    *address = (ptr)(uintptr_t)malloc(bytes);
    return 0;
}
int cuMemAllocAsync(ptr *address, size_t bytes, void *stream) { return broken(stream) ? 900 : astray(stream) ? 1 : cuMemAlloc_v2(address, bytes); }
int cuMemFree_v2(ptr address) { NEED_CONTEXT; catch_up(); free((void *)(uintptr_t)address); fake_allocations--; return 0; }
int cuMemFreeAsync(ptr address, void *stream) { return broken(stream) ? 900 : astray(stream) ? 1 : cuMemFree_v2(address); }
int cuMemcpyHtoDAsync_v2(ptr to, const void *from, size_t bytes, void *stream) {
    NEED_CONTEXT;
    if (broken(stream)) return 900;
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

int cuMemcpyDtoHAsync_v2(void *to, ptr from, size_t bytes, void *stream) { NEED_CONTEXT; if (broken(stream)) return 900; catch_up(); memcpy(to, (void *)(uintptr_t)from, bytes); return astray(stream); }
int cuMemcpyDtoDAsync_v2(ptr to, ptr from, size_t bytes, void *stream) { launch l = {from, to, bytes, 0, 0, COPY}; return ask(&l, stream); }
int cuMemsetD8Async(ptr to, unsigned char value, size_t bytes, void *stream) {
    NEED_CONTEXT;
    if (fake_captured && stream == handle) return fake_recorded++, 0;
    memset((void *)(uintptr_t)to, value, bytes);
    return astray(stream);
}

int cuModuleLoadData(void **module, const void *image) {
    NEED_CONTEXT;
    if (fake_captured) return fake_broken = 1, 900;
    if (after("load ")) return atoi(after("load "));
    *module = handle;
    fake_modules++;
    return image == NULL;
}
int cuModuleUnload(void *module) { NEED_CONTEXT; fake_modules--; return module != handle; }
int cuModuleGetFunction(void **function, void *module, const char *name) { *function = handle; return strcmp(name, "flip") && !trouble("any kernel") ? 500 : module != handle; }
int cuFuncGetAttribute(int *value, int attribute, void *function) {
    static const int values[] = {512, 1024, 0, 16, 40};
    *value = values[attribute];
    return function != handle;
}
/* Its functions are one, which may have as much as any of them was allowed. */
int cuFuncSetAttribute(void *function, int attribute, int value) {
    NEED_CONTEXT;
    fake_attributes++;
    if (attribute == 9) return fake_carve_out = value, 0;
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

int cuStreamIsCapturing(void *stream, int *status) {
    NEED_CONTEXT;
    *status = capturing(stream) || (fake_captured && stream == handle);
    return 0;
}
#ifndef NO_GRAPHS
/* A stream is the graph that it captures; the default one can't be captured. */
int cuStreamCreate(void **stream, unsigned flags) { NEED_CONTEXT; *stream = calloc(1, sizeof(graph)); fake_streams++; return flags != 1; }
int cuStreamDestroy_v2(void *stream) { NEED_CONTEXT; int bad = capturing(stream); free(stream); fake_streams--; return bad; }
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
int cuGraphUpload(void *exec, void *stream) { NEED_CONTEXT; return broken(stream) ? 900 : trouble("no upload") ? 801 : exec == NULL || astray(stream); }
int cuGraphLaunch(void *exec, void *stream) {
    const graph *g = exec;
    NEED_CONTEXT;
    if (broken(stream)) return 900;
    if (astray(stream)) return 1;
    if (trouble("bad replay")) return 719;
    for (int i = 0; i < g->count; i++) run(&g->launches[i]);
    fake_replays++;
    return 0;
}
int cuGraphDestroy(void *made) { NEED_CONTEXT; free(made); fake_graphs--; return 0; }
int cuGraphExecDestroy(void *exec) { NEED_CONTEXT; free(exec); fake_graphs--; return 0; }
#endif

int fake_events;
int cuEventCreate(void **event, unsigned flags) { NEED_CONTEXT; *event = calloc(1, 1); fake_events++; return flags > 2; }
int cuEventDestroy_v2(void *event) { NEED_CONTEXT; free(event); fake_events--; return 0; }
int cuEventRecord(void *event, void *stream) { NEED_CONTEXT; *(char *)event = 1; return event == NULL || astray(stream); }
/* One that was never recorded is not waited for. */
int cuEventSynchronize(void *event) {
    NEED_CONTEXT;
    if (fake_captured) return fake_broken = 1, 900;
    if (event && *(char *)event) { catch_up(); fake_event_waits++; }
    return event == NULL;
}
/* With the trouble "cold" the clocks are up after a quarter of a second of work. */
int cuEventElapsedTime(float *milliseconds, void *start, void *end) {
    static float worked;
    NEED_CONTEXT;
    *milliseconds = trouble("cold") && worked < 250 ? 12 : 2;
    worked += *milliseconds;
    return start == NULL || end == NULL;
}
