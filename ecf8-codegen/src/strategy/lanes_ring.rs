//! `lanes-quad`, `lanes-triple`, `lanes-pair`, `lanes-pair6`, `lanes-byte`, `lanes-two-bytes`, `lanes-ans`: decode a scheme of layout
//! `lanes` once, from front to back, a chunk per warp, one symbol per look-up, or two. What a symbol is makes the difference, and how numbers are put
//! together from fields.

use super::lanes::arguments::{self, Block};
use super::lanes::blocks::{Section, Unit, open_block};
use super::lanes::columns::{Columns, Waiting, open_rows};
use super::lanes::jobs::{Job, open_job, table_of};
use super::lanes::join::Join;
use super::lanes::patches::put_right;
use super::lanes::raw::Raw;
use super::lanes::table::{LanesTable, PerEntry, Placement, copy_table, entries, index_bits};
use super::lanes::tail::{entries_of, open_tail};
use super::lanes::units::{VECTOR, vectors};
use super::lanes::vector::{assemble, look_up_turn, reach};
use super::{Coding, DecodeStrategy, Describe, Gather, Inlined, Launch, StrategyError, Tunables};
use crate::ir::Kernel;
use crate::lang::{
    Global, GlobalMut, Shared, V, Var, WARP, ballot, barrier, device, dynamic_shared, kernel, lane_idx, rt,
    warp_idx,
};
use crate::sink::{OpenSink, Sink};
use ecf8_core::symbols::{
    BYTE as BYTES, PAIR as PAIRS, PAIR6 as PAIRS6, QUAD as QUADS, SymbolKind, TRIPLE as TRIPLES,
};
use ecf8_core::{Codebook, Encoded};
use std::fmt::Debug;
use std::marker::PhantomData;

/// What a GPU may like differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Tunables)]
pub(super) struct LanesRing {
    /// Warps in a block, which share a decode table.
    #[tunable(values = [4, 8, 16], default = 16)]
    pub(super) warps_per_block: u32,
    /// Where the decode table comes from.
    #[tunable(values = [Placement::Inlined, Placement::Argument], default = Placement::Argument)]
    pub(super) table: Placement,
    /// How many warps the GPU is thought to run at once: the chunks that are left for a last, unfilled round of them are shared
    /// by several warps each. 1: no chunk is shared. An H100 and an H200 run 4,224, but the last block of each tensor is not full.
    #[tunable(values = [1, 4096, 16384], default = 4096)]
    pub(super) warps_at_once: u32,
}

/// What a GPU may like differently where entries are for two bytes. The tables are large, so there are many warps to share them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Tunables)]
pub(super) struct TwoToAnEntry {
    /// Warps in a block, which share the decode tables. 16 at most decode numbers of eight bytes.
    #[tunable(values = [8, 16, 32], default = 32)]
    pub(super) warps_per_block: u32,
    /// Where the decode tables come from.
    #[tunable(values = [Placement::Inlined, Placement::Argument], default = Placement::Argument)]
    pub(super) table: Placement,
    /// How many warps the GPU is thought to run at once, as for the other strategies.
    #[tunable(values = [1, 4096, 16384], default = 4096)]
    pub(super) warps_at_once: u32,
}

/// What a GPU may like differently where entries are for states. A lane keeps a register more than for codewords, so with a
/// table that is compiled in, kernels for sm_120 spill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Tunables)]
pub(super) struct OfStates {
    /// Warps in a block, which share a decode table.
    #[tunable(values = [4, 8, 16], default = 16)]
    pub(super) warps_per_block: u32,
    /// Where the decode table comes from.
    #[tunable(values = [Placement::Argument], default = Placement::Argument)]
    pub(super) table: Placement,
    /// How many warps the GPU is thought to run at once, as for the other strategies.
    #[tunable(values = [1, 4096, 16384], default = 4096)]
    pub(super) warps_at_once: u32,
}

impl From<OfStates> for LanesRing {
    fn from(tunables: OfStates) -> Self {
        let OfStates { warps_per_block, table, warps_at_once } = tunables;
        Self { warps_per_block, table, warps_at_once }
    }
}

impl From<TwoToAnEntry> for LanesRing {
    fn from(tunables: TwoToAnEntry) -> Self {
        let TwoToAnEntry { warps_per_block, table, warps_at_once } = tunables;
        Self { warps_per_block, table, warps_at_once }
    }
}

/// The strategy for one kind of symbol.
#[derive(Debug)]
pub(super) struct LanesRingStrategy<T = LanesRing> {
    name: &'static str,
    scheme: &'static [&'static str],
    kind: &'static SymbolKind,
    per_entry: PerEntry,
    tunables: PhantomData<fn() -> T>,
}

impl<T> LanesRingStrategy<T> {
    const fn new(
        name: &'static str,
        scheme: &'static [&'static str],
        kind: &'static SymbolKind,
        per_entry: PerEntry,
    ) -> Self {
        Self { name, scheme, kind, per_entry, tunables: PhantomData }
    }

    /// What a symbol is.
    #[cfg(test)]
    pub(super) fn kind(&self) -> &'static SymbolKind {
        self.kind
    }
}

/// Scheme `quad-lanes`.
pub(super) static QUAD: LanesRingStrategy =
    LanesRingStrategy::new("lanes-quad", &["quad-lanes"], &QUADS, PerEntry::One);

/// Scheme `triple-lanes`.
pub(super) static TRIPLE: LanesRingStrategy =
    LanesRingStrategy::new("lanes-triple", &["triple-lanes"], &TRIPLES, PerEntry::One);

/// Scheme `pair-lanes`.
pub(super) static PAIR: LanesRingStrategy =
    LanesRingStrategy::new("lanes-pair", &["pair-lanes"], &PAIRS, PerEntry::One);

/// Scheme `pair6-lanes`.
pub(super) static PAIR6: LanesRingStrategy =
    LanesRingStrategy::new("lanes-pair6", &["pair6-lanes"], &PAIRS6, PerEntry::One);

/// Scheme `byte-lanes`.
pub(super) static BYTE: LanesRingStrategy =
    LanesRingStrategy::new("lanes-byte", &["byte-lanes"], &BYTES, PerEntry::One);

/// Scheme `byte-lanes`, for GPUs with much shared memory.
pub(super) static TWO_BYTES: LanesRingStrategy<TwoToAnEntry> =
    LanesRingStrategy::new("lanes-two-bytes", &["byte-lanes"], &BYTES, PerEntry::Two);

/// Scheme `ans-lanes`.
pub(super) static ANS: LanesRingStrategy<OfStates> =
    LanesRingStrategy::new("lanes-ans", &["ans-lanes"], &BYTES, PerEntry::State);

impl<T: Debug> Describe for LanesRingStrategy<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        match self.per_entry {
            PerEntry::One => "one pass, a chunk per warp, words staged in shared memory, 16-byte stores",
            PerEntry::Two => {
                "the same, two bytes per look-up where their codewords are short: for much shared memory"
            }
            PerEntry::State => "the same, a byte per look-up, of the state to which the bits before it lead",
        }
    }

    fn schemes(&self) -> &'static [&'static str] {
        self.scheme
    }

    fn takes_several(&self) -> bool {
        true
    }

    fn launch_tunables(&self) -> &'static [&'static str] {
        &["warps_at_once"]
    }
}

impl<T: Tunables + Debug + Copy + Into<LanesRing>> DecodeStrategy for LanesRingStrategy<T> {
    type Tunables = T;

    fn kernel(&self, tunables: &T, coding: &Coding<'_>, sink: &dyn Sink) -> Result<Kernel, StrategyError> {
        let join = Join::of(coding.form(), self.kind);
        let ring = ring((*tunables).into(), join);
        Ok(lanes_ring(&ring, self.kind, self.per_entry, join, coding.codebook, sink)?)
    }

    fn inlined(&self, tunables: &T) -> Inlined {
        let LanesRing { table, .. } = (*tunables).into();
        table.inlined()
    }

    fn launch<'a>(
        &self,
        tunables: &T,
        batch: &[&'a Encoded<'a>],
    ) -> Result<Launch<Gather<'a>>, StrategyError> {
        arguments::launch(self.kind, batch, |join| {
            let ring = ring((*tunables).into(), join);
            Block {
                warps: ring.warps_per_block,
                table: ring.table,
                per_entry: self.per_entry,
                at_once: ring.warps_at_once,
            }
        })
    }
}

/// What the kernel for such numbers goes by.
fn ring(tunables: LanesRing, join: Join) -> LanesRing {
    // Sixteen numbers of eight bytes are 32 registers, and a thread of 32 warps has 64.
    let most = if join.bytes() == 8 { 16 } else { u32::MAX };
    LanesRing { warps_per_block: tunables.warps_per_block.min(most), ..tunables }
}

/// Decodes tensors of a `lanes` scheme, a chunk per warp.
#[kernel(threads = t.warps_per_block * WARP)]
fn lanes_ring(
    t: &LanesRing,
    kind: &SymbolKind,
    per_entry: PerEntry,
    join: Join,
    codebook: &Codebook,
    sink: &dyn Sink,
    model: Global<u32>,
    jobs: Global<u64>,
    blocks: Global<u64>,
    output: GlobalMut<u8>,
    ring_rows: V<u32>,
    units_per_block: V<u32>,
) {
    let sink = sink.open(output);
    let unit = open_block(blocks);
    let memory = dynamic_shared::<u32>();
    let bits = index_bits(codebook);
    let inlined = (t.table == Placement::Inlined).then(|| entries(kind, per_entry, join, codebook, bits));
    let decoder = copy_table(
        per_entry,
        inlined,
        bits,
        t.warps_per_block,
        model,
        table_of(join, jobs, unit.job),
        memory,
    );
    barrier();
    if warp_idx() >= units_per_block {
        return;
    }

    let job = open_job(join, jobs, unit.job);
    let warp = Warp { t, kind, join, decoder, model, blocks, job, sink: &*sink, memory, ring_rows };
    warp.decode(&unit);
}

/// What is left for the whole warp: twice the vectors, less one if the last is only part of one. A lane can work it out from what is
/// left for itself, but then it does so in every turn, twice where numbers are of several bytes. So there it is kept; a
/// kernel for single bytes would need a register too many (`lanes-triple` on sm_120).
struct LeftForWarp(Option<Var<i32>>);

impl LeftForWarp {
    #[track_caller]
    fn new(join: Join, left: V<u32>) -> Self {
        Self((join.bytes() > 1).then(|| rt::declare("left_for_warp", left.cast::<i32>())))
    }

    /// What is left, where `left` is left for this lane.
    #[device]
    fn of(&self, left: V<i32>) -> V<i32> {
        match self.0 {
            Some(kept) => kept.get(),
            None => ((left as u32) + 2 * lane_idx()) as i32,
        }
    }

    /// Takes off what a turn decodes.
    #[track_caller]
    fn less(&self, decoded: i32) {
        if let Some(kept) = self.0 {
            kept.set(kept.get() - decoded);
        }
    }
}

/// What a warp needs to decode chunks.
struct Warp<'a> {
    t: &'a LanesRing,
    kind: &'a SymbolKind,
    join: Join,
    decoder: LanesTable,
    model: Global<u32>,
    blocks: Global<u64>,
    job: Job,
    sink: &'a dyn OpenSink,
    /// Shared memory: the table, then the rings.
    memory: Shared<u32>,
    ring_rows: V<u32>,
}

impl Warp<'_> {
    /// Decodes a chunk or a section of one, if the tensor has it.
    #[device]
    fn decode(&self, unit: &Unit) {
        let section = unit.of_warp(&self.job);
        /// Vectors of the tensor, the first one to decode, and how many.
        let vectors = (self.job.elements + ((VECTOR - 1) as u64)) / (VECTOR as u64);
        let first = (section.chunk as u64) * (section.per_chunk as u64) + (section.first as u64);
        if first < vectors {
            let number = (vectors - first).min(section.vectors as u64) as u32;
            let is_last = first + (number as u64) == vectors;
            let last_is_part = is_last && (self.job.elements & ((VECTOR - 1) as u64)) != 0;
            let entries = entries_of(self.model, &self.job, section.chunk);
            let tail = open_tail(self.model, &self.job, entries, &section);
            let columns = open_rows(
                self.model,
                &self.job,
                entries,
                tail,
                self.memory,
                self.decoder.words(),
                self.t.warps_per_block,
                self.ring_rows,
            );
            self.vectors(&columns, &section, first, number, last_is_part);
            put_right(self.join, self.model, &tail, &self.job, self.sink);
        }
    }

    /// Whether a turn's numbers are stored before the next turn's planes are loaded. Memory is busy a little later then, but sixteen
    /// numbers of four bytes and their planes are 28 registers, which a codeword to a byte leaves no room for.
    fn stores_before_loading(&self) -> bool {
        self.kind.bits == 8 && self.join.bytes() == 4
    }

    /// Decodes the vectors of a section: `number` of them, from the `first` one on.
    #[device]
    fn vectors(
        &self,
        columns: &Columns,
        section: &Section,
        first: V<u64>,
        number: V<u32>,
        last_is_part: V<bool>,
    ) {
        let mut position: u32 = 0;
        let mut staged: u32 = 0;
        #[host]
        let state = self.decoder.open_state();
        section.find(self.model, &self.job, &self.decoder, &mut position, &mut staged, state);
        let waiting = Waiting::nothing();
        waiting.fetch(columns, staged);
        let mut taken: u32 = 0;
        let mut at = first + (lane_idx() as u64);
        /// Twice the vectors that the lane and those after it have left; one less if the last is only part of one.
        let left_in_chunk = 2 * number - (if last_is_part { 1u32 } else { 0u32 });
        let mut left = (left_in_chunk - 2 * lane_idx()) as i32;
        #[host]
        let left_for_warp = LeftForWarp::new(self.join, left_in_chunk);
        // Some kernels for sm_120 spill where ptxas wants few registers, as it does for blocks of four warps.
        #[host]
        let most = if self.t.warps_per_block > 4 { 2 } else { 1 };
        #[host]
        let raws = Raw::of_turns(most, self.kind, self.join, self.model, &self.job);
        let round = WARP * vectors(self.kind);
        for (turn, raw) in (0u32..).zip(&raws) {
            raw.fetch(at, round * turn, left);
        }
        #[host]
        let ahead = round * (raws.len() as u32);
        while left_for_warp.of(left) > 0 {
            for raw in &raws {
                let goes_on = left > 0;
                columns.stage(
                    goes_on,
                    position,
                    reach(self.kind, self.decoder.max_len()),
                    &mut staged,
                    &mut taken,
                    &waiting,
                );
                if goes_on {
                    let outputs =
                        look_up_turn(self.kind, self.join, &self.decoder, columns, &mut position, state);
                    let words: Vec<_> = (0..vectors(self.kind))
                        .map(|j| {
                            self.join.numbers(
                                &assemble(self.kind, self.join, &outputs, j),
                                &raw.words(at, j, left),
                                self.model,
                                &self.job,
                            )
                        })
                        .collect();
                    if !self.stores_before_loading() {
                        raw.fetch(at, ahead, left);
                    }
                    self.store_turn(&words, at, left, &left_for_warp);
                    if self.stores_before_loading() {
                        raw.fetch(at, ahead, left);
                    }
                }
                at += round as u64;
                left -= (2 * round) as i32;
                left_for_warp.less((2 * round) as i32);
            }
        }
        if self.sink.asks_for_ends() {
            self.tell_of_ends(columns, position, state.is_some());
        }
    }

    /// Tells the sink if any lane of the warp, which came to `position`, should be elsewhere. All that this takes is found once more, so
    /// that no registers hold it until then.
    #[device]
    fn tell_of_ends(&self, columns: &Columns, position: V<u32>, has_states: bool) {
        let section = columns.section();
        let first = (section.chunk as u64) * (section.per_chunk as u64) + (section.first as u64);
        let after = (first + (section.vectors as u64)) * (VECTOR as u64);
        let end = section.end(self.model, &self.job, after >= self.job.elements, columns.bits(), has_states);
        let beside = ballot(Columns::is_beside(position, end));
        if lane_idx() == 0 && beside != 0 {
            self.sink.damaged(open_block(self.blocks).job);
        }
    }

    /// Stores the numbers of a turn that begins with vector `at`.
    #[device]
    fn store_turn(&self, words: &[Vec<V<u32>>], at: V<u64>, left: V<i32>, left_for_warp: &LeftForWarp) {
        let round = WARP * vectors(self.kind);
        if self.join.bytes() == 1 {
            if left > (1 + 2 * (round - WARP)) as i32 {
                for (j, words) in (0u32..).zip(words) {
                    let place = self.job.output + at + ((WARP * j) as u64);
                    self.sink.vector(place, [words[0], words[1], words[2], words[3]]);
                }
            } else {
                for (j, words) in (0u32..).zip(words) {
                    self.part_of_vector(words, at + ((WARP * j) as u64));
                }
            }
        } else {
            for (j, words) in (0u32..).zip(words) {
                // Where a whole block of the slots is left, from the first lane on, they are reordered.
                if left_for_warp.of(left) > (2 * WARP * (j + 1) - 1) as i32 {
                    self.vectors_of_block(words, at + ((WARP * j) as u64));
                } else {
                    self.part_of_vector(words, at + ((WARP * j) as u64));
                }
            }
        }
    }

    /// Stores the numbers of vector `at` of a whole block: a vector of 16 bytes in each 512.
    #[device]
    fn vectors_of_block(&self, words: &[V<u32>], at: V<u64>) {
        let bytes = self.join.bytes();
        let lane = self.job.output - ((lane_idx() * (bytes - 1)) as u64);
        let first = lane + at * (bytes as u64);
        for (i, vector) in (0u32..).zip(words.chunks_exact(4)) {
            let place = first + ((WARP * i) as u64);
            self.sink.vector(place, [vector[0], vector[1], vector[2], vector[3]]);
        }
    }

    /// Stores those numbers of vector `at` that the tensor has, in their order.
    #[device]
    fn part_of_vector(&self, words: &[V<u32>], at: V<u64>) {
        let bytes = self.join.bytes();
        for i in 0..VECTOR {
            if at * (VECTOR as u64) + (i as u64) < self.job.elements {
                match bytes {
                    1 => {
                        self.sink.byte(
                            (self.job.output + at) * (VECTOR as u64) + (i as u64),
                            (words[i as usize / 4] >> (8 * (i % 4))) as u8,
                        );
                    }
                    2 => {
                        let place = self.job.output * 8 + at * (VECTOR as u64) + (i as u64);
                        self.sink.half(place, (words[i as usize / 2] >> (16 * (i % 2))) as u16);
                    }
                    _ => {
                        let words_each = bytes / 4;
                        for word in 0..words_each {
                            let place = (self.job.output * 4)
                                + (at * (VECTOR as u64) + (i as u64)) * (words_each as u64)
                                + (word as u64);
                            self.sink.word(place, words[(i * words_each + word) as usize]);
                        }
                    }
                }
            }
        }
    }
}
