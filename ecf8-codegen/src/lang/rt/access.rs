//! `a[i]`, `a[i] = x` and `x as T`.

use super::super::memory::{Global, GlobalMut, Index, Shared, Table, Writable};
use super::super::value::{IntoV, Scalar, V};

/// What `a[i]` means.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be indexed by `{I}` in a kernel",
    note = "memories and tables are indexed by a `u32` or `u64`; data known when the kernel is built by a `usize`"
)]
pub trait At<I> {
    /// The element.
    type Out;
    /// `self[i]`
    #[track_caller]
    fn at(&self, i: I) -> Self::Out;
}
macro_rules! loads {
    ($($memory:ident)*) => {$(
        impl<T: Scalar, I: Index> At<I> for $memory<T> {
            type Out = V<T>;
            #[track_caller]
            fn at(&self, i: I) -> V<T> {
                self.load(i.index())
            }
        }
    )*};
}
loads!(Global GlobalMut Shared Table);
/// What can index data that is known when the kernel is built.
#[diagnostic::on_unimplemented(
    message = "data known when the kernel is built cannot be indexed by `{Self}`",
    note = "to index it by a device value make it a `table(&data)`, compiled into the kernel; known numbers index it as \
            `usize`: write `i as usize`"
)]
pub trait KnownIndex {
    /// The index.
    fn position(self) -> usize;
}
impl KnownIndex for usize {
    fn position(self) -> usize {
        self
    }
}
impl<T: Clone, I: KnownIndex> At<I> for [T] {
    type Out = T;
    #[track_caller]
    fn at(&self, i: I) -> T {
        self[i.position()].clone()
    }
}
impl<T: Clone, I: KnownIndex> At<I> for Vec<T> {
    type Out = T;
    #[track_caller]
    fn at(&self, i: I) -> T {
        self[i.position()].clone()
    }
}
impl<T: Clone, I: KnownIndex, const N: usize> At<I> for [T; N] {
    type Out = T;
    #[track_caller]
    fn at(&self, i: I) -> T {
        self[i.position()].clone()
    }
}
impl<I, A: At<I> + ?Sized> At<I> for &A {
    type Out = A::Out;
    #[track_caller]
    fn at(&self, i: I) -> A::Out {
        (**self).at(i)
    }
}

/// `a[i]`
#[track_caller]
pub fn at<I, A: At<I> + ?Sized>(a: &A, i: I) -> A::Out {
    a.at(i)
}

/// `a[i] = x`
#[track_caller]
pub fn store<T: Scalar, M: Writable<T>, I: Index, X: IntoV<T>>(memory: &M, i: I, x: X) {
    let (i, x) = (i.index(), x.into_v());
    super::super::memory::store(*memory, i, x);
}

/// What `x as U` means.
#[diagnostic::on_unimplemented(message = "`{Self}` cannot be converted to `{U}` in a kernel")]
pub trait CastTo<U> {
    /// `U` or `V<U>`.
    type Out;
    /// `self as U`
    #[track_caller]
    fn cast_to(self) -> Self::Out;
}
impl<T: Scalar, U: Scalar> CastTo<U> for V<T> {
    type Out = V<U>;
    #[track_caller]
    fn cast_to(self) -> V<U> {
        self.cast()
    }
}
macro_rules! known_casts {
    ($($from:ty => $($to:ty)*;)*) => {$($(
        impl CastTo<$to> for $from {
            type Out = $to;
            #[allow(clippy::cast_possible_truncation)] // `as` on known values means what it means in Rust
            fn cast_to(self) -> $to {
                self as $to
            }
        }
    )*)*};
}
known_casts! {
    bool => u8 u16 u32 u64 i32;
    u8 => u8 u16 u32 u64 i32;
    u16 => u8 u16 u32 u64 i32;
    u32 => u8 u16 u32 u64 i32;
    u64 => u8 u16 u32 u64 i32;
    usize => u8 u16 u32 u64 i32;
    i32 => u8 u16 u32 u64 i32;
}

/// `x as U`
#[track_caller]
pub fn cast<U, X: CastTo<U>>(x: X) -> X::Out {
    x.cast_to()
}
