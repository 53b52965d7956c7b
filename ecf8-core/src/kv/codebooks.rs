//! The codebooks of a layer's keys or values.

use super::Numbers;
use super::page::VECTOR;
use crate::codebook::{Codebook, CodebookError};
use crate::{checksum, int};
use serde::{Deserialize, Serialize};

/// Bits of the longest codeword, and of a look-up: three fit into a window of 32 bits.
pub const CODE_BITS: u8 = 10;

/// The most codebooks that a layer may have: their look-up tables lie in a block's shared memory.
pub const MAX_GROUPS: usize = 8;

/// The most vectors after which channels repeat.
pub const MAX_PERIOD: usize = 1 << 12;

/// Entries of a decoding table of one codebook.
const TABLE: usize = 1 << CODE_BITS;

/// Set in an entry of an encoding table if the symbol has no codeword, beside the codeword that stands in.
pub const MISSING: u32 = 1 << 8;

/// The codebooks of a layer's keys or values: one for each group of channels. Numbers are cut into vectors of 16, and vector `v` of a page
/// has the codebook `groups[v % groups.len()]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codebooks {
    numbers: Numbers,
    groups: Vec<u8>,
    codebooks: Vec<Codebook>,
    id: u64,
}

/// What is wrong with codebooks.
#[derive(Debug, thiserror::Error)]
pub enum CodebooksError {
    /// None, or more than there may be.
    #[error("{found} {what}; there must be 1 to {most}")]
    Count {
        /// What is counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// A group that has no codebook.
    #[error("vector {vector} has codebook {group}, but there are {codebooks}")]
    Group {
        /// The vector.
        vector: usize,
        /// Its codebook.
        group: u8,
        /// How many there are.
        codebooks: usize,
    },
    /// A codebook that kernels cannot decode.
    #[error(
        "codebook {number} has {symbols} symbols and codewords up to {max_len} bits; it must be a Huffman code of 256 symbols with \
         codewords of 1 to {CODE_BITS} bits"
    )]
    Codebook {
        /// Its number.
        number: usize,
        /// Symbols of its alphabet.
        symbols: usize,
        /// Bits of its longest codeword.
        max_len: u8,
    },
    /// A codebook's text that is none.
    #[error("codebook {number}: {source}")]
    Text {
        /// Its number.
        number: usize,
        /// What is wrong.
        source: CodebookError,
    },
    /// JSON that is not of codebooks.
    #[error("not the JSON of codebooks: {0}")]
    Json(#[from] serde_json::Error),
}

/// The JSON form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Json {
    numbers: Numbers,
    groups: Vec<u8>,
    codebooks: Vec<String>,
}

impl Codebooks {
    /// Codebooks, and which one each vector has, as far as that does not repeat.
    ///
    /// # Errors
    /// If there are too many or too few, or kernels cannot decode them.
    pub fn new(numbers: Numbers, groups: Vec<u8>, codebooks: Vec<Codebook>) -> Result<Self, CodebooksError> {
        let counts = [
            ("codebooks", codebooks.len(), MAX_GROUPS),
            ("vectors after which channels repeat", groups.len(), MAX_PERIOD),
        ];
        for (what, found, most) in counts {
            if !(1..=most).contains(&found) {
                return Err(CodebooksError::Count { what, found, most });
            }
        }
        for (number, codebook) in codebooks.iter().enumerate() {
            let (symbols, max_len) = (codebook.symbols(), codebook.max_len());
            if symbols != 256 || !(1..=CODE_BITS).contains(&max_len) || codebook.has_frequencies() {
                return Err(CodebooksError::Codebook { number, symbols, max_len });
            }
        }
        let unknown = groups.iter().enumerate().find(|(_, group)| usize::from(**group) >= codebooks.len());
        if let Some((vector, &group)) = unknown {
            return Err(CodebooksError::Group { vector, group, codebooks: codebooks.len() });
        }
        let mut new = Self { numbers, groups, codebooks, id: 0 };
        new.id = checksum::checksum(new.to_json().as_bytes());
        Ok(new)
    }

    /// The text form, a JSON object: `numbers`, the dtype as safetensors calls it; `groups`, of each vector the number of its codebook; and
    /// `codebooks` as in FORMAT.md, §3.1.
    #[must_use]
    pub fn to_json(&self) -> String {
        let codebooks = self.codebooks.iter().map(Codebook::to_text).collect();
        let json = Json { numbers: self.numbers, groups: self.groups.clone(), codebooks };
        serde_json::to_string(&json).unwrap_or_default()
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// If it is none, or [`Codebooks::new`] refuses what it says.
    pub fn from_json(text: &str) -> Result<Self, CodebooksError> {
        let Json { numbers, groups, codebooks } = serde_json::from_str(text)?;
        let read = |(number, text): (usize, &String)| {
            Codebook::from_text(text).map_err(|source| CodebooksError::Text { number, source })
        };
        let codebooks = codebooks.iter().enumerate().map(read).collect::<Result<_, _>>()?;
        Self::new(numbers, groups, codebooks)
    }

    /// The type of the numbers.
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        self.numbers
    }

    /// Which codebook each vector has, as far as that does not repeat.
    #[must_use]
    pub fn groups(&self) -> &[u8] {
        &self.groups
    }

    /// The codebooks.
    #[must_use]
    pub fn codebooks(&self) -> &[Codebook] {
        &self.codebooks
    }

    /// By what pages tell these codebooks from others: XXH3 of the text form as [`Codebooks::to_json`] writes it.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The codebook of a page's vector.
    #[must_use]
    pub fn group_of(&self, vector: usize) -> usize {
        self.groups[vector % self.groups.len()].into()
    }

    /// A table for each codebook, one after the other, by the next [`CODE_BITS`] bits of a stream: the symbol × 2²⁴ + the length of its
    /// codeword, so that entries can be added to a position of 24 bits. Bits that begin no codeword, which there are beside a single one, stand for it, too.
    #[must_use]
    pub fn decoding(&self) -> Vec<u32> {
        let mut all = Vec::with_capacity(TABLE * self.codebooks.len());
        for codebook in &self.codebooks {
            for (symbol, _, length) in codebook.canonical() {
                let entry = u32::from(int::low_byte(symbol as u64)) << 24 | u32::from(length);
                all.extend(std::iter::repeat_n(entry, TABLE >> length));
            }
            let last = all.last().copied().unwrap_or(1);
            all.resize(all.len().next_multiple_of(TABLE), last);
        }
        all
    }

    /// A table for each codebook, one after the other, by symbol: the codeword in the highest bits, [`MISSING`], and its length.
    #[must_use]
    pub fn encoding(&self) -> Vec<u32> {
        let of = |codebook: &Codebook| {
            let mut table = [u32::from(codebook.min_len()) | MISSING; 256];
            for (symbol, code, length) in codebook.canonical() {
                table[symbol] = code << (32 - length) | u32::from(length);
            }
            table
        };
        self.codebooks.iter().flat_map(of).collect()
    }

    /// Of each codebook the symbol that stands in for those without codeword.
    #[must_use]
    pub fn stand_ins(&self) -> Vec<u8> {
        let first = |codebook: &Codebook| int::low_byte(codebook.first_symbol().unwrap_or(0) as u64);
        self.codebooks.iter().map(first).collect()
    }

    /// Vectors after which channels repeat in pages of tokens × `heads` × `head_size`: 1 if vectors are not of the same channels in every
    /// token, or if they are too many.
    #[must_use]
    pub fn period(heads: usize, head_size: usize) -> usize {
        let width = heads.saturating_mul(head_size);
        let repeats = width > 0 && width.is_multiple_of(VECTOR) && width / VECTOR <= MAX_PERIOD;
        if repeats { width / VECTOR } else { 1 }
    }
}
