//! A launch played through: which blocks are on which multiprocessor when, and what holds them up.
//!
//! Blocks go to the multiprocessors in order, to the emptiest first, as many to each as fit; where one ends, the next starts.
//! A block alone takes its chain of dependent instructions. Warps of a multiprocessor wait for each other where they ask for
//! the same thing: the longer, the busier it is; and all are slowed down alike where memory gives less than they ask. So
//! waves, their tails, multiprocessors with few warps, and blocks of different sizes need no formula of their own.

/// What a multiprocessor has of its own, in the order of [`Work::busy`], then what all share, then what nobody else has.
pub(super) const LIMITS: usize = PIPES + 2;
/// Things that a multiprocessor has of its own.
pub(super) const PIPES: usize = 3;

/// What a block needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work {
    /// Warps that share the work, one at least.
    pub(super) warps: f64,
    /// Cycles that it takes alone.
    pub(super) chain: f64,
    /// Cycles that it keeps each of a multiprocessor's own things busy.
    pub(super) busy: [f64; PIPES],
    /// Bytes that it moves to and from memory.
    pub(super) bytes: f64,
}

/// What the blocks run on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Machine {
    pub(super) multiprocessors: usize,
    /// Blocks that fit on each.
    pub(super) resident: usize,
    /// Of memory, for all together.
    pub(super) bytes_per_cycle: f64,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Played {
    pub(super) cycles: f64,
    /// For how many cycles each of a multiprocessor's things, memory and at last a block's own chain was what held blocks up.
    pub(super) held_up_by: [f64; LIMITS],
}

/// A block on a multiprocessor.
struct Running<'w> {
    work: &'w Work,
    /// The part of it that is left to do.
    left: f64,
}

/// What of a block may be left when it counts as done.
const DONE: f64 = 1e-9;

/// Plays `blocks` through, in order.
pub(super) fn play<'w>(machine: &Machine, blocks: impl Iterator<Item = &'w Work>) -> Played {
    let mut blocks = blocks.peekable();
    let mut running: Vec<Vec<Running<'w>>> = (0..machine.multiprocessors).map(|_| Vec::new()).collect();
    let mut played = Played { cycles: 0.0, held_up_by: [0.0; LIMITS] };
    loop {
        start(machine.resident, &mut blocks, &mut running);
        let slowed: Vec<(usize, f64)> = running.iter().map(|blocks| slowest(blocks)).collect();
        let asked: f64 = std::iter::zip(&running, &slowed)
            .map(|(blocks, (_, slower))| {
                speeds(blocks).map(|(work, speed)| work.bytes * speed).sum::<f64>() / slower
            })
            .sum();
        let by_memory = (asked / machine.bytes_per_cycle).max(1.0);
        let ends = std::iter::zip(&running, &slowed).flat_map(|(blocks, (_, slower))| {
            blocks.iter().map(move |block| block.left * block.work.chain * slower * by_memory)
        });
        let next = ends.fold(f64::INFINITY, f64::min);
        if next.is_infinite() {
            return played;
        }
        let all: usize = running.iter().map(Vec::len).sum();
        for (blocks, (limit, slower)) in std::iter::zip(&mut running, &slowed) {
            let limit = if by_memory > 1.0 { PIPES } else { *limit };
            played.held_up_by[limit] += next * blocks.len() as f64 / all as f64;
            for block in blocks.iter_mut() {
                block.left -= next / (block.work.chain * slower * by_memory);
            }
            blocks.retain(|block| block.left > DONE);
        }
        played.cycles += next;
    }
}

/// Starts blocks wherever there is room.
fn start<'w>(
    resident: usize,
    blocks: &mut std::iter::Peekable<impl Iterator<Item = &'w Work>>,
    running: &mut [Vec<Running<'w>>],
) {
    for level in 0..resident {
        for on_one in running.iter_mut().filter(|on_one| on_one.len() <= level) {
            let Some(work) = blocks.next() else { return };
            on_one.push(Running { work, left: 1.0 });
        }
        if blocks.peek().is_none() {
            return;
        }
    }
}

/// How much of itself each block does in a cycle if nothing holds it up.
fn speeds<'b>(blocks: &'b [Running<'_>]) -> impl Iterator<Item = (&'b Work, f64)> {
    blocks.iter().map(|block| (block.work, 1.0 / block.work.chain))
}

/// What holds the blocks of a multiprocessor up most, and how many times slower they are for waiting.
///
/// A queue with one server at which jobs come and take as long as chance will have it: behind one that is busy a part ρ of
/// the time, a job waits ρ / (1 - ρ) of what it takes itself. The slower all are, the less busy are the things they wait for,
/// so there is one slowness that makes the waiting that it says, above what the busiest thing needs.
fn slowest(blocks: &[Running<'_>]) -> (usize, f64) {
    let mut asked = [0.0; PIPES];
    for (work, speed) in speeds(blocks) {
        for (asked, busy) in asked.iter_mut().zip(work.busy) {
            *asked += busy * speed;
        }
    }
    let warps: f64 = blocks.iter().map(|block| block.work.warps).sum();
    let own = (LIMITS - 1, 1.0);
    let (limit, most) =
        asked.into_iter().enumerate().fold(own, |most, next| if next.1 > most.1 { next } else { most });
    // Nobody waits behind himself.
    let others = (warps - 1.0) / warps;
    let waiting = |slower: f64| -> f64 {
        let behind = |asked: &f64| others * asked / warps * asked / (slower - asked).max(f64::MIN_POSITIVE);
        asked.iter().map(behind).sum()
    };
    let (mut low, mut high) = (most, 2.0 * most + PIPES as f64);
    for _ in 0..HALVINGS {
        let middle = low.midpoint(high);
        if 1.0 + waiting(middle) > middle { low = middle } else { high = middle }
    }
    (limit, high)
}

/// Halvings of the range in which the slowness is looked for: to a thousandth of a percent.
const HALVINGS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: Machine = Machine { multiprocessors: 2, resident: 2, bytes_per_cycle: 10.0 };

    fn work(chain: f64, bytes: f64) -> Work {
        Work { warps: 4.0, chain, busy: [0.0; PIPES], bytes }
    }

    #[test]
    fn blocks_go_to_the_emptiest_multiprocessor_and_the_next_starts_where_one_ends() {
        let cycles = |chains: &[f64]| {
            let works: Vec<Work> = chains.iter().map(|&chain| work(chain, 0.0)).collect();
            play(&MACHINE, works.iter()).cycles.round()
        };
        assert_eq!(cycles(&[]), 0.0);
        assert_eq!(cycles(&[100.0; 4]), 100.0);
        assert_eq!(cycles(&[100.0; 5]), 200.0);
        assert_eq!(cycles(&[100.0, 50.0, 100.0, 100.0, 50.0]), 100.0);
        // The longest last is a tail, which it is not when it comes first.
        assert_eq!(cycles(&[50.0, 50.0, 50.0, 50.0, 100.0]), 150.0);
        assert_eq!(cycles(&[100.0, 50.0, 50.0, 50.0, 50.0]), 100.0);
    }

    #[test]
    fn memory_is_shared_by_all_and_a_pipe_by_those_of_a_multiprocessor() {
        let bytes = play(&MACHINE, [work(10.0, 500.0); 4].iter());
        assert_eq!((bytes.cycles.round(), bytes.held_up_by[PIPES].round()), (200.0, 200.0));
        let busy = [Work { busy: [90.0, 0.0, 0.0], ..work(100.0, 0.0) }; 3];
        // Two share one pipe for 180 cycles and a little; the third has one for itself.
        let cycles = [1, 3].map(|blocks| play(&MACHINE, busy[..blocks].iter()).cycles);
        assert!(cycles[0] > 100.0 && cycles[0] < 200.0, "{cycles:?}");
        assert!(cycles[1] > 180.0 && cycles[1] < 260.0, "{cycles:?}");
    }
}
