//! The 32 threads of a warp: what they tell each other. All of them must take part.

use super::control::thread_idx;
use super::rt::with_builder;
use super::value::{IntoV, Scalar, V};
use crate::ir::{Location, Op, Shuffle, StmtKind, Ty};

/// Threads of a warp.
pub const WARP: u32 = 32;

/// Number of this thread in its warp.
#[track_caller]
pub fn lane_idx() -> V<u32> {
    thread_idx() & (WARP - 1)
}

/// Number of this thread's warp in the block.
#[track_caller]
pub fn warp_idx() -> V<u32> {
    thread_idx() >> WARP.ilog2()
}

/// Waits for all threads of the warp, and orders their accesses to memory.
#[track_caller]
pub fn sync_warp() {
    let at = Location::here();
    with_builder(|b| b.push(at, StmtKind::WarpBarrier));
}

/// A bit per lane: where `condition` holds.
#[track_caller]
pub fn ballot(condition: impl IntoV<bool>) -> V<u32> {
    let at = Location::here();
    let condition = condition.into_v().id();
    V::from_id(with_builder(|b| b.define(at, Ty::U32, Op::Ballot(condition))))
}

/// What can be passed between lanes: numbers of 32 and 64 bits.
pub trait Shuffled: Scalar {}
impl Shuffled for u32 {}
impl Shuffled for u64 {}
impl Shuffled for i32 {}

#[track_caller]
fn pass<T: Shuffled>(how: Shuffle, value: V<T>, lane: impl IntoV<u32>) -> V<T> {
    let at = Location::here();
    let lane = lane.into_v().id();
    V::from_id(with_builder(|b| b.define(at, T::TY, Op::Shuffle(how, value.id(), lane))))
}

/// The value of lane `lane` modulo 32.
#[track_caller]
pub fn shuffle<T: Shuffled>(value: V<T>, lane: impl IntoV<u32>) -> V<T> {
    pass(Shuffle::Index, value, lane)
}

/// The value of the lane `by` below this one; this lane's own in the first `by` lanes.
#[track_caller]
pub fn shuffle_up<T: Shuffled>(value: V<T>, by: impl IntoV<u32>) -> V<T> {
    pass(Shuffle::Up, value, by)
}

/// The value of the lane `by` above this one; this lane's own in the last `by` lanes.
#[track_caller]
pub fn shuffle_down<T: Shuffled>(value: V<T>, by: impl IntoV<u32>) -> V<T> {
    pass(Shuffle::Down, value, by)
}

/// The value of the lane whose number differs from this one's in the bits of `bits`.
#[track_caller]
pub fn shuffle_xor<T: Shuffled>(value: V<T>, bits: impl IntoV<u32>) -> V<T> {
    pass(Shuffle::Xor, value, bits)
}
