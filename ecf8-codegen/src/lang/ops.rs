//! Arithmetic on device values.

use super::rt::with_builder;
use super::value::{IntoV, Scalar, V};
use crate::ir::{BinaryOp, Location, Op, UnaryOp, ValueId};

/// Device types with arithmetic: all but `bool`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no arithmetic on the device",
    note = "`bool` has `&&`, `||` and `!`; `x as u32` makes a number of it"
)]
pub trait Number: Scalar {}
impl Number for u8 {}
impl Number for u16 {}
impl Number for u32 {}
impl Number for u64 {}
impl Number for i32 {}

macro_rules! arithmetic {
    ($($trait:ident $method:ident $op:ident;)*) => {$(
        impl<T: Number, R: IntoV<T>> std::ops::$trait<R> for V<T> {
            type Output = V<T>;
            #[track_caller]
            fn $method(self, other: R) -> V<T> {
                self.binary(BinaryOp::$op, other.into_v())
            }
        }
        arithmetic!(@host $trait $method $op: u8 u16 u32 u64 i32);
    )*};
    (@host $trait:ident $method:ident $op:ident: $($host:ty)*) => {$(
        impl std::ops::$trait<V<$host>> for $host {
            type Output = V<$host>;
            #[track_caller]
            fn $method(self, other: V<$host>) -> V<$host> {
                self.into_v().binary(BinaryOp::$op, other)
            }
        }
    )*};
}
arithmetic! {
    Add add Add;
    Sub sub Sub;
    Mul mul Mul;
    Div div Div;
    Rem rem Rem;
    BitAnd bitand And;
    BitOr bitor Or;
    BitXor bitxor Xor;
}

macro_rules! shifts {
    ($($trait:ident $method:ident $op:ident;)*) => {$(
        impl<T: Number, R: IntoV<u32>> std::ops::$trait<R> for V<T> {
            type Output = V<T>;
            #[track_caller]
            fn $method(self, amount: R) -> V<T> {
                self.shift(BinaryOp::$op, amount.into_v())
            }
        }
        shifts!(@host $trait $method $op: u8 u16 u32 u64 i32);
    )*};
    (@host $trait:ident $method:ident $op:ident: $($host:ty)*) => {$(
        impl std::ops::$trait<V<u32>> for $host {
            type Output = V<$host>;
            #[track_caller]
            fn $method(self, amount: V<u32>) -> V<$host> {
                self.into_v().shift(BinaryOp::$op, amount)
            }
        }
    )*};
}
shifts! {
    Shl shl Shl;
    Shr shr Shr;
}

impl<T: Scalar> std::ops::Not for V<T> {
    type Output = V<T>;
    #[track_caller]
    fn not(self) -> V<T> {
        self.unary(UnaryOp::Not)
    }
}

impl<T: Number> V<T> {
    /// The smaller of the two.
    #[track_caller]
    pub fn min(self, other: impl IntoV<T>) -> V<T> {
        self.binary(BinaryOp::Min, other.into_v())
    }

    /// The larger of the two.
    #[track_caller]
    pub fn max(self, other: impl IntoV<T>) -> V<T> {
        self.binary(BinaryOp::Max, other.into_v())
    }
}

macro_rules! bit_counts {
    ($($ty:ty)*) => {$(
        impl V<$ty> {
            /// The number of set bits.
            #[track_caller]
            pub fn count_ones(self) -> V<u32> {
                self.unary(UnaryOp::CountOnes)
            }

            /// The number of zero bits above the highest set bit.
            #[track_caller]
            pub fn leading_zeros(self) -> V<u32> {
                self.unary(UnaryOp::LeadingZeros)
            }
        }
    )*};
}
bit_counts!(u32 u64);

/// `then` where `condition` holds, `otherwise` elsewhere; both are evaluated. For lazy arms write
/// `if condition { .. } else { .. }`.
#[track_caller]
pub fn select<T: Scalar>(condition: V<bool>, then: V<T>, otherwise: impl IntoV<T>) -> V<T> {
    let at = Location::here();
    let otherwise = otherwise.into_v();
    V::from_id(with_builder(|b| b.define(at, T::TY, Op::Select(condition.id(), then.id(), otherwise.id()))))
}

#[track_caller]
fn of_words(op: impl FnOnce(ValueId, ValueId, ValueId) -> Op, words: [V<u32>; 3]) -> V<u32> {
    let at = Location::here();
    let [a, b, c] = words.map(V::id);
    V::from_id(with_builder(|builder| builder.define(at, u32::TY, op(a, b, c))))
}

/// The upper half of the 64 bits `high:low` shifted left by `amount` modulo 32.
#[track_caller]
pub fn funnel_left(high: impl IntoV<u32>, low: impl IntoV<u32>, amount: impl IntoV<u32>) -> V<u32> {
    let words = [high.into_v(), low.into_v(), amount.into_v()];
    of_words(|high, low, amount| Op::FunnelLeft { high, low, amount }, words)
}

/// The lower half of the 64 bits `high:low` shifted right by `amount` modulo 32.
#[track_caller]
pub fn funnel_right(high: impl IntoV<u32>, low: impl IntoV<u32>, amount: impl IntoV<u32>) -> V<u32> {
    let words = [high.into_v(), low.into_v(), amount.into_v()];
    of_words(|high, low, amount| Op::FunnelRight { high, low, amount }, words)
}

/// Four bytes chosen from eight: byte `n` of the result is the one that nibble `n` of `selector` names, 0 to 3 being those
/// of `first`, lowest first, 4 to 7 those of `second`.
#[track_caller]
pub fn byte_permute(first: impl IntoV<u32>, second: impl IntoV<u32>, selector: impl IntoV<u32>) -> V<u32> {
    of_words(Op::BytePermute, [first.into_v(), second.into_v(), selector.into_v()])
}
