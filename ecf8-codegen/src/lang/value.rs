//! Device values and variables.

use super::rt::with_builder;
use crate::ir::{BinaryOp, Location, Op, StmtKind, Ty, UnaryOp, ValueId, VarId};
use std::marker::PhantomData;

/// A Rust type that is also a device type: `bool`, `u8`, `u16`, `u32`, `u64`, `i32`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a device type",
    note = "device types are bool, u8, u16, u32, u64 and i32; data that changes while the kernel is built is declared with \
            `#[host] let mut`"
)]
pub trait Scalar: Copy + 'static {
    /// The device type.
    const TY: Ty;
    /// The bit pattern, zero-extended.
    fn bits(self) -> u64;
}

macro_rules! scalars {
    ($($rust:ty => $ty:ident, |$x:ident| $bits:expr;)*) => {$(
        impl Scalar for $rust {
            const TY: Ty = Ty::$ty;
            fn bits(self) -> u64 {
                let $x = self;
                $bits
            }
        }
        impl IntoV<$rust> for $rust {
            #[track_caller]
            fn into_v(self) -> V<$rust> {
                V::constant(self)
            }
        }
    )*};
}
scalars! {
    bool => Bool, |x| u64::from(x);
    u8 => U8, |x| u64::from(x);
    u16 => U16, |x| u64::from(x);
    u32 => U32, |x| u64::from(x);
    u64 => U64, |x| x;
    i32 => I32, |x| u64::from(x.cast_unsigned());
}

/// A value of the running kernel, the same for as long as it is in scope; each thread has its own.
pub struct V<T> {
    id: ValueId,
    scalar: PhantomData<T>,
}

/// A variable of the running kernel; each thread has its own. `let mut` declares one.
pub struct Var<T> {
    id: VarId,
    scalar: PhantomData<T>,
}

impl<T> Clone for V<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for V<T> {}
impl<T> Clone for Var<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Var<T> {}

impl<T> std::fmt::Debug for V<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "V({})", self.id.index())
    }
}
impl<T> std::fmt::Debug for Var<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Var({})", self.id.index())
    }
}

/// What can stand where a device value of type `T` is wanted: a [`V<T>`](V), a [`Var<T>`](Var), or a plain `T`.
#[diagnostic::on_unimplemented(
    message = "a device `{T}` is wanted here, but this is `{Self}`",
    label = "not a device `{T}`",
    note = "convert a device value with `x as {T}`; give a literal the wanted type, as in `1u32`"
)]
pub trait IntoV<T>: Copy {
    /// The device value.
    #[track_caller]
    fn into_v(self) -> V<T>;
}

impl<T: Scalar> IntoV<T> for V<T> {
    fn into_v(self) -> V<T> {
        self
    }
}
impl<T: Scalar> IntoV<T> for Var<T> {
    #[track_caller]
    fn into_v(self) -> V<T> {
        self.get()
    }
}

impl<T: Scalar> V<T> {
    pub(super) fn from_id(id: ValueId) -> Self {
        Self { id, scalar: PhantomData }
    }

    pub(super) fn id(self) -> ValueId {
        self.id
    }

    /// A constant.
    #[track_caller]
    pub(super) fn constant(x: T) -> Self {
        let at = Location::here();
        Self::from_id(with_builder(|b| b.constant(at, T::TY, x.bits())))
    }

    #[track_caller]
    pub(super) fn binary<R>(self, op: BinaryOp, other: V<T>) -> V<R>
    where
        R: Scalar,
    {
        let at = Location::here();
        V::from_id(with_builder(|b| b.binary(at, op, self.id, other.id)))
    }

    #[track_caller]
    pub(super) fn shift(self, op: BinaryOp, amount: V<u32>) -> V<T> {
        let at = Location::here();
        V::from_id(with_builder(|b| b.binary(at, op, self.id, amount.id)))
    }

    #[track_caller]
    pub(super) fn unary<R: Scalar>(self, op: UnaryOp) -> V<R> {
        let at = Location::here();
        V::from_id(with_builder(|b| b.unary(at, op, self.id)))
    }

    /// The same number in another type: truncated, zero-extended, or sign-extended from `i32`. `as` in a kernel.
    #[track_caller]
    pub fn cast<U: Scalar>(self) -> V<U> {
        let at = Location::here();
        V::from_id(with_builder(|b| b.cast(at, U::TY, self.id)))
    }
}

impl<T: Scalar> Var<T> {
    /// Declares a variable; without a first value it must be assigned before it is read.
    #[track_caller]
    pub(super) fn declare(name: &str, init: Option<V<T>>) -> Self {
        let at = Location::here();
        let id = with_builder(|b| b.variable(at, name, T::TY, init.map(V::id)));
        Self { id, scalar: PhantomData }
    }

    /// The present value.
    #[track_caller]
    pub fn get(self) -> V<T> {
        let at = Location::here();
        V::from_id(with_builder(|b| b.define(at, T::TY, Op::Read(self.id))))
    }

    /// Assigns.
    #[track_caller]
    pub fn set(self, value: impl IntoV<T>) {
        let at = Location::here();
        let value = value.into_v();
        with_builder(|b| b.push(at, StmtKind::Assign(self.id, value.id)));
    }
}
