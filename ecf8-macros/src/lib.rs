//! The procedural macros of `ecf8-codegen`: `#[kernel]`, `#[device]` and `#[derive(Tunables)]`.
//!
//! They only rewrite syntax; what the rewritten calls mean is decided by the types in `ecf8_codegen::lang::rt`.

mod function;
mod stage;
mod tunables;

use proc_macro::TokenStream;

/// Makes a kernel of a function: `#[kernel(threads = T)]`, where `T` is an expression over the known parameters.
/// `blocks_per_sm = N` asks the compiler to use so few registers that N blocks fit on a multiprocessor.
///
/// Parameters of type `Global<T>`, `GlobalMut<T>` and `V<T>` become the kernel's; all others stay the function's, which
/// returns `Result<Kernel, BuildErrors>`.
#[proc_macro_attribute]
pub fn kernel(attribute: TokenStream, item: TokenStream) -> TokenStream {
    function::kernel(attribute.into(), &item.into()).into()
}

/// Lets a function be called from kernels: its body is staged as a kernel's is, and becomes part of the caller's.
#[proc_macro_attribute]
pub fn device(attribute: TokenStream, item: TokenStream) -> TokenStream {
    function::device(&attribute.into(), &item.into()).into()
}

/// Declares the tunable parameters of a strategy: each field carries `#[tunable(values = [..], default = ..)]`, and the
/// struct may carry conditions over its fields, `#[tunables(require(a * b <= 1024, "why"))]`. Fields are `Copy`.
#[proc_macro_derive(Tunables, attributes(tunable, tunables))]
pub fn tunables(item: TokenStream) -> TokenStream {
    tunables::derive(item.into()).into()
}
