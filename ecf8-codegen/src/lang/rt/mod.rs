//! What `#[kernel]` and `#[device]` expand to. Not for writing by hand.

mod access;
mod branch;
mod call;
mod compare;
mod loops;
mod names;

pub use access::{At, CastTo, KnownIndex, at, cast, store};
pub use branch::{Branch, Choose, Condition, Logic, and, branch, choose, or};
pub use call::Call;
pub use compare::{Compare, DeviceCompare, DeviceCompareKnown, HostCompare, HostOrder};
pub use loops::{DeviceRange, HostLoop, RangeTo, While, break_, continue_, each, range, while_loop};
pub use names::{Name, NameDevice, NameHost, is_free_for_a_kernel, is_spelt_as_in_c};

use super::memory::{Global, GlobalMut};
use super::value::{IntoV, Scalar, V, Var};
use crate::ir::{BuildErrors, Builder, Kernel, Location, Space, StmtKind};
use std::cell::RefCell;

thread_local! {
    /// The kernel under construction on this thread. Outside of any, a scratch one that nobody sees.
    static BUILDER: RefCell<Builder> = RefCell::new(Builder::new("outside of any kernel", &[], 1, 0));
}

/// Runs `f` on the kernel under construction.
pub(super) fn with_builder<R>(f: impl FnOnce(&mut Builder) -> R) -> R {
    BUILDER.with_borrow_mut(f)
}

/// Builds a kernel by running `body`.
pub fn kernel(
    name: &str,
    docs: &[&str],
    threads: u32,
    blocks_per_sm: u32,
    body: impl FnOnce(),
) -> Result<Kernel, BuildErrors> {
    let outer = BUILDER.replace(Builder::new(name, docs, threads, blocks_per_sm));
    body();
    BUILDER.replace(outer).finish()
}

/// What can be a parameter of a kernel.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a kernel parameter",
    note = "device parameters are `Global<T>`, `GlobalMut<T>` and `V<T>`"
)]
pub trait KernelParam {
    /// Declares the next parameter.
    fn param(name: &str) -> Self;
}
impl<T: Scalar> KernelParam for Global<T> {
    #[track_caller]
    fn param(name: &str) -> Self {
        Self::declare(name, Space::Global { writable: false })
    }
}
impl<T: Scalar> KernelParam for GlobalMut<T> {
    #[track_caller]
    fn param(name: &str) -> Self {
        Self::declare(name, Space::Global { writable: true })
    }
}
impl<T: Scalar> KernelParam for V<T> {
    fn param(name: &str) -> Self {
        V::from_id(with_builder(|b| b.scalar_param(name, T::TY)))
    }
}

/// `let mut name = init`.
#[track_caller]
pub fn declare<T: Scalar, I: IntoV<T>>(name: &str, init: I) -> Var<T> {
    let init = init.into_v();
    Var::declare(name, Some(init))
}

/// `let mut name: T;`
#[track_caller]
pub fn declare_unset<T: Scalar>(name: &str) -> Var<T> {
    Var::declare(name, None)
}

/// `return`.
#[track_caller]
pub fn return_() {
    let at = Location::here();
    with_builder(|b| b.push(at, StmtKind::Return));
}
