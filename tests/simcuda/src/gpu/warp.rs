//! What the lanes of a warp do together.

use super::Fault;
use super::block::{Block, Lane, Stop};
use crate::ptx::{Op, Register, Shuffle, Source, Vote};

impl Block<'_> {
    /// If all lanes of a warp that the mask at a thread's `.sync` instruction names have come, does what they came for and
    /// lets them go on.
    pub(super) fn meet(&mut self, thread: usize) -> Result<(), Fault> {
        let first = thread / 32 * 32;
        let lanes = first..self.lanes.len().min(first + 32);
        let at = self.lanes[thread].at;
        let Some(op) = self.kernel.code.get(at).map(|instruction| instruction.op) else { return Ok(()) };
        let (Op::WarpSync { mask } | Op::Shuffle { mask, .. } | Op::Vote { mask, .. }) = op else {
            return Ok(());
        };
        let mask = self.value(thread, mask);
        let named = |lane: usize| mask >> (lane - first) & 1 == 1;
        if !lanes.clone().all(named) {
            return Err(
                self.place(Fault::undefined("a mask without all lanes, which is not simulated"), thread)
            );
        }
        for lane in lanes.clone() {
            let Lane { at: other, state } = self.lanes[lane];
            match state {
                Stop::Done => {
                    return Err(self.place(
                        Fault::undefined("a wait for lanes that do not come: one has exited"),
                        thread,
                    ));
                }
                Stop::AtWarp if other != at => {
                    return Err(
                        self.place(Fault::undefined("lanes meet at different .sync instructions"), lane)
                    );
                }
                Stop::AtWarp => {}
                Stop::Interrupted | Stop::AtBarrier => return Ok(()),
            }
        }
        match op {
            Op::Shuffle { how, to, is_inside, value, by, limit, .. } => {
                self.shuffle(first, lanes.len(), how, (to, is_inside), (value, by, limit));
            }
            Op::Vote { how, to, value, is_negated, .. } => {
                let yes = |lane: &usize| (self.register(*lane, value) != 0) != is_negated;
                let ballot =
                    lanes.clone().filter(yes).fold(0, |ballot, lane| ballot | 1_u64 << (lane - first));
                let all = (1 << lanes.len()) - 1;
                let result = match how {
                    Vote::Ballot => ballot,
                    Vote::Any => u64::from(ballot != 0),
                    Vote::All => u64::from(ballot == all),
                    Vote::Uniform => u64::from(ballot == all || ballot == 0),
                };
                lanes.clone().for_each(|lane| self.set(lane, to, result));
            }
            // Only this orders memory: PTX promises it of no other of them.
            _ => self.phases[first / 32] = self.clock.phase()?,
        }
        for lane in lanes {
            self.lanes[lane] = Lane { at: at + 1, state: Stop::Interrupted };
            self.ready.push(lane);
        }
        Ok(())
    }

    fn shuffle(
        &mut self,
        first: usize,
        count: usize,
        how: Shuffle,
        (to, is_inside): (Register, Register),
        (value, by, limit): (Source, Source, Source),
    ) {
        let mut results = [(0, false); 32];
        for (lane, result) in results.iter_mut().enumerate().take(count) {
            let small = |source| i64::try_from(self.value(first + lane, source) & 0x1f1f).unwrap_or(0);
            let (own, by, limit) = (i64::try_from(lane).unwrap_or(0), small(by) & 31, small(limit));
            // The upper digits of the limit are the bits in which the lanes of a segment agree.
            let (segment, clamp) = (limit >> 8, limit & 31);
            let (least, most) = (own & segment, own & segment | clamp & !segment);
            let (from, is_inside) = match how {
                Shuffle::Up => (own - by, own - by >= most),
                Shuffle::Down => (own + by, own + by <= most),
                Shuffle::Butterfly => (own ^ by, own ^ by <= most),
                Shuffle::Index => (least | by & !segment, least | by & !segment <= most),
            };
            let from = if is_inside { usize::try_from(from).unwrap_or(lane) } else { lane };
            *result = (self.value(first + from.min(count - 1), value), is_inside);
        }
        for (lane, (value, inside)) in results.into_iter().enumerate().take(count) {
            self.set(first + lane, to, value);
            self.set(first + lane, is_inside, u64::from(inside));
        }
    }
}
