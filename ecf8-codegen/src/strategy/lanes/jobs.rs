//! What a launch decodes: a table of jobs, one per tensor, over one buffer that holds the parts of all of them.
//!
//! Blocks are numbered through the jobs, so one launch decodes a layer. A block finds its job in a list.

use super::join::Join;
use super::units::{ACCESS, BATCH, VECTOR};
use crate::lang::{Global, IntoV, V, WARP, device};

/// 64-bit words of a job for numbers of one byte. Others have the least exponent and a word for each plane, too.
const JOB_WORDS: u32 = 8;

/// 64-bit words of a job: an even number of them, so that two can be loaded at once.
fn job_words(join: Join) -> u32 {
    let of_dictionary = if join.has_dictionary() { 2 } else { 0 };
    if join.planes() == 0 {
        JOB_WORDS
    } else {
        (JOB_WORDS + 1 + join.planes() + of_dictionary).next_multiple_of(2)
    }
}

/// Set in the word of a plane that is the same byte in all numbers: all vectors read the same 16 bytes.
const CONSTANT: u64 = 1 << 63;

/// Where the exponents of two 16-bit numbers are in a word. It comes with the job, because a compiler that knows it
/// makes two instructions of a selection of bits by it, and else one.
const EXPONENTS: u32 = 0x7f80_7f80;

/// Bytes that [`Job::positions`] counts in: those of 16 lanes.
pub(super) const POSITIONS: u32 = 32;

/// A tensor to decode, as a block sees it.
#[derive(Clone)]
pub(in super::super) struct Job {
    /// Where the positions of chunk 0 would start, in units of 32 bytes, if it were cut; modulo 2^32.
    pub(super) positions: V<u32>,
    /// Elements of one lane in a whole chunk.
    pub(super) elements_per_lane: V<u32>,
    /// Elements of the tensor.
    pub(in super::super) elements: V<u64>,
    /// Where the parts start: rows in vectors of 16 bytes, tails in words, chunks in 64-bit words, packed in vectors of
    /// 8 bytes.
    pub(super) rows: V<u64>,
    pub(super) tails: V<u64>,
    pub(super) chunks: V<u64>,
    pub(super) packed: V<u64>,
    /// Where the tensor goes, in vectors of 16 bytes.
    pub(in super::super) output: V<u64>,
    /// The exponent that the field 0 stands for, in each byte of a word; 0 where fields are no exponents of eight bits.
    pub(in super::super) least: V<u32>,
    /// Where the exponents of two 16-bit numbers are in a word: [`EXPONENTS`], where there are any.
    pub(in super::super) exponents: V<u32>,
    /// Where the dictionary starts, in numbers, and the place of its last entry; 0 where there is none.
    pub(super) dictionary: V<u64>,
    pub(super) last_entry: V<u32>,
    /// The most significant plane first.
    planes: Vec<PlaneOf>,
}

/// Where a plane starts, in vectors of 16 bytes, and how many of these it is from one vector of numbers to the next: 1,
/// or 0 for a plane that is the same in all numbers.
#[derive(Clone, Copy)]
struct PlaneOf {
    first: V<u64>,
    step: V<u32>,
}

impl Job {
    /// Where 16 numbers' bytes of a plane are, in vectors of 16 bytes.
    #[device]
    pub(super) fn plane(&self, number: u32, vector: V<u64>) -> V<u64> {
        let plane = self.planes[number as usize];
        // A tensor has fewer than 2^32 vectors of numbers. The product and the sum are one instruction.
        plane.first + ((vector as u32) as u64) * (plane.step as u64)
    }
}

/// Where the decode table of a job starts, in vectors of 16 bytes.
#[device]
pub(in super::super) fn table_of(join: Join, jobs: Global<u64>, job: V<u32>) -> V<u64> {
    jobs[job * job_words(join) + 7]
}

/// Reads a block's job.
#[device]
pub(in super::super) fn open_job(join: Join, jobs: Global<u64>, job: V<u32>) -> Job {
    let first = job * (job_words(join) / 2);
    let geometry = jobs.load2(first);
    let streams = jobs.load2(first + 1);
    let places = jobs.load2(first + 2);
    let output = jobs[job * job_words(join) + 6];
    let positions = geometry[0] as u32;
    let elements_per_lane = (geometry[0] >> 32) as u32;
    let of_exponents =
        if join.planes() > 0 { jobs[job * job_words(join) + JOB_WORDS] } else { 0u64.into_v() };
    let least = of_exponents as u32;
    let exponents = (of_exponents >> 32) as u32;
    let planes =
        (0..join.planes()).map(|plane| open_plane(jobs[job * job_words(join) + JOB_WORDS + 1 + plane]));
    let after_planes = job * job_words(join) + JOB_WORDS + 1 + join.planes();
    let dictionary = if join.has_dictionary() { jobs[after_planes] } else { 0u64.into_v() };
    let last_entry = if join.has_dictionary() { jobs[after_planes + 1] as u32 } else { 0u32.into_v() };
    Job {
        positions,
        elements_per_lane,
        elements: geometry[1],
        rows: streams[0],
        tails: streams[1],
        chunks: places[0],
        packed: places[1],
        output,
        least,
        exponents,
        dictionary,
        last_entry,
        planes: planes.collect(),
    }
}

/// A plane from its word.
#[device]
fn open_plane(word: V<u64>) -> PlaneOf {
    PlaneOf { first: word & (CONSTANT - 1), step: ((word >> 63) as u32) ^ 1 }
}

/// A job as a launch passes it. Offsets are in bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct JobRecord {
    /// As [`Job::positions`], but in its units.
    pub(super) positions: u32,
    pub(super) elements_per_lane: u32,
    pub(super) elements: u64,
    pub(super) rows: u64,
    pub(super) tails: u64,
    pub(super) chunks: u64,
    pub(super) packed: u64,
    pub(super) table: u64,
    pub(super) output: u64,
    pub(super) least_exponent: u8,
    pub(super) planes: Vec<PlaneRecord>,
    pub(super) dictionary: Option<DictionaryRecord>,
}

/// Where a dictionary is.
#[derive(Debug, Clone, Copy)]
pub(super) struct DictionaryRecord {
    /// Its first byte.
    pub(super) at: u64,
    /// Its entries, one at least.
    pub(super) entries: u64,
}

/// Where a plane is.
#[derive(Debug, Clone, Copy)]
pub(super) enum PlaneRecord {
    /// A byte for each number.
    Each(u64),
    /// Sixteen bytes for all.
    Same(u64),
}

impl JobRecord {
    /// The job of some of its elements: whole chunks from element `first` on, which is a multiple of 512 numbers. Positions
    /// and table are not set.
    pub(super) fn part(&self, join: Join, first: u64, elements: u64) -> Self {
        let plane = |plane: &PlaneRecord| match plane {
            PlaneRecord::Each(at) => PlaneRecord::Each(at + first),
            PlaneRecord::Same(at) => PlaneRecord::Same(*at),
        };
        Self {
            elements,
            chunks: self.chunks + 8 * (first / (u64::from(self.elements_per_lane) * u64::from(WARP)).max(1)),
            // Planes have places of their own.
            packed: self.packed
                + if join.planes() == 0 { first / 16 * u64::from(join.packed_bytes()) } else { 0 },
            output: self.output + first * u64::from(join.bytes()),
            planes: self.planes.iter().map(plane).collect(),
            ..self.clone()
        }
    }

    /// In the units that the kernel counts in.
    pub(super) fn words(&self, join: Join) -> Vec<u64> {
        let mut words = vec![
            u64::from(self.elements_per_lane) << 32 | u64::from(self.positions),
            self.elements,
            self.rows / (4 * u64::from(BATCH)),
            self.tails / 4,
            self.chunks / 8,
            self.packed / 8,
            self.output / u64::from(ACCESS),
            self.table / 16,
        ];
        if join.planes() > 0 {
            words.push((u64::from(EXPONENTS) << 32) | (u64::from(self.least_exponent) * 0x0101_0101));
            words.extend(self.planes.iter().map(|plane| match plane {
                PlaneRecord::Each(at) => at / u64::from(ACCESS),
                PlaneRecord::Same(at) => (at / u64::from(ACCESS)) | CONSTANT,
            }));
            if let Some(DictionaryRecord { at, entries }) = self.dictionary {
                words.extend([at / u64::from(join.bytes()), entries.saturating_sub(1)]);
            }
            words.resize(job_words(join) as usize, 0);
        }
        words
    }
}

/// Vectors of a chunk.
#[device]
pub(in super::super) fn vectors_per_chunk(job: &Job) -> V<u32> {
    job.elements_per_lane * (WARP / VECTOR)
}
