//! The kernel. A warp takes 32 blocks of a tensor: numbers of all of them one beside the other where every number is told, and a block to
//! each lane where only numbers that have changed are.

use super::arrange::JOB_WORDS;
use crate::ir::{BuildErrors, Kernel};
use crate::lang::{
    Global, GlobalMut, V, WARP, block_idx, device, kernel, lane_idx, shuffle_up, sync_warp, warp_idx,
};
use ecf8_core::transform::{BLOCK, Form, Transform, Xor};

/// Warps of a block, which have nothing to do with each other.
pub(super) const WARPS: u32 = 8;

/// Numbers of a block of a tensor.
#[expect(clippy::cast_possible_truncation, reason = "128")]
const BLOCK_NUMBERS: u32 = BLOCK as u32;

/// How a tensor is told, as a kernel knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApplyForm {
    /// Bytes of a number: 1, 2 or 4.
    width: u32,
    is_xor: bool,
    is_sparse: bool,
}

impl ApplyForm {
    /// The form, unless its numbers have eight bytes, which weights have not.
    #[must_use]
    pub fn of(form: &Form) -> Option<Self> {
        let width = u32::try_from(form.width).ok().filter(|width| *width <= 4)?;
        Some(Self { width, is_xor: form.transform.name() == Xor.name(), is_sparse: form.is_sparse })
    }

    /// Bytes of a number.
    #[must_use]
    pub fn width(self) -> u32 {
        self.width
    }

    /// Whether only numbers that have changed are told.
    #[must_use]
    pub fn is_sparse(self) -> bool {
        self.is_sparse
    }

    /// What jobs of this form have in their first word.
    pub(super) fn code(self) -> u32 {
        self.width | u32::from(self.is_xor) << 4 | u32::from(self.is_sparse) << 5
    }
}

/// A kernel for some forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyKernel {
    forms: Vec<ApplyForm>,
}

impl ApplyKernel {
    /// For tensors of these forms.
    #[must_use]
    pub fn new(mut forms: Vec<ApplyForm>) -> Self {
        forms.sort_unstable();
        forms.dedup();
        Self { forms }
    }

    /// The kernel.
    ///
    /// # Errors
    /// If it cannot be built: a mistake in it.
    pub fn kernel(&self) -> Result<Kernel, BuildErrors> {
        let mut kernel = delta_apply(self)?;
        let describe = |form: &ApplyForm| {
            let by = if form.is_xor { "xor" } else { "difference" };
            let sparse = if form.is_sparse { ", sparse" } else { "" };
            format!("{} bytes by {by}{sparse}", form.width)
        };
        let forms: Vec<String> = self.forms.iter().map(describe).collect();
        kernel.header.push(("numbers".to_owned(), forms.join("; ")));
        Ok(kernel)
    }
}

/// Brings tensors to a later state: `output` is `base`, changed as `streams` say.
#[kernel(threads = WARPS * WARP)]
fn delta_apply(
    k: &ApplyKernel,
    streams: Global<u8>,
    base: Global<u8>,
    jobs: Global<u64>,
    task_jobs: Global<u32>,
    starts: Global<u32>,
    output: GlobalMut<u8>,
    tasks: V<u32>,
) {
    let task = block_idx() * WARPS + warp_idx();
    if task < tasks {
        /// The tensor of which this warp has a part.
        let job = task_jobs[task];
        let what = jobs[job * JOB_WORDS];
        let form = what as u32;
        let own = task - ((what >> 32) as u32);
        for known in k.forms.iter().copied() {
            if form == known.code() {
                let memories = Memories { streams, base, output };
                let part = open(known, jobs, job, own);
                if known.is_sparse {
                    changed(known, memories, starts, &part);
                } else {
                    all(known, memories, &part);
                }
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Memories {
    streams: Global<u8>,
    base: Global<u8>,
    output: GlobalMut<u8>,
}

/// A warp's part of a tensor.
#[derive(Clone)]
struct Part {
    /// Numbers of the tensor.
    numbers: V<u32>,
    /// The first that is this warp's.
    first: V<u32>,
    /// Where the tensor starts in the base and in the output, in numbers.
    base: V<u64>,
    output: V<u64>,
    /// Where its planes start.
    planes: Vec<V<u64>>,
    counts: V<u64>,
    places: V<u64>,
    /// How many places, and how many numbers that have changed.
    place_count: V<u32>,
    value_count: V<u32>,
    /// Where its pairs of starts begin, of which this warp has one.
    start: V<u32>,
}

#[device]
fn open(form: ApplyForm, jobs: Global<u64>, job: V<u32>, own: V<u32>) -> Part {
    let at = job * JOB_WORDS;
    let totals = jobs[at + 6];
    let about = jobs[at + 1];
    let planes = (0..form.width).map(|plane| jobs[at + 8 + plane]);
    Part {
        numbers: about as u32,
        first: own * (WARP * BLOCK_NUMBERS),
        base: jobs[at + 2],
        output: jobs[at + 3],
        planes: planes.collect(),
        counts: jobs[at + 4],
        places: jobs[at + 5],
        place_count: totals as u32,
        value_count: (totals >> 32) as u32,
        start: ((about >> 32) as u32) + own * 2,
    }
}

/// What is told of a number: its planes put together.
#[device]
fn told(form: ApplyForm, streams: Global<u8>, part: &Part, number: V<u32>) -> V<u32> {
    let number = number as u64;
    let mut told = streams[part.planes[0] + number] as u32;
    for plane in 1..form.width {
        told = (told << 8) | (streams[part.planes[plane as usize] + number] as u32);
    }
    told
}

/// A number of the base, and, where something is told, what it has become.
#[device]
fn write(form: ApplyForm, memories: Memories, part: &Part, number: V<u32>, told: Option<V<u32>>) {
    let (from, to) = (part.base + (number as u64), part.output + (number as u64));
    let before = match form.width {
        1 => memories.base[from] as u32,
        2 => memories.base.view::<u16>()[from] as u32,
        _ => memories.base.view::<u32>()[from],
    };
    let now = match told {
        None => before,
        Some(told) if form.is_xor => before ^ told,
        Some(told) => before + ((told >> 1) ^ (0 - (told & 1))),
    };
    match form.width {
        1 => memories.output[to] = now as u8,
        2 => memories.output.view::<u16>()[to] = now as u16,
        _ => memories.output.view::<u32>()[to] = now,
    }
}

/// All numbers are told.
#[device]
fn all(form: ApplyForm, memories: Memories, part: &Part) {
    let end = part.numbers.min(part.first + WARP * BLOCK_NUMBERS);
    for number in (part.first + lane_idx()..end).step_by(WARP) {
        let told = told(form, memories.streams, part, number);
        write(form, memories, part, number, Some(told));
    }
}

/// Numbers that have changed are told.
#[device]
fn changed(form: ApplyForm, memories: Memories, starts: Global<u32>, part: &Part) {
    let end = part.numbers.min(part.first + WARP * BLOCK_NUMBERS);
    for number in (part.first + lane_idx()..end).step_by(WARP) {
        write(form, memories, part, number, None);
    }
    /// What was copied is there before it is changed.
    sync_warp();

    let first = part.first + lane_idx() * BLOCK_NUMBERS;
    let mut own: u32 = 0;
    let mut count: u32 = 0;
    if first < part.numbers {
        own = (part.numbers - first).min(BLOCK_NUMBERS);
        count = (memories.streams[part.counts + ((first / BLOCK_NUMBERS) as u64)] as u32).min(own);
    }
    let is_whole = count == own;
    let listed = if is_whole { 0 } else { count };
    let place = starts[part.start] + before(listed);
    let value = starts[part.start + 1] + before(count);
    for i in 0_u32..count {
        let mut at: u32 = i;
        if !is_whole {
            at = own;
            if place + i < part.place_count {
                at = memories.streams[part.places + ((place + i) as u64)] as u32;
            }
        }
        if at < own && value + i < part.value_count {
            let told = told(form, memories.streams, part, value + i);
            write(form, memories, part, first + at, Some(told));
        }
    }
}

/// The sum of the values of the lanes before this one.
#[device]
fn before(value: V<u32>) -> V<u32> {
    let mut sum = value;
    for step in 0..5 {
        let below = shuffle_up(sum, 1u32 << step);
        if lane_idx() >= 1u32 << step {
            sum += below;
        }
    }
    sum - value
}
