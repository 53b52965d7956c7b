// Just enough of CUDA to run emitted kernels on the CPU, one block at a time.
//
// The threads of a block are fibers on one system thread. Each runs until it meets the others at a barrier or ends; then
// the next one runs. Threads of a warp meet likewise: a lane leaves its value, and goes on when all lanes of the warp that
// have not ended have left theirs. Further warp operations are one line each on top of `exchange`.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define __global__ static
#define __device__
#define __constant__ const
#define __shared__ static
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...)

struct Coordinate {
    unsigned x;
};
static Coordinate threadIdx, blockIdx, gridDim;

inline int min(int a, int b) { return a < b ? a : b; }
inline unsigned min(unsigned a, unsigned b) { return a < b ? a : b; }
inline unsigned long long min(unsigned long long a, unsigned long long b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
inline unsigned max(unsigned a, unsigned b) { return a > b ? a : b; }
inline unsigned long long max(unsigned long long a, unsigned long long b) { return a > b ? a : b; }

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(unsigned x) { return x == 0 ? 32 : __builtin_clz(x); }
inline int __clzll(unsigned long long x) { return x == 0 ? 64 : __builtin_clzll(x); }

inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned amount) {
    return static_cast<unsigned>(((static_cast<unsigned long long>(high) << 32 | low) << (amount & 31)) >> 32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned amount) {
    return static_cast<unsigned>((static_cast<unsigned long long>(high) << 32 | low) >> (amount & 31));
}
inline unsigned __byte_perm(unsigned first, unsigned second, unsigned selector) {
    const unsigned long long bytes = static_cast<unsigned long long>(second) << 32 | first;
    unsigned result = 0;
    for (unsigned n = 0; n < 4; ++n) {
        result |= static_cast<unsigned>(bytes >> (selector >> 4 * n & 7) * 8 & 255) << 8 * n;
    }
    return result;
}

template <typename T>
struct alignas(2 * sizeof(T)) Pair {
    T x, y;
};
template <typename T>
struct alignas(4 * sizeof(T)) Quad {
    T x, y, z, w;
};
using uint2 = Pair<unsigned>;
using uint4 = Quad<unsigned>;
using ulonglong2 = Pair<unsigned long long>;
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline ulonglong2 make_ulonglong2(unsigned long long x, unsigned long long y) { return {x, y}; }

namespace shim {

[[noreturn]] inline void fail(const char* what) {
    std::fprintf(stderr, "%s\n", what);
    std::exit(3);
}

// An argument as the emitted function's wrapper casts it.
struct Argument {
    void* pointer;
    unsigned long long number;
};

struct Kernel {
    void (*call)(const Argument*);
    unsigned threads;
};

inline unsigned char* dynamic_shared;

constexpr std::size_t STACK = 64 << 10;
constexpr unsigned MAX_THREADS = 1024;

constexpr unsigned WARP = 32;

struct Fiber {
    ucontext_t context;
    bool done;
    // Exchanges within the warp that this thread has come to, and what it left for the last two of them: one that others
    // may still read, one that is being written.
    unsigned long long exchanges;
    unsigned long long left[2];
};
static Fiber fibers[MAX_THREADS];

// Threads that wait for each other: those of the block, or of one warp.
struct Group {
    unsigned alive, waiting;
    unsigned long long meetings;

    void release_if_complete() {
        if (waiting == alive) {
            waiting = 0;
            ++meetings;
        }
    }
    void leave() {
        --alive;
        release_if_complete();
    }
};
static Group block, warps[MAX_THREADS / WARP];
static ucontext_t scheduler;
static const Kernel* kernel;
static const Argument* arguments;

inline void thread() {
    kernel->call(arguments);
    fibers[threadIdx.x].done = true;
    block.leave();
    warps[threadIdx.x / WARP].leave();
}

inline void run_block() {
    static const std::unique_ptr<char[]> stacks(new char[STACK * MAX_THREADS]);
    block = {kernel->threads, 0, 0};
    for (Group& warp : warps) warp = {0, 0, 0};
    for (unsigned t = 0; t < kernel->threads; ++t) {
        ++warps[t / WARP].alive;
        Fiber& fiber = fibers[t];
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = &stacks[STACK * t];
        fiber.context.uc_stack.ss_size = STACK;
        fiber.context.uc_link = &scheduler;
        fiber.done = false;
        fiber.exchanges = 0;
        makecontext(&fiber.context, thread, 0);
    }
    for (bool alive = true; alive;) {
        alive = false;
        for (unsigned t = 0; t < kernel->threads; ++t) {
            if (!fibers[t].done) {
                threadIdx.x = t;
                swapcontext(&scheduler, &fibers[t].context);
                alive |= !fibers[t].done;
            }
        }
    }
}

// Memory that ends, rounded up to its alignment and with zeros, where a page without access begins, so that a read or
// write past its end stops the program.
class Guarded {
public:
    Guarded(std::size_t bytes, std::size_t alignment) {
        const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
        const std::size_t usable = (bytes + alignment + page - 1) / page * page;
        size_ = usable + page;
        base_ = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (base_ == MAP_FAILED) fail("no memory");
        unsigned char* end = static_cast<unsigned char*>(base_) + usable;
        if (mprotect(end, page, PROT_NONE) != 0) fail("no guard page");
        start_ = end - (bytes + alignment - 1) / alignment * alignment;
    }
    Guarded(const Guarded&) = delete;
    Guarded& operator=(const Guarded&) = delete;
    ~Guarded() { munmap(base_, size_); }
    unsigned char* start() const { return start_; }

private:
    void* base_;
    std::size_t size_;
    unsigned char* start_;
};

inline void read(std::FILE* file, void* to, std::size_t bytes) {
    if (bytes != 0 && std::fread(to, 1, bytes, file) != bytes) fail("the file of launches ends early");
}

inline unsigned long long read_number(std::FILE* file) {
    unsigned long long number;
    read(file, &number, sizeof number);
    return number;
}

// Reads launches from one file and writes their outputs, one after the other, to another.
inline int main(int argc, char** argv, const Kernel* kernels) {
    if (argc != 3) fail("usage: PROGRAM LAUNCHES OUTPUTS");
    alarm(300);
    std::FILE* in = std::fopen(argv[1], "rb");
    std::FILE* out = std::fopen(argv[2], "wb");
    if (in == nullptr || out == nullptr) fail("cannot open the files");
    for (unsigned long long launches = read_number(in); launches > 0; --launches) {
        kernel = &kernels[read_number(in)];
        gridDim.x = static_cast<unsigned>(read_number(in));
        const std::size_t shared_bytes = read_number(in);
        std::vector<std::size_t> output_bytes(read_number(in));
        for (std::size_t& bytes : output_bytes) bytes = read_number(in);
        std::vector<std::unique_ptr<Guarded>> buffers;
        std::vector<Argument> list(read_number(in));
        std::vector<unsigned char*> outputs(output_bytes.size(), nullptr);
        for (Argument& argument : list) {
            enum { INPUT = 0, OUTPUT = 1, NUMBER = 2 };
            const unsigned long long kind = read_number(in);
            if (kind == NUMBER) {
                argument = {nullptr, read_number(in)};
                continue;
            }
            const std::size_t alignment = read_number(in);
            // Of an input its bytes follow, of an output which one it is.
            const std::size_t number = read_number(in);
            if (kind == OUTPUT && number >= outputs.size()) fail("there is no such output");
            const std::size_t bytes = kind == INPUT ? number : output_bytes[number];
            buffers.push_back(std::make_unique<Guarded>(bytes, alignment));
            argument = {buffers.back()->start(), 0};
            if (kind == INPUT) {
                read(in, argument.pointer, bytes);
            } else {
                outputs[number] = buffers.back()->start();
                std::memset(outputs[number], 0xa5, bytes);
            }
        }
        const Guarded shared(shared_bytes, 16);
        dynamic_shared = shared.start();
        arguments = list.data();
        for (blockIdx.x = 0; blockIdx.x < gridDim.x; ++blockIdx.x) run_block();
        for (std::size_t i = 0; i < outputs.size(); ++i) {
            if (outputs[i] == nullptr) fail("an output is no argument");
            const std::size_t bytes = output_bytes[i];
            if (bytes != 0 && std::fwrite(outputs[i], 1, bytes, out) != bytes) fail("cannot write");
        }
    }
    std::fclose(in);
    return std::fclose(out) == 0 ? 0 : 3;
}

}  // namespace shim

namespace shim {

// Waits until all threads of the group that have not ended have come here.
inline void meet(Group& group) {
    const unsigned long long meeting = group.meetings;
    ++group.waiting;
    group.release_if_complete();
    while (group.meetings == meeting) swapcontext(&fibers[threadIdx.x].context, &scheduler);
}

// Leaves a value, waits for the warp, and returns where in `left` the lanes' values are.
inline unsigned exchange(unsigned long long value) {
    Fiber& self = fibers[threadIdx.x];
    const unsigned slot = ++self.exchanges % 2;
    self.left[slot] = value;
    meet(warps[threadIdx.x / WARP]);
    return slot;
}

inline unsigned lane() { return threadIdx.x % WARP; }

template <typename T>
T shuffled(T value, unsigned from) {
    const unsigned slot = exchange(static_cast<unsigned long long>(value));
    return static_cast<T>(fibers[threadIdx.x / WARP * WARP + (from < WARP ? from : lane())].left[slot]);
}

}  // namespace shim

inline void __syncthreads() { shim::meet(shim::block); }
inline void __syncwarp() { shim::exchange(0); }
inline unsigned __ballot_sync(unsigned, bool condition) {
    const unsigned slot = shim::exchange(condition);
    unsigned votes = 0;
    for (unsigned lane = 0; lane < shim::WARP; ++lane) {
        const shim::Fiber& fiber = shim::fibers[threadIdx.x / shim::WARP * shim::WARP + lane];
        const bool takes_part = fiber.exchanges >= shim::fibers[threadIdx.x].exchanges;
        votes |= static_cast<unsigned>(takes_part && fiber.left[slot] != 0) << lane;
    }
    return votes;
}
template <typename T>
T __shfl_sync(unsigned, T value, unsigned lane) {
    return shim::shuffled(value, lane % shim::WARP);
}
template <typename T>
T __shfl_up_sync(unsigned, T value, unsigned by) {
    return shim::shuffled(value, shim::lane() < by ? shim::lane() : shim::lane() - by);
}
template <typename T>
T __shfl_down_sync(unsigned, T value, unsigned by) {
    return shim::shuffled(value, shim::lane() + by);
}
template <typename T>
T __shfl_xor_sync(unsigned, T value, unsigned bits) {
    return shim::shuffled(value, shim::lane() ^ bits);
}
