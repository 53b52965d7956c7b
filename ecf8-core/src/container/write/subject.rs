//! What one reading of a tensor tells, before anything is decided.

use super::drift::{Piece, Pieces, Runs};
use super::sharing::{self, Code};
use crate::checksum::checksum;
use crate::codebook::Codebook;
use crate::container::sizes::{kept_entry, padded_to, part_alignment, stored_bytes};
use crate::container::{CompressOptions, SMALL_BYTES};
use crate::element::{self, Element, Numbers, RUN, Split};
use crate::error::Result;
use crate::header::TensorRecord;
use crate::histogram::Histogram;
use crate::int;
use crate::layout::{Aim, Codebooks, Counted, EncodeError, Encoded, Scheme};
use crate::map::give_back;
use crate::source::Source;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// Tensors of fewer bytes are counted anew whenever their symbols are needed: that takes less time than what they would
/// be kept in takes memory.
const HELD_FROM: u64 = 64 << 10;

/// Bytes of histograms that are kept at most, over all tensors of a file; beyond, symbols are counted anew.
const HELD_BYTES: u64 = 192 << 20;

/// A tensor of at least this many bytes is sampled to see which schemes come into question.
const SAMPLED_FROM: u64 = 16 << 20;

/// Of how many runs in a row a sample has the first.
const SAMPLED_EVERY: usize = 8;

/// Bytes of each piece of a sample of a file: some pages, and whole rounds of every layout.
pub(super) const SAMPLE_PIECE: u64 = 12 << 10;

/// The fewest bytes that the manifest takes to describe a tensor, deflated: its checksum alone is eight.
const LEAST_DESCRIBED: u64 = 32;

/// A tensor that some scheme takes.
pub(super) struct Subject<'a> {
    pub(super) record: &'a TensorRecord,
    pub(super) data: Data<'a>,
    /// Bytes that are looked at.
    pub(super) bytes: u64,
    /// How its numbers are split.
    pub(super) split: Split,
    /// Of its bytes.
    pub(super) checksum: u64,
    /// Of its numbers, if they are floats.
    pub(super) exponents: Option<Histogram>,
    /// What is distributed alike: all of it, or the runs of one class.
    pub(super) pieces: Vec<Piece>,
    /// The runs, if there are several pieces.
    pub(super) runs: Option<Runs>,
    /// Of all bytes, in bits per byte.
    pub(super) byte_entropy: f64,
    /// What it takes where it is kept: data, header entry and checksum.
    pub(super) kept_bytes: u64,
    /// What it takes by each scheme that comes into question; `None` where it cannot gain.
    pub(super) alone: Vec<Option<Alone>>,
}

/// What is looked at of a tensor.
#[derive(Clone, Copy)]
pub(super) enum Data<'a> {
    /// All of it, asked for whenever it is needed: what a source makes anew does not stay in memory.
    Whole(&'a dyn Source),
    /// A sample, which is taken anew, too; the number says how many bytes it has at most.
    Sample(&'a dyn Source, u64),
}

impl<'a> Data<'a> {
    fn bytes(self, record: &TensorRecord) -> Result<Cow<'a, [u8]>> {
        match self {
            Self::Whole(source) => source.bytes(record),
            Self::Sample(source, most) => source.bytes(record).map(|bytes| sample(bytes, most)),
        }
    }
}

/// Evenly spaced pieces of a tensor, at most `most` bytes of it together.
fn sample(data: Cow<'_, [u8]>, most: u64) -> Cow<'_, [u8]> {
    if data.len() as u64 <= most {
        return data;
    }
    let (piece, pieces) = (int::index(SAMPLE_PIECE), int::index((most / SAMPLE_PIECE).max(1)));
    let apart = data.len() / pieces;
    let mut sample = Vec::with_capacity(piece * pieces);
    for number in 0..pieces {
        // From the middle of each stretch: the first rows of a tensor may be unlike the others.
        let start = number * apart + apart.saturating_sub(piece) / 2;
        sample.extend_from_slice(&data[start..data.len().min(start + piece)]);
    }
    give_back(&data);
    Cow::Owned(sample)
}

/// What a tensor takes by a scheme, if it shares with no other.
pub(super) struct Alone {
    /// Bytes without a codebook, at least.
    pub(super) least: u64,
    /// Bytes with a codebook of its own, at most.
    pub(super) most: u64,
    symbols: Option<Vec<Histogram>>,
}

/// How tensors are read.
pub(super) struct Reading<'s> {
    /// The schemes that come into question.
    pub(super) schemes: &'s [&'static dyn Scheme],
    pub(super) code: Code,
    /// What runs of a tensor are for.
    pub(super) aim: Aim,
    /// Whether even a small tensor's own codebooks are looked at: of many tensors, that would take longer than encoding
    /// them, and says little, since they will share.
    pub(super) is_thorough: bool,
    /// Bytes of histograms that are kept so far.
    pub(super) held: AtomicU64,
}

impl<'s> Reading<'s> {
    pub(super) fn new(
        schemes: &'s [&'static dyn Scheme],
        options: &CompressOptions,
        is_thorough: bool,
    ) -> Self {
        let code = Code::new(options);
        Self { schemes, code, aim: options.aim, is_thorough, held: AtomicU64::new(0) }
    }

    pub(super) fn read<'a>(
        &self,
        record: &'a TensorRecord,
        element: &'static Element,
        data: Data<'a>,
    ) -> Result<Subject<'a>> {
        let bytes = data.bytes(record)?;
        // Places in a dictionary are whole bytes.
        let has_bytes = self.schemes.iter().any(|scheme| scheme.takes(element) && scheme.symbols().bits == 8);
        let count = if has_bytes { element::counts_with_dictionary } else { element::counts };
        let mut counts = count(element, &bytes);
        let has_runs = matches!(data, Data::Whole(_)) && self.schemes.iter().all(|scheme| scheme.has_runs());
        let pieces = Pieces::of(&mut counts, &bytes, self.aim, has_runs);
        let mut subject = Subject {
            record,
            data,
            bytes: bytes.len() as u64,
            checksum: checksum(&bytes),
            exponents: counts.exponents,
            byte_entropy: counts.bytes.entropy_bits(),
            pieces: pieces.list,
            runs: pieces.runs,
            split: counts.split,
            kept_bytes: stored_bytes(&kept_entry(record)),
            alone: Vec::new(),
        };
        let alone = |scheme: &&'static dyn Scheme| {
            let can_gain = scheme.takes_split(&subject.split) && subject.can_gain(*scheme);
            can_gain.then(|| self.alone(&subject, &bytes, *scheme))
        };
        subject.alone = self.schemes.iter().map(alone).collect();
        give_back(&bytes);
        Ok(subject)
    }

    fn alone(&self, subject: &Subject<'_>, data: &[u8], scheme: &'static dyn Scheme) -> Alone {
        let bytes = subject.bytes;
        // Bytes are counted already; and who aims at size wants to know exactly.
        let is_choice = self.schemes.len() > 1 && self.aim == Aim::Balanced && scheme.symbols().bits < 8;
        if is_choice && bytes >= SAMPLED_FROM && subject.runs.is_none() {
            return self.of_sample(subject, data, scheme);
        }
        if !self.is_thorough && bytes < HELD_FROM && scheme.shares() {
            let least = subject.least_parts(scheme).into_iter().fold(0, u64::saturating_add);
            return Alone { least, most: bytes.max(least), symbols: None };
        }
        let symbols = subject.count_in(data, scheme);
        let own = |symbols| sharing::codebook(scheme, &subject.split, symbols, self.code);
        let codebooks: Vec<Codebook> = symbols.iter().map(own).collect();
        let least = subject.encoded_bytes(scheme, &symbols, codebooks.iter());
        let most = codebooks.iter().map(sharing::stored_bytes).fold(least, u64::saturating_add);
        let size = symbols.iter().map(|symbols| size_of_val(symbols.present()) as u64).sum::<u64>();
        let is_held = bytes >= HELD_FROM && self.held.fetch_add(size, Ordering::Relaxed) + size <= HELD_BYTES;
        Alone { least, most, symbols: Some(symbols).filter(|_| is_held) }
    }

    /// About the same for a large tensor, whose symbols take longer to count than most schemes deserve. Those that may be chosen
    /// are counted whole.
    fn of_sample(&self, subject: &Subject<'_>, data: &[u8], scheme: &'static dyn Scheme) -> Alone {
        let units = subject.units();
        let starts = (0..units / RUN).step_by(SAMPLED_EVERY).map(|run| run * RUN);
        let ranges: Vec<Range<u64>> = starts.map(|start| start..start + RUN).collect();
        let sampled = RUN * ranges.len() as u64;
        let histogram = subject.count_ranges(data, scheme, &ranges);
        // Looking for a table of fewer bits that costs hardly more takes longer than counting did.
        let code = match self.code {
            Code::Judged => Code::Within(*scheme.code_bits().end()),
            given => given,
        };
        let codebook = sharing::codebook(scheme, &subject.split, &histogram, code);
        let bits = scheme.symbols().bits;
        let outside = subject.pieces.iter().map(|piece| subject.split.outside(bits, &piece.coded)).sum();
        let outside = in_proportion(outside, units, sampled);
        let counted = Counted { elements: sampled, histogram: &histogram, outside };
        let of_sample = scheme.encoded_bytes(&subject.split, &counted, &codebook);
        let least = in_proportion(of_sample, sampled, units);
        Alone { least, most: least.saturating_add(sharing::stored_bytes(&codebook)), symbols: None }
    }
}

impl Subject<'_> {
    /// The bytes that are looked at.
    ///
    /// # Errors
    /// If the source cannot give them again.
    pub(super) fn data(&self) -> Result<Cow<'_, [u8]>> {
        self.data.bytes(self.record)
    }

    /// How many units of its number type are looked at.
    pub(super) fn units(&self) -> u64 {
        self.bytes / self.split.element.bytes as u64
    }

    /// Encodes what is looked at.
    ///
    /// # Errors
    /// If the source cannot give it again, or it cannot be encoded.
    pub(super) fn encode(
        &self,
        scheme: &'static dyn Scheme,
        codebooks: &Codebooks,
        aim: Aim,
    ) -> Result<Result<Encoded<'static>, EncodeError>> {
        let data = self.data()?;
        let encoded = scheme.encode_for(Numbers { split: &self.split, bytes: &data }, codebooks, aim);
        give_back(&data);
        Ok(encoded)
    }

    /// What a scheme is told of each piece, whose symbols these are.
    pub(super) fn counted<'h>(
        &self,
        scheme: &dyn Scheme,
        symbols: &'h [Histogram],
    ) -> impl Iterator<Item = Counted<'h>> {
        let bits = scheme.symbols().bits;
        self.pieces.iter().zip(symbols).map(move |(piece, histogram)| {
            let outside = self.split.outside(bits, &piece.coded);
            Counted { elements: piece.elements, histogram, outside }
        })
    }

    /// What they are likely to take by a scheme, each piece with a codebook.
    pub(super) fn encoded_bytes<'c>(
        &self,
        scheme: &dyn Scheme,
        symbols: &[Histogram],
        codebooks: impl Iterator<Item = &'c Codebook>,
    ) -> u64 {
        let pieces = self.counted(scheme, symbols).zip(codebooks);
        let bytes = pieces.map(|(counted, codebook)| scheme.encoded_bytes(&self.split, &counted, codebook));
        bytes.fold(0, u64::saturating_add)
    }

    /// Bytes of each part, or more, by a scheme, each piece with a codebook.
    pub(super) fn part_bytes<'c>(
        &self,
        scheme: &dyn Scheme,
        symbols: &[Histogram],
        codebooks: impl Iterator<Item = &'c Codebook>,
    ) -> Vec<u64> {
        let pieces = self.counted(scheme, symbols).zip(codebooks);
        let parts = pieces.map(|(counted, codebook)| scheme.part_bytes(&self.split, &counted, codebook));
        let sum = |sums: Vec<u64>, parts: Vec<u64>| {
            sums.into_iter().zip(parts).map(|(sum, part)| sum.saturating_add(part)).collect()
        };
        parts.reduce(sum).unwrap_or_default()
    }

    /// What the whole tensor takes, where what is looked at of it takes so much.
    pub(super) fn of_whole(&self, bytes: u64) -> u64 {
        in_proportion(bytes, self.bytes, self.record.bytes())
    }

    /// The symbols of each piece by scheme number `index` of those that come into question.
    ///
    /// # Errors
    /// If they must be counted anew and the source cannot give its bytes again.
    pub(super) fn symbols(&self, index: usize, scheme: &dyn Scheme) -> Result<Cow<'_, [Histogram]>> {
        let held = self.alone.get(index).and_then(|alone| alone.as_ref()?.symbols.as_ref());
        match held {
            Some(held) => Ok(Cow::Borrowed(held)),
            None => self.count(scheme).map(Cow::Owned),
        }
    }

    /// Counts the symbols of each piece by a scheme.
    ///
    /// # Errors
    /// If the source cannot give its bytes again.
    pub(super) fn count(&self, scheme: &dyn Scheme) -> Result<Vec<Histogram>> {
        let data = self.data()?;
        let counted = self.count_in(&data, scheme);
        give_back(&data);
        Ok(counted)
    }

    fn count_in(&self, data: &[u8], scheme: &dyn Scheme) -> Vec<Histogram> {
        let of_piece = |piece: &Piece| match scheme.symbols().bits {
            // Symbols are the coded bytes.
            8 => piece.coded.clone(),
            _ => self.count_ranges(data, scheme, &piece.ranges),
        };
        self.pieces.iter().map(of_piece).collect()
    }

    /// Counts the symbols of some ranges of elements.
    fn count_ranges(&self, data: &[u8], scheme: &dyn Scheme, ranges: &[Range<u64>]) -> Histogram {
        let width = self.split.element.bytes;
        let bytes =
            |range: &Range<u64>| &data[int::index(range.start) * width..int::index(range.end) * width];
        let pieces: Vec<&[u8]> = ranges.iter().map(bytes).collect();
        let counted = scheme.symbol_histogram_of(&self.split, &pieces);
        pieces.into_iter().for_each(give_back);
        counted
    }

    /// Whether it is in the pool when compressed by a scheme.
    pub(super) fn is_pooled(&self, scheme: &dyn Scheme) -> bool {
        scheme.shares() && self.record.bytes() < SMALL_BYTES
    }

    /// Whether a scheme can make it smaller with any codebook.
    fn can_gain(&self, scheme: &dyn Scheme) -> bool {
        let alignment = part_alignment(self.is_pooled(scheme));
        let parts = self.least_parts(scheme).into_iter().map(|part| padded_to(alignment, part));
        let parts = parts.fold(0, u64::saturating_add);
        parts.saturating_add(LEAST_DESCRIBED) < self.kept_bytes
    }

    /// The fewest bytes of each part by a scheme.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bits of a tensor"
    )]
    fn least_parts(&self, scheme: &dyn Scheme) -> Vec<u64> {
        let bits = self.pieces.iter().map(|piece| piece.coded.entropy_bits() * piece.elements as f64);
        scheme.least_bytes(&self.split, self.units(), bits.sum::<f64>() as u64)
    }
}

/// What is `count` of `all`, of `others`. Saturates.
fn in_proportion(count: u64, all: u64, others: u64) -> u64 {
    u64::try_from(u128::from(count) * u128::from(others) / u128::from(all.max(1))).unwrap_or(u64::MAX)
}

/// The number type of a tensor that one of some schemes is for.
pub(super) fn takable(schemes: &[&'static dyn Scheme], tensor: &TensorRecord) -> Option<&'static Element> {
    let element = element::element(&tensor.dtype.to_string()).filter(|_| tensor.bytes() > 0)?;
    let is_whole = tensor.bytes().is_multiple_of(element.bytes as u64);
    (is_whole && schemes.iter().any(|scheme| scheme.takes(element))).then_some(element)
}
