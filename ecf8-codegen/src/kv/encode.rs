//! The encoder: two kernels, each with a warp for each chunk of a page. The first finds how many words lanes need, so that the second
//! knows where everything goes, and whether the page stays as it is.

use super::column::{Column, column};
use super::jobs::{Groups, Job, chunks_of, job_of, rounds_of, vector_in, vectors_in};
use super::units::{
    ALIGNMENT, CHUNK_HEADER_WORDS, CHUNK_VECTORS, HEADER, HEADER_ACCESSES, HEADER_WORDS, LENGTH, MAX_TAIL,
    MISSING, PER_WINDOW, VECTOR, WORD,
};
use super::{PageKernels, numbers, warp};
use crate::lang::{
    Global, GlobalMut, IntoV, Shared, V, Var, WARP, ballot, barrier, block_idx, device, funnel_left,
    funnel_right, grid_dim, kernel, lane_idx, rt, shared, shuffle_down, warp_idx,
};
use ecf8_core::kv::Numbers;
use ecf8_core::kv::page::MAGIC;

/// What stands instead of the words of a chunk that cannot be coded.
const NOT_CODED: u32 = u32::MAX;

/// Symbols of an alphabet.
const SYMBOLS: u32 = 256;

/// Finds how many words each lane of each chunk takes: of all jobs the sums, then of all jobs 32 numbers of words.
#[kernel(threads = k.threads)]
pub(super) fn kv_measure(
    k: &PageKernels,
    tables: Global<u32>,
    cache: Global<u32>,
    sources: Global<u32>,
    elements: Global<u32>,
    sizes: GlobalMut<u32>,
    cache_accesses: V<u32>,
    page_elements: V<u32>,
    page_count: V<u32>,
) {
    let warps = k.threads / WARP;
    let groups = Groups { tables, period: k.period, count: k.groups };
    let encoding = shared::<u32>(k.groups * SYMBOLS);
    groups.copy(encoding, k.groups * SYMBOLS, k.threads);
    barrier();

    let chunks = chunks_of(page_elements).max(1);
    let jobs = chunks * page_count;
    let mut number = block_idx() * warps + warp_idx();
    while number < jobs {
        let job = job_of(number, chunks);
        let page = Page { source: sources[job.page], elements: elements[job.page] };
        let mut words: u32 = 0;
        if page.is_there(k.numbers, cache_accesses, page_elements) && job.chunk < chunks_of(page.elements) {
            words = measure(k.numbers, groups, encoding, cache, job, page);
        }
        let rows = warp::least(words);
        let tail = words - rows;
        let tails = warp::sum(tail);
        let is_uneven = ballot(tail > MAX_TAIL) != 0;
        sizes[jobs + number * WARP + lane_idx()] = words;
        if lane_idx() == 0 {
            sizes[number] = if is_uneven { NOT_CODED } else { rows * WARP + tails + CHUNK_HEADER_WORDS };
        }
        number += grid_dim() * warps;
    }
}

/// A page in the cache.
#[derive(Clone, Copy)]
struct Page {
    /// The access at which it starts.
    source: V<u32>,
    /// How many numbers it has.
    elements: V<u32>,
}

impl Page {
    /// Whether it lies in the cache, and is no larger than pages are.
    #[device]
    fn is_there(&self, kind: Numbers, cache_accesses: V<u32>, page_elements: V<u32>) -> V<bool> {
        self.elements <= page_elements
            && self.source <= cache_accesses
            && numbers::all_accesses(kind, self.elements) <= cache_accesses - self.source
    }
}

/// The coded bytes of a vector, four words, and the stored ones. Numbers that are not there are what takes the fewest bits.
#[device]
fn load(
    kind: Numbers,
    groups: Groups,
    group: V<u32>,
    cache: Global<u32>,
    page: Page,
    vector: V<u32>,
) -> (Vec<V<u32>>, Vec<V<u32>>) {
    let stand_in = groups.tables.view::<u8>()[group + 8] as u32;
    let fill = numbers::with_coded(kind, stand_in);
    let words = numbers::load(kind, cache, page.source, vector, page.elements, fill);
    numbers::split(kind, &words)
}

/// The coded byte with this number of a vector.
#[device]
fn byte_of(coded: &[V<u32>], number: u32) -> V<u32> {
    let word = coded[(number / 4) as usize];
    match number % 4 {
        0 => word & 0xff,
        3 => word >> 24,
        place => (word >> (8 * place)) & 0xff,
    }
}

/// The words that a lane takes.
#[device]
fn measure(
    kind: Numbers,
    groups: Groups,
    encoding: Shared<u32>,
    cache: Global<u32>,
    job: Job,
    page: Page,
) -> V<u32> {
    let vectors = vectors_in(job.chunk, page.elements);
    let mut bits: u32 = 0;
    let mut patches: u32 = 0;
    for round in 0_u32..rounds_of(vectors) {
        let own = vector_in(round);
        if own < vectors {
            let vector = job.chunk * CHUNK_VECTORS + own;
            let group = groups.of(vector);
            let (coded, _) = load(kind, groups, group, cache, page, vector);
            let table = group * SYMBOLS;
            #[host]
            let entries: Vec<V<u32>> = (0..VECTOR).map(|i| encoding[byte_of(&coded, i) + table]).collect();
            // Sixteen lengths are less than `MISSING`, and codewords are above where all that are missing add up to.
            let sum = entries[1..].iter().fold(entries[0], |sum, &entry| sum + entry);
            bits += sum & LENGTH;
            patches += (sum / MISSING) & (2 * VECTOR - 1);
        }
    }
    (bits + (WORD - 1)) / WORD + patches
}

/// Encodes pages of a cache, each into a slot of its own, and tells how long they are: 0 bytes if a page is not there.
#[kernel(threads = k.threads)]
pub(super) fn kv_encode(
    k: &PageKernels,
    tables: Global<u32>,
    cache: Global<u32>,
    sources: Global<u32>,
    elements: Global<u32>,
    sizes: Global<u32>,
    pages: GlobalMut<u32>,
    lengths: GlobalMut<u32>,
    slot_accesses: V<u32>,
    cache_accesses: V<u32>,
    page_elements: V<u32>,
    page_count: V<u32>,
) {
    let warps = k.threads / WARP;
    let groups = Groups { tables, period: k.period, count: k.groups };
    let encoding = shared::<u32>(k.groups * SYMBOLS);
    groups.copy(encoding, k.groups * SYMBOLS, k.threads);
    barrier();

    let chunks = chunks_of(page_elements).max(1);
    let jobs = chunks * page_count;
    let mut number = block_idx() * warps + warp_idx();
    while number < jobs {
        let job = job_of(number, chunks);
        let page = Page { source: sources[job.page], elements: elements[job.page] };
        if page.is_there(k.numbers, cache_accesses, page_elements) {
            let slot = job.page * slot_accesses;
            encode_job(
                k.numbers, groups, encoding, cache, sizes, pages, lengths, job, page, slot, chunks, jobs,
            );
        } else {
            if job.chunk == 0 && lane_idx() == 0 {
                lengths[job.page] = 0;
            }
        }
        number += grid_dim() * warps;
    }
}

#[device]
fn encode_job(
    kind: Numbers,
    groups: Groups,
    encoding: Shared<u32>,
    cache: Global<u32>,
    sizes: Global<u32>,
    pages: GlobalMut<u32>,
    lengths: GlobalMut<u32>,
    job: Job,
    page: Page,
    slot: V<u32>,
    chunks: V<u32>,
    jobs: V<u32>,
) {
    let chunk_count = chunks_of(page.elements);
    /// How long the page's chunks are together, and those before this one.
    let mut all: u32 = 0;
    let mut before: u32 = 0;
    let mut is_uneven: bool = false;
    for i in (lane_idx()..chunk_count).step_by(WARP) {
        let words = sizes[job.page * chunks + i];
        is_uneven = is_uneven || words == NOT_CODED;
        all += words;
        if i < job.chunk {
            before += words;
        }
    }
    let words = warp::sum(all);
    let from = warp::sum(before);
    let stored_accesses = match kind {
        Numbers::Bf16 => (page.elements + (VECTOR - 1)) / VECTOR,
        _ => 0u32.into_v(),
    };
    let before_chunks = HEADER_WORDS + stored_accesses * 4 + chunk_count;
    let end = before_chunks + words;
    let coded_length = (end + (ALIGNMENT / 4 - 1)) / (ALIGNMENT / 4) * ALIGNMENT;
    let raw_length = numbers::all_accesses(kind, page.elements) * ALIGNMENT + HEADER;
    let is_coded = ballot(is_uneven) == 0 && page.elements > 0 && coded_length < raw_length;
    if job.chunk == 0 && lane_idx() == 0 {
        let ids = groups.tables.load2(0);
        let code = u32::from(kind.code()).into_v();
        let length = if is_coded { coded_length } else { raw_length };
        let what = if is_coded { code | 0x100 } else { code };
        let id_low = if is_coded { ids[0] } else { 0 };
        let id_high = if is_coded { ids[1] } else { 0 };
        let zero = 0u32.into_v();
        pages.store4(slot, [MAGIC.into_v(), what, page.elements, length]);
        pages.store4(slot + 1, [id_low, id_high, zero, zero]);
        lengths[job.page] = length;
    }
    if job.chunk < chunk_count {
        if is_coded {
            let at = slot * 4 + before_chunks + from;
            let place = jobs + (job.page * chunks + job.chunk) * WARP + lane_idx();
            let own_words = sizes[place];
            let rows = warp::least(own_words);
            let column = column(at, rows, own_words - rows);
            let own = column.tails + rows * WARP + CHUNK_HEADER_WORDS;
            if lane_idx() == 0 {
                pages[slot * 4 + before_chunks - chunk_count + job.chunk] = from + own;
                pages[at] = rows;
            }
            if job.chunk + 1 == chunk_count && lane_idx() < coded_length / 4 - end {
                pages[slot * 4 + end + lane_idx()] = 0;
            }
            put_tails(pages, at, own_words - rows);
            encode_chunk(kind, groups, encoding, cache, pages, job, page, slot, &column);
        } else {
            copy_raw(kind, cache, pages, job, page, slot);
        }
    }
}

#[device]
fn put_tails(pages: GlobalMut<u32>, at: V<u32>, tail: V<u32>) {
    let two = tail | (shuffle_down(tail, 1) << 8);
    let four = two | (shuffle_down(two, 2) << 16);
    if (lane_idx() & 3) == 0 {
        pages[at + 1 + lane_idx() / 4] = four;
    }
}

#[device]
fn copy_raw(kind: Numbers, cache: Global<u32>, pages: GlobalMut<u32>, job: Job, page: Page, slot: V<u32>) {
    let vectors = vectors_in(job.chunk, page.elements);
    for round in 0_u32..rounds_of(vectors) {
        let own = vector_in(round);
        if own < vectors {
            let vector = job.chunk * CHUNK_VECTORS + own;
            let words = numbers::load(kind, cache, page.source, vector, page.elements, 0u32.into_v());
            let to = slot + HEADER_ACCESSES + vector * numbers::accesses(kind);
            for (access, four) in words.as_chunks::<4>().0.iter().enumerate() {
                /// What no number is in, the page does not have.
                if access == 0 || vector * VECTOR + VECTOR / 2 < page.elements {
                    pages.store4(to + access as u32, *four);
                }
            }
        }
    }
}

/// Writes the streams of a chunk, and the stored bytes.
#[device]
fn encode_chunk(
    kind: Numbers,
    groups: Groups,
    encoding: Shared<u32>,
    cache: Global<u32>,
    pages: GlobalMut<u32>,
    job: Job,
    page: Page,
    slot: V<u32>,
    column: &Column,
) {
    let vectors = vectors_in(job.chunk, page.elements);
    let stream = Stream::open();
    /// Patches grow from the lane's last word down.
    let mut patch_at = column.words;
    for round in 0_u32..rounds_of(vectors) {
        let own = vector_in(round);
        if own < vectors {
            let vector = job.chunk * CHUNK_VECTORS + own;
            let group = groups.of(vector);
            let (coded, stored) = load(kind, groups, group, cache, page, vector);
            if let Some(four) = stored.first_chunk::<4>() {
                pages.store4(slot + HEADER_ACCESSES + vector, *four);
            }
            let table = group * SYMBOLS;
            #[host]
            let entries: Vec<V<u32>> = (0..VECTOR).map(|i| encoding[byte_of(&coded, i) + table]).collect();
            for some in entries.chunks(PER_WINDOW as usize) {
                stream.add(pages, column, some);
            }
            let any = entries[1..].iter().fold(entries[0], |any, &entry| any | entry);
            if any & MISSING != 0 {
                for i in 0..VECTOR {
                    if entries[i as usize] & MISSING != 0 {
                        patch_at -= 1;
                        let symbol = round * VECTOR + i;
                        pages[column.place(patch_at)] = (symbol << 8) | byte_of(&coded, i);
                    }
                }
            }
        }
    }
    stream.close(pages, column);
}

/// A lane's stream: the bits that fill no word yet, on top of a word, how many there are, and the number of that word.
struct Stream {
    pending: Var<u32>,
    used: Var<u32>,
    number: Var<u32>,
}

impl Stream {
    fn open() -> Self {
        Self {
            pending: rt::declare("pending", 0u32),
            used: rt::declare("used", 0u32),
            number: rt::declare("word_number", 0u32),
        }
    }

    /// Adds the codewords of some entries, 32 bits at most.
    #[device]
    fn add(&self, pages: GlobalMut<u32>, column: &Column, entries: &[V<u32>]) {
        #[host]
        let mut bits = entries[0] & !(2 * MISSING - 1);
        #[host]
        let mut lengths = entries[0];
        for &entry in &entries[1..] {
            // Shifts count modulo 32, so what stands above the lengths does no harm.
            #[host]
            let more = funnel_right(0u32, entry & !(2 * MISSING - 1), lengths);
            bits = bits | more;
            lengths = lengths + entry;
        }
        let used = self.used.get();
        let word = self.pending.get() | (bits >> used);
        let after = used + (lengths & LENGTH);
        self.pending.set(word);
        self.used.set(after);
        if after >= WORD {
            let number = self.number.get();
            pages[column.place(number)] = word;
            self.number.set(number + 1);
            self.pending.set(funnel_left(bits, 0u32, WORD - used));
            self.used.set(after - WORD);
        }
    }

    /// Writes what is left.
    #[device]
    fn close(&self, pages: GlobalMut<u32>, column: &Column) {
        if self.used.get() > 0 {
            pages[column.place(self.number.get())] = self.pending.get();
        }
    }
}
