//! `for`, `while` and `loop`. Over known things a loop runs now, once per round; over device values its body runs once,
//! to be built.

use super::super::ops::Number;
use super::super::value::{IntoV, Scalar, V};
use super::Condition;
use super::with_builder;
use crate::ir::{Arm, Block, Location, StmtKind, ValueId};

/// A loop that runs while the kernel is built: each round is built anew.
#[derive(Debug)]
pub struct HostLoop<I> {
    rounds: I,
    entered: bool,
}

/// `for _ in rounds`, run while the kernel is built.
pub fn each<I: IntoIterator>(rounds: I) -> HostLoop<I::IntoIter> {
    HostLoop { rounds: rounds.into_iter(), entered: false }
}

impl<T: Scalar> HostLoop<DeviceRange<T>> {
    /// [`DeviceRange::unroll`] for `rolled(..)`, which is an iterator to the macro like any other.
    #[must_use]
    pub fn unroll(mut self, times: u32) -> Self {
        self.rounds.unroll = Some(times);
        self
    }
}

impl<I: Iterator> Iterator for HostLoop<I> {
    type Item = I::Item;
    fn next(&mut self) -> Option<I::Item> {
        if !self.entered {
            self.entered = true;
            with_builder(|b| b.enter_host_loop());
        }
        self.rounds.next()
    }
}
impl<I> Drop for HostLoop<I> {
    fn drop(&mut self) {
        if self.entered {
            with_builder(|b| b.leave_loop());
        }
    }
}

/// A loop on the device. As an iterator it yields its counter once; asking again closes the loop.
#[derive(Debug)]
pub struct DeviceRange<T> {
    from: V<T>,
    to: V<T>,
    step: Option<V<T>>,
    unroll: Option<u32>,
    at: Location,
    index: Option<ValueId>,
}

impl<T: Scalar> DeviceRange<T> {
    #[track_caller]
    pub(in super::super) fn new(from: V<T>, to: V<T>) -> Self {
        Self { from, to, step: None, unroll: None, at: Location::here(), index: None }
    }

    /// Counts by `step`.
    #[must_use]
    #[track_caller]
    pub fn step_by(mut self, step: impl IntoV<T>) -> Self {
        self.step = Some(step.into_v());
        self
    }

    /// Asks the CUDA compiler to unroll `times` rounds, 0 for all. `#[unroll]` or `#[unroll(4)]` before the `for`.
    #[must_use]
    pub fn unroll(mut self, times: u32) -> Self {
        self.unroll = Some(times);
        self
    }
}

impl<T: Number> Iterator for DeviceRange<T> {
    type Item = V<T>;
    fn next(&mut self) -> Option<V<T>> {
        with_builder(|b| {
            let Some(index) = self.index else {
                if self.step.is_none() {
                    self.step = Some(V::from_id(b.constant(self.at, T::TY, 1)));
                }
                let index = b.new_value(T::TY);
                b.open();
                b.enter_device_loop();
                self.index = Some(index);
                return Some(V::from_id(index));
            };
            b.leave_loop();
            let body = b.close();
            let step = self.step.unwrap_or(self.from);
            let (from, to, step) = (self.from.id(), self.to.id(), step.id());
            b.push(self.at, StmtKind::For { index, from, to, step, unroll: self.unroll, body });
            None
        })
    }
}

/// The upper bound of a range: the type of both bounds decides whether the loop is unrolled now or built.
#[diagnostic::on_unimplemented(
    message = "no loop from `{A}` to `{Self}`",
    note = "both bounds have one type: two known numbers (the loop is unrolled now) or device values (it stays a loop)"
)]
pub trait RangeTo<A> {
    /// The loop.
    type Loop;
    /// `from..self`
    #[track_caller]
    fn range_from(self, from: A) -> Self::Loop;
}
macro_rules! known_ranges {
    ($($ty:ty)*) => {$(
        impl RangeTo<$ty> for $ty {
            type Loop = HostLoop<std::ops::Range<$ty>>;
            fn range_from(self, from: $ty) -> Self::Loop {
                each(from..self)
            }
        }
    )*};
}
known_ranges!(u8 u16 u32 u64 i32 usize);
macro_rules! device_upper_known {
    ($($ty:ty)*) => {$(
        impl RangeTo<V<$ty>> for $ty {
            type Loop = DeviceRange<$ty>;
            #[track_caller]
            fn range_from(self, from: V<$ty>) -> Self::Loop {
                DeviceRange::new(from, self.into_v())
            }
        }
    )*};
}
device_upper_known!(u8 u16 u32 u64 i32);
impl<T: Number, A: IntoV<T>> RangeTo<A> for V<T> {
    type Loop = DeviceRange<T>;
    #[track_caller]
    fn range_from(self, from: A) -> Self::Loop {
        DeviceRange::new(from.into_v(), self)
    }
}

/// `from..to` after `in`.
#[track_caller]
pub fn range<A, B: RangeTo<A>>(from: A, to: B) -> B::Loop {
    to.range_from(from)
}

/// A `while` being built.
#[derive(Debug)]
pub struct While {
    at: Location,
    condition: Option<Arm>,
}

/// Begins a `while`.
#[track_caller]
pub fn while_loop() -> While {
    While { at: Location::here(), condition: None }
}

impl While {
    /// The first time, builds the condition and asks for the body; the second time, ends the loop.
    #[track_caller]
    pub fn round<C: Condition>(&mut self, condition: impl FnOnce() -> C) -> bool {
        if let Some(condition) = self.condition.take() {
            with_builder(|b| {
                b.leave_loop();
                let body: Block = b.close();
                b.push(self.at, StmtKind::While { condition, body });
            });
            return false;
        }
        with_builder(|b| b.open());
        let value = match condition().resolve() {
            Ok(condition) => condition,
            Err(known) => known.into_v().id(),
        };
        with_builder(|b| {
            self.condition = Some(Arm { block: b.close(), value });
            b.open();
            b.enter_device_loop();
        });
        true
    }
}

/// `break`: whether to leave the Rust loop now.
#[track_caller]
pub fn break_() -> bool {
    let at = Location::here();
    with_builder(|b| b.jump(at, StmtKind::Break))
}

/// `continue`: whether to go on with the Rust loop's next round now.
#[track_caller]
pub fn continue_() -> bool {
    let at = Location::here();
    with_builder(|b| b.jump(at, StmtKind::Continue))
}
