//! Layouts: how codewords and raw bits are arranged on disk and in memory so that they decode in parallel.
//!
//! A [`Scheme`] is a symbol kind with a layout. Adding one is a file here and its line in [`schemes`].

mod codebooks;
mod error;
pub mod exponent_gap;
pub mod lanes;
pub(crate) mod memory;
mod parts;

pub use codebooks::{Codebooks, Run};
pub use error::{DecodeError, EncodeError};
pub use parts::{DamagedPart, Encoded, ParamSpec, Part, PartSpec, PartType};

use crate::codebook::Codebook;
use crate::element::{Element, Numbers, Split};
use crate::histogram::Histogram;
use crate::symbols::{self, SymbolKind};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::ControlFlow;
use std::ops::{Range, RangeInclusive};

/// What an encoding is for, where there is a choice: small chunks are work for more threads, large ones take fewer
/// bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Aim {
    /// The smallest result.
    Size,
    /// A small result that decodes fast together with others.
    #[default]
    Balanced,
    /// The fastest decoding, of single tensors, too.
    Speed,
}

/// Elements that are decoded at once where a tensor is decoded in pieces, about: enough work for many threads, and
/// little beside a large tensor. Tests have few large tensors, and many pieces all the same.
pub(crate) const PIECE: usize = if cfg!(test) { 10_000 } else { 8 << 20 };

/// Takes the pieces of a tensor one by one, in order, and says whether to go on.
pub type TakePiece<'a> = dyn FnMut(&[u8]) -> ControlFlow<()> + 'a;

/// What comes next of a tensor that is encoded [group by group](Scheme::encode_groups).
#[derive(Debug)]
pub enum Group<'a> {
    /// What came so far is void: all groups come again, encoded otherwise.
    Again,
    /// The next numbers.
    Next {
        /// Which bytes of the tensor they are.
        numbers: Range<usize>,
        /// They alone, as a tensor of their own.
        encoded: &'a Encoded<'static>,
        /// Of each part of the whole tensor, what it has of them: a part consists of one strip or several, one after the
        /// other, each of which all groups go on with.
        strips: &'a [Vec<&'a [u8]>],
    },
}

/// Takes the groups of a tensor one by one, in order, and says whether to go on.
pub type TakeGroup<'a> = dyn FnMut(Group<'_>) -> ControlFlow<()> + 'a;

/// What is known of a tensor before it is encoded.
#[derive(Debug, Clone, Copy)]
pub struct Counted<'a> {
    /// Its units, see [`Element::units`].
    pub elements: u64,
    /// How often each symbol occurs.
    pub histogram: &'a Histogram,
    /// Elements outside the window of exponents, see [`Split::outside`].
    pub outside: u64,
}

/// One way to compress a tensor: which symbols are coded, and how the result is laid out.
pub trait Scheme: Sync + Debug {
    /// The name in containers and on the command line, for example `exponent-gap`.
    fn name(&self) -> &'static str;

    /// One line about it for people.
    fn about(&self) -> &'static str;

    /// What one codeword stands for: one exponent, unless a scheme says otherwise.
    fn symbols(&self) -> &'static SymbolKind {
        &symbols::EXPONENT
    }

    /// Whether it takes numbers of this type.
    fn takes(&self, element: &Element) -> bool {
        self.symbols().takes(element.shape)
    }

    /// Whether it takes numbers that are split like this.
    fn takes_split(&self, split: &Split) -> bool {
        self.takes(split.element) && self.symbols().takes(split.shape())
    }

    /// How fast it is decoded beside others, where a container may choose it by itself: numbers per look-up, since
    /// look-ups wait for each other (`ecf8-codegen/OPTIMIZATION.md`). `None` for one that is taken only where it is
    /// named.
    fn rank(&self) -> Option<u32> {
        None
    }

    /// The most elements that a byte of all parts together can be for: a symbol takes a bit or more, unless a scheme says
    /// otherwise. So readers can refuse what no file holds before they ask for memory.
    fn most_per_byte(&self) -> u64 {
        8 * self.symbols().elements as u64
    }

    /// The parts that an encoded tensor consists of, in their order in a container.
    fn part_specs(&self, split: &Split) -> &'static [PartSpec];

    /// The scheme's parameters; a container omits those which have their usual value.
    fn params(&self) -> &'static [ParamSpec];

    /// Whether a container may share between tensors what it can: codebooks that are nearly as good, and one stored
    /// tensor for the parts of all small ones. Otherwise every tensor has its own, under its own name.
    fn shares(&self) -> bool {
        false
    }

    /// Whether runs of a tensor may have codebooks of their own.
    fn has_runs(&self) -> bool {
        false
    }

    /// Whether codebooks are of frequencies, not of code lengths.
    fn has_frequencies(&self) -> bool {
        false
    }

    /// Whether symbols may be without a codeword, which are then stored otherwise.
    fn patches(&self) -> bool {
        false
    }

    /// Counts the symbols of a tensor, in parallel.
    fn symbol_histogram(&self, numbers: Numbers<'_>) -> Histogram {
        self.symbol_histogram_of(numbers.split, &[numbers.bytes])
    }

    /// Counts the symbols of pieces of a tensor, in parallel.
    fn symbol_histogram_of(&self, split: &Split, pieces: &[&[u8]]) -> Histogram;

    /// The best codebook for these symbols.
    fn codebook(&self, histogram: &Histogram) -> Codebook;

    /// The limits that [`Scheme::codebook_within`] takes, in bits of a codeword.
    fn code_bits(&self) -> RangeInclusive<u8>;

    /// The best codebook for these symbols with at most `limit` bits to a codeword, or the nearest limit that is
    /// possible.
    fn codebook_within(&self, histogram: &Histogram, limit: u8) -> Codebook;

    /// Bytes of each part, in the order of [`Scheme::part_specs`], of a tensor under `codebook`: exact or upper bounds,
    /// each for itself, and without a container's padding.
    fn part_bytes(&self, split: &Split, counted: &Counted<'_>, codebook: &Codebook) -> Vec<u64>;

    /// Bytes of all parts together: exact, which is the sum of [`Scheme::part_bytes`], or what is likely, but for what
    /// chunks cost.
    fn encoded_bytes(&self, split: &Split, counted: &Counted<'_>, codebook: &Codebook) -> u64 {
        self.part_bytes(split, counted, codebook).into_iter().fold(0, u64::saturating_add)
    }

    /// The fewest bytes of each part, or fewer, that this many elements can take under any codebook; `coded_bits` are
    /// what their coded bytes take at their entropy.
    fn least_bytes(&self, _split: &Split, _elements: u64, _coded_bits: u64) -> Vec<u64> {
        Vec::new()
    }

    /// What chunks are likely to take beyond [`Scheme::encoded_bytes`] when [`Scheme::encode_for`] chooses their size.
    fn chunk_bytes(&self, _elements: u64, _aim: Aim) -> u64 {
        0
    }

    /// Encodes a tensor, in parallel, without an aim.
    ///
    /// # Errors
    /// As [`Scheme::encode_for`].
    fn encode(&self, numbers: Numbers<'_>, codebook: &Codebook) -> Result<Encoded<'static>, EncodeError> {
        self.encode_for(numbers, &codebook.into(), Aim::default())
    }

    /// Encodes a tensor, in parallel; schemes without a choice have no use for an aim.
    ///
    /// # Errors
    /// If the scheme does not take such numbers, a codebook lacks a symbol of the data or has another alphabet, there are
    /// runs and the scheme has none or chunks of theirs do not fill them, the data end within a number, or the tensor is
    /// larger than the scheme can point into.
    fn encode_for(
        &self,
        numbers: Numbers<'_>,
        codebooks: &Codebooks,
        aim: Aim,
    ) -> Result<Encoded<'static>, EncodeError>;

    /// Encodes a tensor as [`Scheme::encode_for`] does, group by group of at most `most_bytes` bytes of numbers, or of the fewest
    /// that the layout permits, so that no more of it is in memory. Gives its parameters; none, if `take` wants no more.
    /// `None` if the scheme encodes whole tensors only.
    ///
    /// # Errors
    /// As [`Scheme::encode_for`].
    fn encode_groups(
        &self,
        _numbers: Numbers<'_>,
        _codebooks: &Codebooks,
        _aim: Aim,
        _most_bytes: usize,
        _take: &mut TakeGroup<'_>,
    ) -> Option<Result<BTreeMap<String, u64>, EncodeError>> {
        None
    }

    /// Checks what a decoder that checks nothing relies on to stay within the parts. In parallel; no codeword is read.
    ///
    /// # Errors
    /// The first contradiction.
    fn check(&self, encoded: &Encoded<'_>) -> Result<(), DecodeError>;

    /// Decodes into `out` (`elements` × bytes per element), fast and in parallel.
    ///
    /// # Errors
    /// If the parts contradict each other, the codebook or the length of `out`. Damaged parts never panic; `out` then
    /// holds bytes without meaning.
    fn decode(&self, encoded: &Encoded<'_>, out: &mut [u8]) -> Result<(), DecodeError>;

    /// Decodes as [`Scheme::decode`] does, piece by piece, into memory for one of them: some 8 MiB, however large the
    /// tensor is. Ends early, without an error, if `take` wants no more. What was taken has no meaning if this fails.
    ///
    /// # Errors
    /// As [`Scheme::decode`]; or if there is no memory for a piece.
    fn decode_pieces(&self, encoded: &Encoded<'_>, take: &mut TakePiece<'_>) -> Result<(), DecodeError>;

    /// Decodes as many elements as `out` has room for, from unit `first` on, and as few others as the layout permits.
    ///
    /// # Errors
    /// As [`Scheme::decode`], as far as what is wrong concerns these elements; or if they go beyond the last element.
    fn decode_range(&self, encoded: &Encoded<'_>, first: u64, out: &mut [u8]) -> Result<(), DecodeError>;

    /// Which units depend on damaged bytes of parts; `None` where that is not known, so that it may be all.
    fn affected(&self, _encoded: &Encoded<'_>, _damaged: &[DamagedPart]) -> Option<Vec<Range<u64>>> {
        None
    }

    /// Decodes as [`Scheme::decode`] does, but sequentially and plainly, from the format's description alone and
    /// without the synchronisation parts. What others are compared with.
    ///
    /// # Errors
    /// If the stream does not hold exactly the elements promised, or the length of `out` differs.
    fn decode_reference(&self, encoded: &Encoded<'_>, out: &mut [u8]) -> Result<(), DecodeError>;
}

/// The range of `bytes` bytes of elements from element `first` on, if they exist.
fn range_of(encoded: &Encoded<'_>, first: u64, bytes: usize) -> Result<Range<usize>, DecodeError> {
    let count = bytes / encoded.split.element.bytes;
    let (end, elements) = (first.saturating_add(count as u64), encoded.elements);
    let range = usize::try_from(first).ok().zip(usize::try_from(end).ok()).filter(|_| end <= elements);
    range.map(|(first, end)| first..end).ok_or(DecodeError::OutputRange { first, end, elements })
}

static SCHEMES: [&dyn Scheme; 7] = [
    &exponent_gap::EXPONENT_GAP,
    &lanes::QUAD_LANES,
    &lanes::TRIPLE_LANES,
    &lanes::PAIR_LANES,
    &lanes::PAIR6_LANES,
    &lanes::BYTE_LANES,
    &lanes::ANS_LANES,
];

/// All schemes, the default first.
#[must_use]
pub fn schemes() -> &'static [&'static dyn Scheme] {
    &SCHEMES
}

/// The scheme of this name.
#[must_use]
pub fn scheme(name: &str) -> Option<&'static dyn Scheme> {
    schemes().iter().copied().find(|scheme| scheme.name() == name)
}
