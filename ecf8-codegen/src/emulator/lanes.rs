//! Arithmetic on the 32 lanes of a warp at once, and masks of threads.

use crate::ir::{self, BinaryOp, Shuffle, Ty, UnaryOp};

/// Threads of a warp.
pub(super) const LANES: usize = 32;

/// Warps of the largest block.
pub(super) const MAX_WARPS: usize = 32;

/// One value in each lane of a warp.
pub(super) type Lanes = [u64; LANES];

/// A set of threads of a block: a bit per lane, a word per warp.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mask(pub(super) [u32; MAX_WARPS]);

impl Mask {
    pub(super) const EMPTY: Self = Self([0; MAX_WARPS]);

    /// The first `threads` threads.
    pub(super) fn first(threads: usize) -> Self {
        let mut words = [0; MAX_WARPS];
        for (warp, word) in words.iter_mut().enumerate() {
            let lanes = threads.saturating_sub(warp * LANES).min(LANES);
            *word = if lanes == LANES { u32::MAX } else { (1 << lanes) - 1 };
        }
        Self(words)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    pub(super) fn count(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    fn zip(self, other: Self, f: impl Fn(u32, u32) -> u32) -> Self {
        let mut words = self.0;
        for (word, &with) in words.iter_mut().zip(&other.0) {
            *word = f(*word, with);
        }
        Self(words)
    }

    pub(super) fn or(self, other: Self) -> Self {
        self.zip(other, |a, b| a | b)
    }

    pub(super) fn without(self, other: Self) -> Self {
        self.zip(other, |a, b| a & !b)
    }

    /// The lowest thread in the set.
    pub(super) fn first_thread(&self) -> Option<usize> {
        let warp = self.0.iter().position(|&word| word != 0)?;
        Some(warp * LANES + self.0[warp].trailing_zeros() as usize)
    }
}

/// The lanes of a word that are set.
#[inline]
pub(super) fn active(mut word: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        if word == 0 {
            return None;
        }
        let lane = word.trailing_zeros() as usize;
        word &= word - 1;
        Some(lane)
    })
}

/// The word whose bits say in which lanes the value is not zero.
#[inline]
pub(super) fn truth(lanes: &Lanes) -> u32 {
    lanes.iter().enumerate().fold(0, |word, (lane, &x)| word | (u32::from(x != 0) << lane))
}

#[inline]
fn map2(a: &Lanes, b: &Lanes, f: impl Fn(u64, u64) -> u64) -> Lanes {
    let mut out = [0; LANES];
    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
        *out = f(a, b);
    }
    out
}

/// `a op b` in every lane. Where it has no value the result is 0; whether such a lane is active is the caller's
/// business, see [`has_no_value`].
pub(super) fn binary(ty: Ty, op: BinaryOp, a: &Lanes, b: &Lanes) -> Lanes {
    // One loop per operation and kind of type, so that each is compiled to vector instructions.
    macro_rules! dispatch {
        ($($op:ident)*) => {
            match (op, ty) {
                $(
                    (BinaryOp::$op, Ty::U32) => map2(a, b, |a, b| ir::binary(Ty::U32, BinaryOp::$op, a, b).unwrap_or(0)),
                    (BinaryOp::$op, Ty::U64) => map2(a, b, |a, b| ir::binary(Ty::U64, BinaryOp::$op, a, b).unwrap_or(0)),
                    (BinaryOp::$op, _) => map2(a, b, |a, b| ir::binary(ty, BinaryOp::$op, a, b).unwrap_or(0)),
                )*
            }
        };
    }
    dispatch!(Add Sub Mul Div Rem And Or Xor Shl Shr Min Max Eq Ne Lt Le Gt Ge)
}

/// The first active lane in which `a op b` has no value.
pub(super) fn has_no_value(ty: Ty, op: BinaryOp, a: &Lanes, b: &Lanes, word: u32) -> Option<usize> {
    let bad = match op {
        BinaryOp::Shl | BinaryOp::Shr => {
            let bits = u64::from(ty.bits());
            b.iter().enumerate().fold(0, |bad, (lane, &amount)| bad | (u32::from(amount >= bits) << lane))
        }
        BinaryOp::Div | BinaryOp::Rem => active(word)
            .fold(0, |bad, lane| bad | (u32::from(ir::binary(ty, op, a[lane], b[lane]).is_none()) << lane)),
        _ => return None,
    };
    active(bad & word).next()
}

/// `op a` in every lane.
pub(super) fn unary(ty: Ty, op: UnaryOp, a: &Lanes) -> Lanes {
    a.map(|x| ir::unary(ty, op, x))
}

/// The conversion of every lane.
pub(super) fn cast(from: Ty, to: Ty, a: &Lanes) -> Lanes {
    match (from, to) {
        (Ty::I32, Ty::U64) | (_, Ty::Bool) => a.map(|x| ir::cast(from, to, x)),
        _ => a.map(|x| x & to.mask()),
    }
}

/// `then` where `condition` holds, `otherwise` elsewhere.
pub(super) fn select(condition: &Lanes, then: &Lanes, otherwise: &Lanes) -> Lanes {
    let mut out = *otherwise;
    for ((out, &then), &condition) in out.iter_mut().zip(then).zip(condition) {
        *out = if condition != 0 { then } else { *out };
    }
    out
}

/// What each lane gets when all pass `value` and ask for `lane`.
pub(super) fn shuffle(how: Shuffle, value: &Lanes, lane: &Lanes) -> Lanes {
    std::array::from_fn(|own| {
        let asked = lane[own];
        let from = match how {
            Shuffle::Index => Some(asked % LANES as u64),
            Shuffle::Up => (own as u64).checked_sub(asked),
            Shuffle::Down => (own as u64).checked_add(asked),
            Shuffle::Xor => Some(own as u64 ^ asked),
        };
        let from = from.and_then(|lane| usize::try_from(lane).ok()).filter(|&lane| lane < LANES);
        value[from.unwrap_or(own)]
    })
}

/// `new` in the lanes of `word`, `old` in the others.
#[inline]
pub(super) fn blend(old: &mut Lanes, new: &Lanes, word: u32) {
    if word == u32::MAX {
        *old = *new;
        return;
    }
    for (lane, (old, &new)) in old.iter_mut().zip(new).enumerate() {
        *old = if word >> lane & 1 != 0 { new } else { *old };
    }
}
