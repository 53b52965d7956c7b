//! How the numbers of one tensor are split: what of them is coded, and what is stored beside the codewords.

use super::dictionary::Dictionary;
use super::planes::{self, Bytes};
use super::{Element, Shape, nibbles, rests};
use crate::histogram::Histogram;
use crate::int;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

pub use super::planes::SLOTS;

/// Exponents that four bits tell apart.
const WINDOW: usize = 16;

/// The place in the window that the most frequent exponent should have: weights have few exponents above it and many
/// below.
const USUAL_PLACE: usize = 12;

/// One part in this many of the numbers may be outside the window more than must be, so that tensors whose weights are
/// distributed alike have windows alike, and can share a codebook.
const LEEWAY: u64 = 4096;

/// What becomes of one byte of each number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plane {
    /// Codewords stand for it.
    Coded,
    /// It is stored as it is.
    Stored,
    /// It is this byte in all numbers, and not stored.
    Constant(u8),
}

/// How the numbers of a tensor are split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// The number type.
    pub element: &'static Element,
    /// The exponent that the field 0 stands for where four bits of an exponent of eight are coded; others are this and
    /// more, up to 15 more. What is outside is coded as what is nearest, and patched. At most 240; 0 where nothing of
    /// this applies.
    pub least_exponent: u8,
    /// The planes of an element of several bytes, the most significant first, one of them coded; empty for an element
    /// of one byte.
    pub planes: Vec<Plane>,
    /// If its numbers are few beside how often they occur, a list of them: then planes are of their places in it, whole
    /// numbers of as many bytes.
    pub dictionary: Option<Arc<Dictionary>>,
}

/// Numbers, and how they are split.
#[derive(Debug, Clone, Copy)]
pub struct Numbers<'a> {
    /// How.
    pub split: &'a Split,
    /// Their bytes, little endian: a multiple of [`Element::bytes`].
    pub bytes: &'a [u8],
}

static E4M3_SPLIT: Split =
    Split { element: &super::ELEMENTS[0], least_exponent: 0, planes: Vec::new(), dictionary: None };

impl<'a> Numbers<'a> {
    /// E4M3 numbers.
    #[must_use]
    pub fn e4m3(bytes: &'a [u8]) -> Self {
        Self { split: &E4M3_SPLIT, bytes }
    }

    /// How many units of [`Element::bytes`] they are.
    #[must_use]
    pub fn units(&self) -> u64 {
        self.bytes.len() as u64 / self.split.element.bytes as u64
    }

    /// The coded byte of each, in the order of slots.
    pub(crate) fn coded(&self) -> Cow<'a, [u8]> {
        if self.split.planes.is_empty() {
            return Cow::Borrowed(self.bytes);
        }
        let (mut places, mut coded) = (Vec::new(), Vec::new());
        self.split.coded_of(self.split.units_of(self.bytes, &mut places), &mut coded);
        Cow::Owned(coded)
    }
}

impl Split {
    /// The usual one: the most significant byte is coded, others are stored.
    #[must_use]
    pub fn usual(element: &'static Element) -> Self {
        let plane = |plane| if plane == 0 { Plane::Coded } else { Plane::Stored };
        let planes = if element.bytes > 1 { (0..element.bytes).map(plane).collect() } else { Vec::new() };
        Self { element, least_exponent: 0, planes, dictionary: None }
    }

    /// How the bits of what is split stand together: of numbers, or of their places in a dictionary.
    #[must_use]
    pub fn shape(&self) -> Shape {
        if self.dictionary.is_some() { Shape::Bytes } else { self.element.shape }
    }

    /// Puts the places of numbers in place of them, where there is a dictionary: what is split into planes.
    pub(crate) fn replace_by_places(&self, numbers: &mut [u8]) {
        if let Some(dictionary) = &self.dictionary {
            dictionary.replace_by_places(numbers);
        }
    }

    /// What is split of numbers: themselves, or, where there is a dictionary, their places in `memory`.
    pub(crate) fn units_of<'a>(&self, numbers: &'a [u8], memory: &'a mut Vec<u8>) -> &'a [u8] {
        if self.dictionary.is_none() {
            return numbers;
        }
        memory.clear();
        memory.extend_from_slice(numbers);
        self.replace_by_places(memory);
        memory
    }

    /// The coded byte of each of what is split, in the order of slots; in `memory`, where numbers have several.
    pub(crate) fn coded_of<'a>(&self, units: &'a [u8], memory: &'a mut Vec<u8>) -> &'a [u8] {
        if self.planes.is_empty() {
            return units;
        }
        planes::take(self.shape(), self.element.bytes, self.coded_plane(), units, memory);
        memory
    }

    /// Bytes of the dictionary.
    pub(crate) fn dictionary_bytes(&self) -> Option<u64> {
        self.dictionary.as_ref().map(|dictionary| dictionary.bytes())
    }

    /// The one that suits numbers with these counts of each plane's bytes, the most significant plane first: planes
    /// that are all one byte are not stored. Of the others, an exponent is coded, or whatever byte has the least
    /// entropy.
    #[must_use]
    pub fn suited(
        element: &'static Element,
        dictionary: Option<Arc<Dictionary>>,
        counts: &[Histogram],
    ) -> Self {
        let mut split = Self { dictionary, ..Self::usual(element) };
        if counts.len() == split.planes.len() {
            for (plane, counts) in split.planes.iter_mut().zip(counts) {
                *plane = match counts.present() {
                    [(byte, _)] => Plane::Constant(int::low_byte(*byte as u64)),
                    _ => Plane::Stored,
                };
            }
            let entropy = |plane: &usize| counts[*plane].entropy_bits();
            let varying = (0..counts.len()).filter(|plane| split.planes[*plane] == Plane::Stored);
            let coded = match split.shape() {
                Shape::Exponent => 0,
                _ => varying.min_by(|a, b| entropy(a).total_cmp(&entropy(b))).unwrap_or(0),
            };
            if let Some(plane) = split.planes.get_mut(coded) {
                *plane = Plane::Coded;
            }
        }
        if let (Shape::Exponent, Some(exponents)) = (split.shape(), counts.first()) {
            split.least_exponent = window(exponents);
        }
        split
    }

    /// Which plane is coded.
    #[must_use]
    pub fn coded_plane(&self) -> usize {
        self.planes.iter().position(|plane| *plane == Plane::Coded).unwrap_or(0)
    }

    /// Whether it is one that the format has.
    pub(crate) fn is_possible(&self) -> bool {
        let coded = self.planes.iter().filter(|plane| **plane == Plane::Coded).count();
        let (planes, coded_planes) = if self.element.bytes > 1 { (self.element.bytes, 1) } else { (0, 0) };
        let is_first = self.shape() != Shape::Exponent || self.planes.first() == Some(&Plane::Coded);
        let window = if self.shape() == Shape::Exponent { 256 - WINDOW } else { 0 };
        self.planes.len() == planes
            && coded == coded_planes
            && is_first
            && usize::from(self.least_exponent) <= window
            && self.dictionary.as_ref().is_none_or(|one| self.fits(one))
    }

    /// Whether a dictionary is one of its numbers, whose places are two bytes of what is split.
    fn fits(&self, dictionary: &Dictionary) -> bool {
        let above = self.planes.iter().rev().skip(2);
        self.planes.len() > 1
            && dictionary.width() == self.element.bytes
            && above.into_iter().all(|plane| *plane == Plane::Constant(0))
    }

    /// Whether fields of this many bits have a window of exponents.
    fn is_windowed(&self, bits: u32) -> bool {
        bits == 4 && self.shape() == Shape::Exponent
    }

    /// Whether fields of this many bits share their byte with raw bits, which are stored beside codewords.
    fn is_shared(&self, bits: u32) -> bool {
        bits < 8 && self.shape() == Shape::Nibble
    }

    /// How many of the numbers with these exponents are outside the window.
    #[must_use]
    pub fn outside(&self, bits: u32, exponents: &Histogram) -> u64 {
        if !self.is_windowed(bits) {
            return 0;
        }
        let window = usize::from(self.least_exponent)..usize::from(self.least_exponent) + WINDOW;
        exponents
            .present()
            .iter()
            .filter(|(exponent, _)| !window.contains(exponent))
            .map(|(_, count)| count)
            .sum()
    }

    /// Fields of this many bits of coded bytes.
    pub(crate) fn fields<'a>(&self, bits: u32, coded: &'a [u8], memory: &'a mut Vec<u8>) -> &'a [u8] {
        memory.clear();
        if self.is_shared(bits) {
            let (after, mask) = (7 - bits, 0xff >> (8 - bits));
            memory.extend(coded.iter().map(|byte| byte >> after & mask));
        } else if self.is_windowed(bits) {
            memory.extend(coded.iter().map(|exponent| exponent.saturating_sub(self.least_exponent).min(15)));
        } else {
            return coded;
        }
        memory
    }

    /// The places of coded bytes whose fields stand for something else.
    pub(crate) fn places_outside<'a>(&self, bits: u32, coded: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
        let (is_windowed, least) = (self.is_windowed(bits), self.least_exponent);
        let coded = if is_windowed { coded } else { &[] };
        let is_outside = move |exponent: u8| exponent.wrapping_sub(least) > 15;
        // Hardly any are, so that most are looked at many at a time.
        const AT_ONCE: usize = 64;
        let some = coded.chunks(AT_ONCE).enumerate().filter(move |(_, exponents)| {
            exponents.iter().fold(false, |any, exponent| any | is_outside(*exponent))
        });
        some.flat_map(move |(index, exponents)| {
            let those =
                (AT_ONCE * index..).zip(exponents).filter(move |(_, exponent)| is_outside(**exponent));
            those.map(|(place, _)| place)
        })
    }

    /// Whether something of numbers is stored beside codewords of fields of this many bits.
    pub(crate) fn has_packed(&self, bits: u32) -> bool {
        self.is_shared(bits) || self.element.bytes > 1
    }

    /// Planes that are stored.
    fn stored(&self) -> impl Iterator<Item = usize> + '_ {
        let planes = self.planes.iter().enumerate();
        planes.filter(|(_, plane)| **plane == Plane::Stored).map(|(plane, _)| plane)
    }

    /// Bytes of what is stored beside codewords.
    pub(crate) fn packed_bytes(&self, bits: u32, units: u64) -> u64 {
        if self.is_shared(bits) {
            return if bits == 4 { nibbles::packed_bytes(units) } else { rests::packed_bytes(units) };
        }
        planes::stored_bytes(units).saturating_mul(self.stored().count() as u64)
    }

    /// Cuts the memory for what is stored into what chunks of this many units fill.
    pub(crate) fn rooms<'p>(
        &self,
        bits: u32,
        packed: &'p mut [u8],
        units: u64,
        chunk: usize,
    ) -> Vec<Vec<&'p mut [u8]>> {
        let count = int::index(units.div_ceil(chunk as u64));
        let mut rooms: Vec<Vec<&mut [u8]>> = (0..count).map(|_| Vec::new()).collect();
        let (each, plane) = if self.is_shared(bits) {
            (chunk * (8 - bits as usize) / 8, packed.len())
        } else {
            (chunk, int::index(planes::stored_bytes(units)))
        };
        for plane in packed.chunks_mut(plane.max(1)) {
            rooms.iter_mut().zip(plane.chunks_mut(each)).for_each(|(rooms, room)| rooms.push(room));
        }
        rooms
    }

    /// What is stored of some of `units` numbers in all, which begin and end between chunks or at the end: one slice for
    /// each plane.
    pub(crate) fn stored_of<'p>(
        &self,
        bits: u32,
        packed: &'p [u8],
        units: u64,
        some: Range<usize>,
    ) -> impl Iterator<Item = &'p [u8]> {
        let is_shared = self.is_shared(bits);
        let plane = if is_shared { packed.len() } else { int::index(planes::stored_bytes(units)) };
        let place = move |unit: usize| if is_shared { unit * (8 - bits as usize) / 8 } else { unit };
        packed.chunks(plane.max(1)).map(move |plane| {
            let end = place(some.end).min(plane.len());
            &plane[place(some.start).min(end)..end]
        })
    }

    /// Stores of a chunk of what is split what codewords do not stand for.
    pub(crate) fn pack(&self, bits: u32, units: &[u8], memory: &mut Vec<u8>, rooms: &mut [&mut [u8]]) {
        let (bytes, shape) = (self.element.bytes, self.shape());
        if self.is_shared(bits) {
            rooms.iter_mut().for_each(|room| match bits {
                4 => nibbles::pack(units, room),
                _ => rests::pack(units, room),
            });
            return;
        }
        for (plane, room) in self.stored().zip(rooms) {
            planes::take(shape, bytes, plane, units, memory);
            planes::store(planes::is_turned(shape, plane), memory, room);
        }
    }

    /// Whether what is stored is zero where there is no number any more.
    pub(crate) fn ends_in_zeros(&self, bits: u32, packed: &[u8], units: u64) -> bool {
        if self.is_shared(bits) {
            return match bits {
                4 => nibbles::ends_in_zeros(packed, units),
                _ => rests::ends_in_zeros(packed, units),
            };
        }
        let plane_bytes = int::index(planes::stored_bytes(units));
        let used = int::index(units % 16);
        let mut last = Vec::new();
        self.stored().zip(packed.chunks(plane_bytes.max(16))).all(|(plane, bytes)| {
            let vector = bytes.last_chunk::<16>().filter(|_| used > 0);
            vector.is_none_or(|vector| {
                planes::read(planes::is_turned(self.shape(), plane), vector, &mut last);
                last[used..].iter().all(|byte| *byte == 0)
            })
        })
    }

    /// Turns fields of the slots from `first` on, a multiple of [`SLOTS`], into coded bytes.
    pub(crate) fn uncode(&self, bits: u32, packed: &[u8], first: usize, fields: &mut [u8]) {
        if self.is_shared(bits) {
            let packed = &packed[first * (8 - bits as usize) / 8..];
            match bits {
                4 => nibbles::unpack_onto(packed, fields),
                _ => rests::unpack_onto(packed, fields),
            }
        } else if self.is_windowed(bits) {
            fields.iter_mut().for_each(|field| *field = field.wrapping_add(self.least_exponent));
        }
    }

    /// Puts coded bytes of the slots from `first` on and what is stored of `units` numbers in all together to numbers
    /// of several bytes.
    pub(crate) fn join(&self, coded: &[u8], packed: &[u8], units: u64, first: usize, out: &mut [u8]) {
        let (bytes, shape) = (self.element.bytes, self.shape());
        let plane_bytes = int::index(planes::stored_bytes(units));
        let end = coded.len().next_multiple_of(16);
        let mut stored = packed.chunks(plane_bytes.max(1));
        let mut turned = Vec::new();
        let mut read: Vec<Bytes<'_>> = Vec::with_capacity(bytes);
        let mut place_of_turned = None;
        for (index, plane) in self.planes.iter().enumerate() {
            read.push(match plane {
                Plane::Coded => Bytes::Each(coded),
                Plane::Constant(byte) => Bytes::All(*byte),
                Plane::Stored => {
                    let own =
                        stored.next().and_then(|plane| plane.get(first..first + end)).unwrap_or_default();
                    if planes::is_turned(shape, index) {
                        planes::read(true, own, &mut turned);
                        place_of_turned = Some(index);
                    }
                    Bytes::Each(own)
                }
            });
        }
        if let Some(place) = place_of_turned {
            read[place] = Bytes::Each(&turned);
        }
        planes::join(shape, &read, out);
        if let Some(dictionary) = &self.dictionary {
            dictionary.look_up(out);
        }
    }
}

/// The least exponent of the best window: few numbers are outside, and the most frequent exponent stands where it
/// usually does.
fn window(exponents: &Histogram) -> u8 {
    let counts = exponents.counts();
    let (total, mode) =
        (exponents.total(), (0..counts.len()).max_by_key(|exponent| counts[*exponent]).unwrap_or(0));
    let inside = |least: usize| counts.iter().skip(least).take(WINDOW).sum::<u64>();
    let windows = 0..=256 - WINDOW;
    let most = windows.clone().map(inside).max().unwrap_or(0);
    let usual = mode.saturating_sub(USUAL_PLACE);
    let good = windows.filter(|least| inside(*least) >= most.saturating_sub(total / LEEWAY));
    let best = good.min_by_key(|least| (least.abs_diff(usual), *least)).unwrap_or(0);
    int::low_byte(best as u64)
}
