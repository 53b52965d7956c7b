//! Whatever a kernel's author calls things, the emitted text compiles: what C++ or CUDA has already is renamed.

#![allow(clippy::panic, clippy::unwrap_used, reason = "that is how a test fails")]

use ecf8_codegen::cuda;
use ecf8_codegen::ir::{Builder, Kernel, Location, Op, Space, Special, StmtKind, Ty};
use ecf8_tests::cxx::{Compiler, Program};
use ecf8_tune::nvrtc::{CompileRequest, Nvrtc};

/// Words of C++, with those that newer standards add, and names that CUDA declares, of every kind.
const NAMES: &str = "alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t
    class compl concept const consteval constexpr constinit const_cast continue co_await co_return co_yield decltype default
    delete do double dynamic_cast else enum explicit export extern false final float for friend goto if import inline int
    long module mutable namespace new noexcept not not_eq nullptr operator or or_eq override private protected public
    register reinterpret_cast requires return short signed sizeof static static_assert static_cast struct switch template
    this thread_local throw true try typedef typeid typename union unsigned using virtual void volatile wchar_t while xor
    xor_eq restrict typeof main NULL assert printf malloc memcpy memset clock abs all any sin cosf exp log log2 j0 y1 fma pow
    round size_t std dim3 half float2 float4 int2 uint2 uint4 ulonglong2 make_uint4 min max u8 u16 u32 u64 i32 threadIdx
    blockIdx gridDim blockDim warpSize cudaError_t cudaSuccess cudaStreamLegacy cudaStream_t tex2D surf1Dread atomicAdd
    atomicCAS double2int __popc __syncthreads __global__ größe é __ kernel add bar ld mov ret exit vote
    reg global shared";

/// A kernel in which a table, a shared array, a variable, a value and a loop's counter have each of the names, or, in each
/// kernel of the result, a parameter has some.
fn kernels() -> Vec<Kernel> {
    let at = Location::here();
    let body = |builder: &mut Builder| {
        let output = builder.memory(at, "output", Ty::U32, Space::Global { writable: true });
        let thread = builder.define(at, Ty::U32, Op::Special(Special::ThreadIdx));
        for name in NAMES.split_whitespace() {
            let data = Space::Table { data: vec![3, 4], in_constant_memory: false };
            let table = builder.memory(at, name, Ty::U32, data);
            let shared = builder.memory(at, name, Ty::U32, Space::Shared { elements: 1 });
            let variable = builder.variable(at, name, Ty::U32, Some(thread));
            let value = builder.define(at, Ty::U32, Op::Load(table, thread));
            builder.name_value(value, name);
            builder.push(at, StmtKind::Assign(variable, value));
            let read = builder.define(at, Ty::U32, Op::Read(variable));
            builder.push(at, StmtKind::Store(shared, thread, read));
            let read = builder.define(at, Ty::U32, Op::Load(shared, thread));
            builder.push(at, StmtKind::Store(output, thread, read));
        }
    };
    let names: Vec<&str> = NAMES.split_whitespace().collect();
    let parameters = names.chunks(40).enumerate().map(|(n, names)| {
        let mut builder = Builder::new(&format!("parameters{n}"), &[], 1, 0);
        for (n, name) in names.iter().enumerate() {
            if n % 2 == 0 {
                let _ = builder.memory(at, name, Ty::U32, Space::Global { writable: false });
            } else {
                let _ = builder.scalar_param(name, Ty::U32);
            }
        }
        builder.finish().unwrap()
    });
    let mut locals = Builder::new("kernel", &[], 1, 0);
    body(&mut locals);
    parameters.chain([locals.finish().unwrap()]).collect()
}

#[test]
fn words_of_cpp_and_cuda_can_name_anything_but_a_kernel() {
    let kernels = kernels();
    if let Some(compiler) = Compiler::find() {
        let _ = Program::new(&compiler, &kernels).unwrap_or_else(|error| panic!("{error}"));
    }
    let nvrtc = match Nvrtc::find() {
        Ok(nvrtc) => nvrtc,
        Err(error) if ecf8_tests::is_required("ECF8_REQUIRE_NVRTC") => panic!("{error}"),
        Err(error) => return eprintln!("skipped: {error}"),
    };
    for kernel in &kernels {
        let (source, arch) = (cuda::source(kernel), "sm_90".parse().unwrap());
        let request = CompileRequest { name: &kernel.name, source: &source, arch, options: &[] };
        if let Err(error) = nvrtc.compile(&request) {
            panic!("{error}");
        }
    }
}
