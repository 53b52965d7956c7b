//! `if`, `&&` and `||`: taken now on a known condition, built on a device condition.

use super::super::value::{IntoV, Scalar, V};
use super::with_builder;
use crate::ir::{Arm, Block, Location, StmtKind, ValueId};

/// What an `if` may ask: a known `bool` or a device `V<bool>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a condition",
    note = "a condition is a `bool`, known when the kernel is built, or a device `V<bool>`, as a comparison gives"
)]
pub trait Condition {
    /// The device condition, or what is known of it.
    fn resolve(self) -> Result<ValueId, bool>;
}
impl Condition for bool {
    fn resolve(self) -> Result<ValueId, bool> {
        Err(self)
    }
}
impl Condition for V<bool> {
    fn resolve(self) -> Result<ValueId, bool> {
        match with_builder(|b| b.known(self.id())) {
            Some(bits) => Err(bits != 0),
            None => Ok(self.id()),
        }
    }
}

/// An `if` statement being built.
#[derive(Debug)]
pub struct Branch {
    condition: Result<ValueId, bool>,
    at: Location,
    then: Block,
}

/// Begins an `if` statement.
#[track_caller]
pub fn branch(condition: impl Condition) -> Branch {
    Branch { condition: condition.resolve(), at: Location::here(), then: Vec::new() }
}

impl Branch {
    /// Whether to run the first block now.
    pub fn then(&self) -> bool {
        match self.condition {
            Err(known) => known,
            Ok(_) => {
                with_builder(|b| b.open());
                true
            }
        }
    }

    /// Whether to run the second block now.
    pub fn otherwise(&mut self) -> bool {
        match self.condition {
            Err(known) => !known,
            Ok(_) => {
                self.then = with_builder(|b| b.close());
                with_builder(|b| b.open());
                true
            }
        }
    }

    /// Ends the statement.
    pub fn end(self) {
        if let Ok(condition) = self.condition {
            with_builder(|b| {
                let otherwise = b.close();
                b.push(self.at, StmtKind::If { condition, then: self.then, otherwise });
            });
        }
    }
}

/// Builds an arm in a block of its own.
fn arm<T: Scalar>(value: impl FnOnce() -> V<T>) -> Arm {
    with_builder(|b| b.open());
    let value = value().id();
    Arm { block: with_builder(|b| b.close()), value }
}

/// A condition of an `if` that has a value.
#[diagnostic::on_unimplemented(
    message = "the arms of this `if` have no common device type",
    note = "on a device condition both arms are device values of one type: convert with `as`"
)]
pub trait Choose<A, B> {
    /// The type of the whole.
    type Out;
    /// The value of one arm or the other.
    #[track_caller]
    fn choose(self, then: impl FnOnce() -> A, otherwise: impl FnOnce() -> B) -> Self::Out;
}
impl<A> Choose<A, A> for bool {
    type Out = A;
    fn choose(self, then: impl FnOnce() -> A, otherwise: impl FnOnce() -> A) -> A {
        if self { then() } else { otherwise() }
    }
}
impl<T: Scalar, B: IntoV<T>> Choose<V<T>, B> for V<bool> {
    type Out = V<T>;
    #[track_caller]
    fn choose(self, then: impl FnOnce() -> V<T>, otherwise: impl FnOnce() -> B) -> V<T> {
        let at = Location::here();
        let (then, otherwise) = (arm(then), arm(|| otherwise().into_v()));
        V::from_id(with_builder(|b| b.choose(at, self.id(), then, otherwise)))
    }
}
macro_rules! choose_known_first {
    ($($ty:ty)*) => {$(
        impl<B: IntoV<$ty>> Choose<$ty, B> for V<bool> {
            type Out = V<$ty>;
            #[track_caller]
            fn choose(self, then: impl FnOnce() -> $ty, otherwise: impl FnOnce() -> B) -> V<$ty> {
                Choose::<V<$ty>, B>::choose(self, || then().into_v(), otherwise)
            }
        }
    )*};
}
choose_known_first!(bool u8 u16 u32 u64 i32);

/// `if condition { then } else { otherwise }` with a value.
#[track_caller]
pub fn choose<C: Choose<A, B>, A, B>(
    condition: C,
    then: impl FnOnce() -> A,
    otherwise: impl FnOnce() -> B,
) -> C::Out {
    condition.choose(then, otherwise)
}

/// The left side of `&&` and `||`.
#[diagnostic::on_unimplemented(
    message = "`&&` and `||` join conditions, not `{Self}` and `{R}`",
    note = "a condition is a `bool`, known when the kernel is built, or a device `V<bool>`, as a comparison gives"
)]
pub trait Logic<R> {
    /// `bool` if both sides are known, `V<bool>` otherwise.
    type Out;
    /// `self && right()`
    #[track_caller]
    fn and(self, right: impl FnOnce() -> R) -> Self::Out;
    /// `self || right()`
    #[track_caller]
    fn or(self, right: impl FnOnce() -> R) -> Self::Out;
}
impl Logic<bool> for bool {
    type Out = bool;
    fn and(self, right: impl FnOnce() -> bool) -> bool {
        self && right()
    }
    fn or(self, right: impl FnOnce() -> bool) -> bool {
        self || right()
    }
}
impl Logic<V<bool>> for bool {
    type Out = V<bool>;
    #[track_caller]
    fn and(self, right: impl FnOnce() -> V<bool>) -> V<bool> {
        if self { right() } else { false.into_v() }
    }
    #[track_caller]
    fn or(self, right: impl FnOnce() -> V<bool>) -> V<bool> {
        if self { true.into_v() } else { right() }
    }
}
impl<R: IntoV<bool>> Logic<R> for V<bool> {
    type Out = V<bool>;
    #[track_caller]
    fn and(self, right: impl FnOnce() -> R) -> V<bool> {
        choose(self, || right().into_v(), || false)
    }
    #[track_caller]
    fn or(self, right: impl FnOnce() -> R) -> V<bool> {
        choose(self, || true, || right().into_v())
    }
}

/// `left && right()`
#[track_caller]
pub fn and<L: Logic<R>, R>(left: L, right: impl FnOnce() -> R) -> L::Out {
    left.and(right)
}

/// `left || right()`
#[track_caller]
pub fn or<L: Logic<R>, R>(left: L, right: impl FnOnce() -> R) -> L::Out {
    left.or(right)
}
