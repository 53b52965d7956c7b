//! The decoder: a warp for each chunk of a page.

use super::column::{Column, POSITION, column};
use super::jobs::{Groups, Job, chunks_of, job_of, rounds_of, vector_in, vectors_in};
use super::units::{
    ALIGNMENT, CHUNK_HEADER_WORDS, CHUNK_VECTORS, CODE_BITS, HEADER, HEADER_ACCESSES, HEADER_WORDS,
    PER_WINDOW, ROUNDS, VECTOR, WORD,
};
use super::window::{Next, hold_first};
use super::{PageKernels, numbers};
use crate::lang::{
    Global, GlobalMut, IntoV, Shared, V, Var, WARP, ballot, barrier, block_idx, byte_permute, device,
    funnel_left, grid_dim, kernel, lane_idx, shared, warp_idx,
};
use ecf8_core::kv::Numbers;
use ecf8_core::kv::page::{MAGIC, MAX_ELEMENTS};

/// What a job's status says.
pub mod status {
    /// The chunk is decoded, or the page does not have it.
    pub const DECODED: u32 = 0;
    /// There is no page there, or none of these numbers.
    pub const NOT_A_PAGE: u32 = 1;
    /// The page has other codebooks.
    pub const OTHER_CODEBOOKS: u32 = 2;
    /// The page has no room where it should go.
    pub const NO_ROOM: u32 = 3;
    /// The chunk is damaged.
    pub const DAMAGED: u32 = 4;
}

/// Words beyond the one that a vector's first bit is in which may be looked at: its codewords' at their longest, and one more.
const VECTOR_WORDS: u32 = (VECTOR * CODE_BITS + WORD).div_ceil(WORD);

/// Decodes compressed pages into a cache. Whatever their bytes are, nothing is read outside of a page or written outside of its place.
#[kernel(threads = k.threads)]
pub(super) fn kv_decode(
    k: &PageKernels,
    tables: Global<u32>,
    pages: Global<u32>,
    starts: Global<u32>,
    lengths: Global<u32>,
    targets: Global<u32>,
    cache: GlobalMut<u32>,
    statuses: GlobalMut<u32>,
    pages_accesses: V<u32>,
    cache_accesses: V<u32>,
    page_elements: V<u32>,
    page_count: V<u32>,
) {
    let warps = k.threads / WARP;
    let groups = Groups { tables, period: k.period, count: k.groups };
    let decoding = shared::<u32>(k.groups << CODE_BITS);
    groups.copy(decoding, k.groups << CODE_BITS, k.threads);
    barrier();

    let chunks = chunks_of(page_elements).max(1);
    let jobs = chunks * page_count;
    let mut number = block_idx() * warps + warp_idx();
    while number < jobs {
        let job = job_of(number, chunks);
        let room = Room { target: targets[job.page], cache_accesses, page_elements };
        let start = starts[job.page];
        let length = lengths[job.page];
        /// The page must lie in the buffer.
        let accesses = length / ALIGNMENT;
        let lies_there =
            start <= pages_accesses && accesses <= pages_accesses - start && accesses >= HEADER_ACCESSES;
        let mut state: u32 = status::NOT_A_PAGE;
        if lies_there {
            decode_job(k.numbers, groups, decoding, pages, cache, job, start, accesses, room, &mut state);
        }
        if lane_idx() == 0 {
            statuses[number] = state;
        }
        number += grid_dim() * warps;
    }
}

/// Where a page goes.
#[derive(Clone, Copy)]
struct Room {
    target: V<u32>,
    cache_accesses: V<u32>,
    page_elements: V<u32>,
}

#[device]
fn decode_job(
    kind: Numbers,
    groups: Groups,
    decoding: Shared<u32>,
    pages: Global<u32>,
    cache: GlobalMut<u32>,
    job: Job,
    start: V<u32>,
    accesses: V<u32>,
    room: Room,
    state: &mut Var<u32>,
) {
    let [magic, what, elements, length] = pages.load4(start);
    let [id_low, id_high, zero, other_zero] = pages.load4(start + 1);
    let code = u32::from(kind.code());
    let is_coded = what == (code | 0x100);
    let is_raw = what == code && (id_low | id_high) == 0;
    let is_page = magic == MAGIC
        && (is_coded || is_raw)
        && (zero | other_zero) == 0
        && elements <= MAX_ELEMENTS as u32
        && length <= accesses * ALIGNMENT
        && (length & (ALIGNMENT - 1)) == 0;
    let number_accesses = numbers::all_accesses(kind, elements);
    let raw_length = number_accesses * ALIGNMENT + HEADER;
    let has_room = elements <= room.page_elements
        && room.target <= room.cache_accesses
        && number_accesses <= room.cache_accesses - room.target;
    if is_page && (is_coded || length == raw_length) {
        if !has_room {
            state = status::NO_ROOM;
        } else {
            if is_raw {
                state = status::DECODED;
                if job.chunk < chunks_of(elements) {
                    copy_raw(kind, pages, cache, job, start, room.target, elements);
                }
            } else {
                let ids = groups.tables.load2(0);
                if id_low != ids[0] || id_high != ids[1] {
                    state = status::OTHER_CODEBOOKS;
                } else {
                    let stored_accesses = match kind {
                        Numbers::Bf16 => (elements + (VECTOR - 1)) / VECTOR,
                        _ => 0u32.into_v(),
                    };
                    let chunk_count = chunks_of(elements);
                    let directory = start * 4 + HEADER_WORDS + stored_accesses * 4;
                    let before = HEADER_WORDS + stored_accesses * 4 + chunk_count;
                    /// The header must promise what the length can hold.
                    if elements > 0 && length < raw_length && before * 4 <= length {
                        state = status::DECODED;
                        if job.chunk < chunk_count {
                            let words = length / 4 - before;
                            let from = if job.chunk == 0 { 0 } else { pages[directory + job.chunk - 1] };
                            let to = pages[directory + job.chunk];
                            let is_last = job.chunk + 1 == chunk_count;
                            let is_right = from <= to
                                && to <= words
                                && to - from >= CHUNK_HEADER_WORDS
                                && (!is_last || words - to < ALIGNMENT / 4);
                            let mut is_whole = is_right;
                            if is_right {
                                let chunk_at = directory + chunk_count + from;
                                let own =
                                    Own { start, target: room.target, elements, chunk_at, words: to - from };
                                decode_chunk(kind, groups, decoding, pages, cache, job, own, &mut is_whole);
                            }
                            if !is_whole {
                                state = status::DAMAGED;
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A chunk of a coded page.
#[derive(Clone, Copy)]
struct Own {
    /// The access at which the page starts.
    start: V<u32>,
    /// The access of the cache at which its numbers start.
    target: V<u32>,
    /// Numbers of the page.
    elements: V<u32>,
    /// The word at which the chunk starts.
    chunk_at: V<u32>,
    /// Words of the chunk.
    words: V<u32>,
}

#[device]
fn copy_raw(
    kind: Numbers,
    pages: Global<u32>,
    cache: GlobalMut<u32>,
    job: Job,
    start: V<u32>,
    target: V<u32>,
    elements: V<u32>,
) {
    let vectors = vectors_in(job.chunk, elements);
    for round in 0_u32..rounds_of(vectors) {
        let own = vector_in(round);
        if own < vectors {
            let vector = job.chunk * CHUNK_VECTORS + own;
            let from = start + HEADER_ACCESSES + vector * numbers::accesses(kind);
            #[host]
            let mut words: Vec<V<u32>> = pages.load4(from).to_vec();
            if numbers::accesses(kind) == 2 {
                /// The second half is not there if no number is in it.
                let is_there = vector * VECTOR + VECTOR / 2 < elements;
                let second = if is_there { from + 1 } else { from };
                words.extend(pages.load4(second));
            }
            numbers::store(kind, cache, target, vector, elements, &words);
        }
    }
}

#[device]
fn decode_chunk(
    kind: Numbers,
    groups: Groups,
    decoding: Shared<u32>,
    pages: Global<u32>,
    cache: GlobalMut<u32>,
    job: Job,
    own: Own,
    is_whole: &mut Var<bool>,
) {
    let rows = pages[own.chunk_at];
    let lane = lane_idx();
    let tail = (pages[own.chunk_at + 1 + lane / 4] >> ((lane & 3) * 8)) & 0xff;
    let column = column(own.chunk_at, rows, tail);
    is_whole = rows <= own.words && rows * WARP + column.tails + CHUNK_HEADER_WORDS == own.words;
    if is_whole {
        let vectors = vectors_in(job.chunk, own.elements);
        let last_in_rows = column.last_in_rows(VECTOR_WORDS);
        let held = hold_first(pages, &column);
        let mut position: u32 = 0;
        let mut round: u32 = 0;
        /// As long as all lanes have a vector, and all words that may be looked at are in rows, nothing is asked.
        let whole_rounds = vectors / WARP;
        while round < whole_rounds && ballot((position & POSITION) >= last_in_rows) == 0 {
            let vector = job.chunk * CHUNK_VECTORS + vector_in(round);
            let window = |here| held.window(pages, &column, Next::Rows, here);
            let coded = look_up(groups, decoding, vector, &mut position, window);
            put(kind, pages, cache, own, vector, &coded);
            round += 1;
        }
        /// The rest.
        while round < rounds_of(vectors) {
            let in_chunk = vector_in(round);
            if in_chunk < vectors {
                let vector = job.chunk * CHUNK_VECTORS + in_chunk;
                let window = |here| held.window(pages, &column, Next::Anywhere, here);
                let coded = look_up(groups, decoding, vector, &mut position, window);
                put(kind, pages, cache, own, vector, &coded);
            }
            round += 1;
        }
        let is_right = patch(kind, pages, cache, job, own, &column, vectors, position);
        is_whole = ballot(!is_right) == 0;
    }
}

/// The coded bytes of a vector, four to a word. `window` gives 32 bits from a position on.
#[device]
fn look_up(
    groups: Groups,
    decoding: Shared<u32>,
    vector: V<u32>,
    position: &mut Var<u32>,
    window: impl Fn(V<u32>) -> V<u32>,
) -> Vec<V<u32>> {
    let group = groups.of(vector);
    #[host]
    let mut entries: Vec<V<u32>> = Vec::new();
    for first in (0..VECTOR).step_by(PER_WINDOW as usize) {
        let count = PER_WINDOW.min(VECTOR - first);
        #[host]
        let here: V<u32> = position;
        let mut bits = window(here);
        #[host]
        let before = entries.len();
        for i in 0..count {
            // The group's number goes before the bits, so the sum is the place in all tables.
            let entry = decoding[funnel_left(group, bits, CODE_BITS)];
            entries.push(entry);
            if i + 1 < count {
                // Shifts count modulo 32, so the symbol above the length does no harm.
                bits = funnel_left(bits, 0u32, entry);
            }
        }
        let lengths = entries[before + 1..].iter().fold(entries[before], |sum, &entry| sum + entry);
        position += lengths;
    }
    let pairs: Vec<V<u32>> =
        entries.as_chunks::<2>().0.iter().map(|[a, b]| byte_permute(*a, *b, 0x7373)).collect();
    pairs.as_chunks::<2>().0.iter().map(|[a, b]| byte_permute(*a, *b, 0x5410)).collect()
}

/// Joins the coded bytes of a vector with its stored bytes, and stores the numbers.
#[device]
fn put(kind: Numbers, pages: Global<u32>, cache: GlobalMut<u32>, own: Own, vector: V<u32>, coded: &[V<u32>]) {
    let stored = match kind {
        Numbers::Bf16 => pages.load4(own.start + HEADER_ACCESSES + vector).to_vec(),
        _ => Vec::new(),
    };
    let words = numbers::join(kind, coded, &stored);
    numbers::store(kind, cache, own.target, vector, own.elements, &words);
}

/// Puts right what a lane has patches for: its words after the codewords. Whether its words are as they must be.
#[device]
fn patch(
    kind: Numbers,
    pages: Global<u32>,
    cache: GlobalMut<u32>,
    job: Job,
    own: Own,
    column: &Column,
    vectors: V<u32>,
    position: V<u32>,
) -> V<bool> {
    let first = ((position & POSITION) + (WORD - 1)) / WORD;
    let mut is_right = first <= column.words;
    for number in first..column.words {
        let patch = pages[column.place(number)];
        let round = patch >> (8 + VECTOR.ilog2());
        let in_chunk = vector_in(round);
        let element = (job.chunk * CHUNK_VECTORS + in_chunk) * VECTOR + ((patch >> 8) & (VECTOR - 1));
        if round < ROUNDS && in_chunk < vectors && element < own.elements {
            let stored = match kind {
                Numbers::Bf16 => {
                    let bytes = pages.view::<u8>();
                    bytes[(own.start as u64) * 16 + (HEADER as u64) + (element as u64)] as u32
                }
                _ => 0u32.into_v(),
            };
            let right = numbers::number(kind, patch & 0xff, stored);
            numbers::store_number(kind, cache, numbers::place_of(kind, own.target, element), right);
        } else {
            is_right = false;
        }
    }
    is_right
}
