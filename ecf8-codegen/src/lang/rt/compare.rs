//! Comparisons, whose result is `bool` on known values and `V<bool>` on device values. Decided by type: the methods are
//! looked for on `Compare<A, B>` first (a device value on either side) and on `&Compare<A, B>` second.

use super::super::value::{IntoV, Scalar, V};
use crate::ir::BinaryOp;

/// The two sides of a comparison.
#[derive(Debug)]
pub struct Compare<'a, A, B>(pub &'a A, pub &'a B);

macro_rules! comparisons {
    ($($method:ident $op:ident $doc:literal;)*) => {
        /// A device value on the left.
        pub trait DeviceCompare<T: Scalar, R> {
            $(
                #[doc = $doc]
                #[track_caller]
                fn $method(&self) -> V<bool> where R: IntoV<T>;
            )*
        }
        impl<T: Scalar, R> DeviceCompare<T, R> for Compare<'_, V<T>, R> {
            $(
                #[track_caller]
                fn $method(&self) -> V<bool> where R: IntoV<T> {
                    self.0.binary(BinaryOp::$op, (*self.1).into_v())
                }
            )*
        }
        /// A known value on the left, a device value on the right.
        pub trait DeviceCompareKnown {
            $(
                #[doc = $doc]
                #[track_caller]
                fn $method(&self) -> V<bool>;
            )*
        }
        comparisons!(@known [$($method $op)*] u8 u16 u32 u64 i32);
    };
    (@known $methods:tt $($ty:ty)*) => {$(
        comparisons!(@one $ty $methods);
    )*};
    (@one $ty:ty [$($method:ident $op:ident)*]) => {
        impl DeviceCompareKnown for Compare<'_, $ty, V<$ty>> {
            $(
                #[track_caller]
                fn $method(&self) -> V<bool> {
                    (*self.0).into_v().binary(BinaryOp::$op, *self.1)
                }
            )*
        }
    };
}
comparisons! {
    eq Eq "`==`";
    ne Ne "`!=`";
    lt Lt "`<`";
    le Le "`<=`";
    gt Gt "`>`";
    ge Ge "`>=`";
}

/// Equality of known values.
pub trait HostCompare {
    /// `==`
    fn eq(&self) -> bool;
    /// `!=`
    fn ne(&self) -> bool;
}
impl<A: PartialEq<B>, B> HostCompare for &Compare<'_, A, B> {
    fn eq(&self) -> bool {
        self.0 == self.1
    }
    fn ne(&self) -> bool {
        self.0 != self.1
    }
}

/// Order of known values.
pub trait HostOrder {
    /// `<`
    fn lt(&self) -> bool;
    /// `<=`
    fn le(&self) -> bool;
    /// `>`
    fn gt(&self) -> bool;
    /// `>=`
    fn ge(&self) -> bool;
}
impl<A: PartialOrd<B>, B> HostOrder for &Compare<'_, A, B> {
    fn lt(&self) -> bool {
        self.0 < self.1
    }
    fn le(&self) -> bool {
        self.0 <= self.1
    }
    fn gt(&self) -> bool {
        self.0 > self.1
    }
    fn ge(&self) -> bool {
        self.0 >= self.1
    }
}
