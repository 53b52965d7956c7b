//! A table that maps the next bits of the stream to several symbols at once.
//!
//! Word `i` of the first 2ᴷ says what a stream begins with whose next K bits are `i`: as many whole codewords as fit,
//! at most four. A codeword longer than K bits has a zero there and is found by its length from the words that follow,
//! which describe the canonical code.

use crate::lang::{Global, Shared, Table, V, device, select, shared, table, thread_idx};
use crate::strategy::tunables::tunable_enum;
use crate::strategy::{Inlined, StrategyError};
use ecf8_core::Codebook;

/// Symbols that one entry holds.
pub(in super::super) const SYMBOLS: u32 = 4;

/// Words of a vector, as which tables are copied.
pub(super) const VECTOR: u32 = 4;

/// The longest codeword.
const MAX_LEN: u32 = 16;

/// Words that describe the canonical code: per length a bound and an offset, then the symbols, up to a whole vector.
const CODE_WORDS: usize = (2 * (MAX_LEN as usize + 1) + 16).next_multiple_of(VECTOR as usize);

tunable_enum! {
    /// Where the look-up table lies.
    pub(in super::super) enum Placement {
        /// Compiled into the kernel, read through the L1 cache.
        Inlined = "inlined",
        /// Compiled into the kernel, copied to shared memory by each block.
        Shared = "shared",
        /// Passed to the kernel, copied to shared memory by each block: one kernel serves all codebooks.
        Argument = "argument",
    }
}

impl Placement {
    /// What of a codebook is compiled into the kernel.
    pub(in super::super) fn inlined(self) -> Inlined {
        match self {
            Self::Inlined | Self::Shared => Inlined::Codebook,
            Self::Argument => Inlined::MaxLen,
        }
    }
}

/// An entry: four symbols of 4 bits, then their number, the length of them all and the length of the first.
mod entry {
    pub(super) const COUNT: u32 = 16;
    pub(super) const LENGTH: u32 = 19;
    pub(super) const FIRST_LENGTH: u32 = 24;
}

/// Checks that a table of this size can have a codebook's codewords: those that are longer than an index are found by the order of
/// canonical ones.
///
/// # Errors
/// If they are not canonical and there are longer ones.
pub(in super::super) fn check(codebook: &Codebook, index_bits: u32) -> Result<(), StrategyError> {
    let max_len = codebook.max_len();
    if codebook.is_named() && u32::from(max_len) > index_bits {
        return Err(StrategyError::NotCanonical { max_len, index_bits });
    }
    Ok(())
}

/// The words of the table for a codebook.
pub(in super::super) fn words(codebook: &Codebook, index_bits: u32) -> Vec<u32> {
    let mut words: Vec<u32> = (0..1 << index_bits).map(|bits| entry_of(codebook, bits, index_bits)).collect();
    words.extend(code_words(codebook));
    words
}

/// The codeword that the bits, `available` of them, begin with.
fn first_codeword(codewords: &[(usize, u32, u8)], bits: u32, available: u32) -> Option<(u32, u32)> {
    codewords.iter().find_map(|&(symbol, code, length)| {
        let length = u32::from(length);
        let matches = length <= available && bits >> (available - length) == code;
        matches.then_some((u32::try_from(symbol).ok()?, length))
    })
}

fn entry_of(codebook: &Codebook, bits: u32, index_bits: u32) -> u32 {
    let codewords = codebook.canonical();
    let (mut word, mut count, mut used, mut first) = (0, 0, 0, 0);
    // What is no codeword at all stands for any symbol, so that a decoder which meets it in damaged bits goes on.
    let unused = codebook.first_symbol().and_then(|symbol| u32::try_from(symbol).ok());
    let unused = unused.filter(|_| u32::from(codebook.max_len()) <= index_bits);
    while count < SYMBOLS {
        let rest = index_bits - used;
        let known = first_codeword(&codewords, bits & ((1 << rest) - 1), rest);
        // With one symbol alone there is no other codeword: whatever the bit, it stands for that symbol.
        let alone = codebook.only_symbol().and_then(|symbol| u32::try_from(symbol).ok()).filter(|_| rest > 0);
        let any = unused.filter(|_| count == 0).map(|symbol| (symbol, u32::from(codebook.min_len())));
        let Some((symbol, length)) = known.or(alone.map(|symbol| (symbol, 1))).or(any) else { break };
        word |= symbol << (4 * count);
        if count == 0 {
            first = length;
        }
        count += 1;
        used += length;
    }
    word | count << entry::COUNT | used << entry::LENGTH | first << entry::FIRST_LENGTH
}

/// Per length, 16 bits that no codeword up to this length reaches, left-justified, and what to add to a codeword of
/// this length to get its place among the symbols in canonical order; then these symbols.
fn code_words(codebook: &Codebook) -> Vec<u32> {
    let codewords = codebook.codewords();
    let order = codebook.canonical_order();
    let mut words = vec![0; CODE_WORDS];
    let lengths = MAX_LEN as usize + 1;
    let mut bound = 0;
    for length in 1..lengths {
        let of_length =
            order.iter().enumerate().filter(|&(_, &symbol)| usize::from(codewords[symbol].1) == length);
        for (place, &symbol) in of_length {
            let code = codewords[symbol].0;
            bound = (code + 1) << (lengths - 1 - length);
            words[lengths + length] = u32::try_from(place).unwrap_or(0).wrapping_sub(code);
        }
        words[length] = bound;
    }
    for (word, symbol) in words[2 * lengths..].iter_mut().zip(order) {
        *word = u32::try_from(symbol).unwrap_or(0);
    }
    words
}

/// The table in a kernel.
#[derive(Clone, Copy)]
pub(in super::super) struct GapTable {
    place: TableHome,
    index_bits: u32,
    /// Whether there may be codewords longer than an index.
    has_long: bool,
}

#[derive(Clone, Copy)]
enum TableHome {
    Inlined(Table<u32>),
    Shared(Shared<u32>),
}

impl GapTable {
    #[device]
    fn word(&self, index: V<u32>) -> V<u32> {
        match self.place {
            TableHome::Inlined(table) => table[index],
            TableHome::Shared(table) => table[index],
        }
    }
}

/// Puts the table where it belongs; one that is passed starts at vector `first` of the argument. A barrier must follow
/// before it is used.
#[device]
pub(in super::super) fn place_table(
    placement: Placement,
    index_bits: u32,
    codebook: &Codebook,
    argument: Global<u32>,
    first: V<u64>,
    threads: u32,
) -> GapTable {
    let words = words(codebook, index_bits);
    let count = words.len() as u32;
    let has_long = placement == Placement::Argument || u32::from(codebook.max_len()) > index_bits;
    let place = match placement {
        Placement::Inlined => {
            let decode_table = table(&words);
            TableHome::Inlined(decode_table)
        }
        Placement::Shared => {
            let decode_table = table(&words);
            let decode = shared::<u32>(count);
            for i in (thread_idx()..count / VECTOR).step_by(threads) {
                decode.store4(i, decode_table.load4(i));
            }
            TableHome::Shared(decode)
        }
        Placement::Argument => {
            let decode = shared::<u32>(count);
            for i in (thread_idx()..count / VECTOR).step_by(threads) {
                decode.store4(i, argument.load4(first + (i as u64)));
            }
            TableHome::Shared(decode)
        }
    };
    GapTable { place, index_bits, has_long }
}

/// The entry for a codeword longer than an index, which is the first of `bits`.
#[device]
fn long_entry(decoder: &GapTable, bits: V<u32>) -> V<u32> {
    let code_at = 1u32 << decoder.index_bits;
    let lengths = MAX_LEN + 1;
    let next = bits >> (32 - MAX_LEN);
    let mut length = decoder.index_bits + 1;
    while length < MAX_LEN && next >= decoder.word(length + code_at) {
        length += 1;
    }
    let place = (next >> (MAX_LEN - length)) + decoder.word(length + (code_at + lengths));
    let symbol = decoder.word((place & 15) + (code_at + 2 * lengths));
    symbol | (1u32 << entry::COUNT) | (length << entry::LENGTH) | (length << entry::FIRST_LENGTH)
}

/// The symbols that `bits`, 32 of them, begin with. Their number is 1 to 4.
#[device]
pub(in super::super) fn look_up(decoder: &GapTable, bits: V<u32>) -> V<u32> {
    let found = decoder.word(bits >> (32 - decoder.index_bits));
    if decoder.has_long {
        let mut entry = found;
        if found == 0 {
            entry = long_entry(decoder, bits);
        }
        entry
    } else {
        found
    }
}

/// The symbols of an entry to take, how many these are, and the length of their codewords. Where the codewords may
/// reach beyond bit `end`, the first one alone.
#[device]
pub(in super::super) fn extent(entry: V<u32>, used: V<u32>, end: Option<u32>) -> (V<u32>, V<u32>, V<u32>) {
    let symbols = entry & 0xffff;
    let count = (entry >> entry::COUNT) & 7;
    let length = (entry >> entry::LENGTH) & 31;
    match end {
        None => (symbols, count, length),
        Some(end) => {
            let whole = used + length <= end;
            let symbols = select(whole, symbols, entry & 15);
            let count = select(whole, count, 1);
            let length = select(whole, length, entry >> entry::FIRST_LENGTH);
            (symbols, count, length)
        }
    }
}
