//! The two words of a lane that its next bits are in, held while they are needed.

use super::column::{Column, POSITION};
use super::units::WORD;
use crate::lang::{Global, IntoV, V, Var, WARP, device, funnel_left, rt};

/// The words that the bits from a position on are in.
#[derive(Clone, Copy)]
pub(super) struct Held {
    high: Var<u32>,
    low: Var<u32>,
    /// The position that they are held for.
    position: Var<u32>,
    /// Where the lower one is in the rows, as long as it is in them.
    place: Var<u32>,
}

/// From where the next word comes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// From the rows, where it surely is.
    Rows,
    /// From rows or tail, if it is there at all.
    Anywhere,
}

/// Loads a lane's first two words.
#[device]
pub(super) fn hold_first(pages: Global<u32>, column: &Column) -> Held {
    let first = pages[column.place_or_last(0u32.into_v())];
    let second = pages[column.place_or_last(1u32.into_v())];
    Held {
        high: rt::declare("high", first),
        low: rt::declare("low", second),
        position: rt::declare("held_position", 0u32),
        place: rt::declare("low_place", column.first + WARP),
    }
}

impl Held {
    /// The 32 bits from `here` on, which is less than 32 bits after the position before.
    #[device]
    pub(super) fn window(&self, pages: Global<u32>, column: &Column, next: Next, here: V<u32>) -> V<u32> {
        // So the two positions are in the same word, or in neighbouring ones, which differ in this bit.
        if (here ^ self.position.get()) & WORD != 0 {
            self.high.set(self.low.get());
            match next {
                Next::Rows => {
                    let place = self.place.get() + WARP;
                    self.place.set(place);
                    self.low.set(pages[place]);
                }
                Next::Anywhere => {
                    let number = (here & POSITION) / WORD + 1;
                    self.low.set(pages[column.place_or_last(number)]);
                }
            }
        }
        self.position.set(here);
        funnel_left(self.high.get(), self.low.get(), here)
    }
}
