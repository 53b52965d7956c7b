//! What a tensor becomes beside another of the same dtype and shape: streams of bytes, which are tensors of a delta.
//!
//! Numbers are transformed, and each of their bytes is a stream of its own, a plane: bytes of one significance are distributed
//! alike. Where few numbers have changed, planes are of those only, and two more streams tell which they are: of each block of
//! [`BLOCK`] numbers how many, and where in it.

use super::{Transform, TransformError, Word, with_words};
use safetensors::Dtype;
use std::borrow::Cow;

/// Numbers of a block: as many as have places of seven bits.
pub const BLOCK: usize = 128;

/// Bytes that are transformed at once: whole blocks of numbers of any width, few enough for a processor's cache.
pub(crate) const PIECE: usize = 256 << 10;

/// Bytes of a number of this safetensors dtype, as it is transformed; of types whose numbers fill no whole bytes, and of those that
/// safetensors does not have, 1.
#[must_use]
pub fn width_of(dtype: &str) -> usize {
    match serde_json::from_value::<Dtype>(dtype.into()).map_or(0, |dtype| dtype.bitsize() / 8) {
        width @ (2 | 4 | 8) => width,
        _ => 1,
    }
}

/// How a tensor is told from its base.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// The transform.
    pub transform: &'static dyn Transform,
    /// Whether only numbers that have changed are in the planes.
    pub is_sparse: bool,
    /// Bytes of a number.
    pub width: usize,
}

/// One of the streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// How many numbers of each block have changed, a byte each.
    Counts,
    /// Where in their blocks these are, a byte each; nothing of blocks that have changed as a whole.
    Places,
    /// A byte of each number, 0 for the most significant.
    Plane(usize),
}

impl Form {
    /// The streams, in the order in which they are stored.
    #[must_use]
    pub fn streams(&self) -> Vec<Stream> {
        let sparse = [Stream::Counts, Stream::Places];
        let sparse = sparse.into_iter().filter(|_| self.is_sparse);
        sparse.chain((0..self.width).map(Stream::Plane)).collect()
    }

    /// What a stream's tensor is called, behind the name of the one that it is of.
    #[must_use]
    pub fn suffix(&self, stream: Stream) -> String {
        match stream {
            Stream::Counts => "counts".to_owned(),
            Stream::Places => "places".to_owned(),
            Stream::Plane(plane) => format!("{}.{plane}", self.transform.name()),
        }
    }

    /// A stream of a tensor beside its base.
    ///
    /// # Errors
    /// If the base has another length, or the width does not divide it.
    pub fn stream(&self, stream: Stream, own: &[u8], base: &[u8]) -> Result<Vec<u8>, TransformError> {
        let mut bytes = Vec::new();
        match (stream, self.is_sparse) {
            (Stream::Plane(plane), false) => {
                bytes.reserve_exact(own.len() / self.width);
                let mut piece = Vec::with_capacity(PIECE.min(own.len()));
                for (own, base) in own.chunks(PIECE).zip(base.chunks(PIECE)) {
                    piece.clear();
                    piece.extend_from_slice(own);
                    self.plane(plane, &mut piece, base, &mut bytes)?;
                }
            }
            (Stream::Plane(plane), true) => {
                let (mut changed, mut before) = (Vec::new(), Vec::new());
                for block in blocks(own, base, self.width) {
                    for place in places(block.changed) {
                        let number = place * self.width..(place + 1) * self.width;
                        changed.extend_from_slice(&block.own[number.clone()]);
                        before.extend_from_slice(&block.base[number]);
                    }
                    if changed.len() >= PIECE {
                        self.plane(plane, &mut changed, &before, &mut bytes)?;
                        changed.clear();
                        before.clear();
                    }
                }
                self.plane(plane, &mut changed, &before, &mut bytes)?;
            }
            (Stream::Counts, _) => bytes.extend(blocks(own, base, self.width).map(|block| block.count())),
            (Stream::Places, _) => {
                for block in blocks(own, base, self.width).filter(|block| !block.is_whole(self.width)) {
                    bytes.extend(places(block.changed).map(low));
                }
            }
        }
        Ok(bytes)
    }

    /// Transforms some numbers, and adds a plane of them.
    fn plane(
        &self,
        plane: usize,
        own: &mut [u8],
        base: &[u8],
        to: &mut Vec<u8>,
    ) -> Result<(), TransformError> {
        self.transform.forward(own, base, self.width)?;
        to.extend(own.chunks_exact(self.width).map(|number| number[self.width - 1 - plane]));
        Ok(())
    }

    /// The tensor that has these streams, in order, beside this base.
    ///
    /// # Errors
    /// What is wrong with the streams, if they are not those of any tensor.
    pub fn restore(&self, streams: &[Cow<'_, [u8]>], base: &[u8]) -> Result<Vec<u8>, String> {
        let is_of_numbers = base.len().is_multiple_of(self.width);
        if !is_of_numbers || streams.len() != self.streams().len() {
            return Err(format!("{} streams for numbers of {} bytes", streams.len(), self.width));
        }
        let wrong = |error: TransformError| error.to_string();
        let (about, planes) = streams.split_at(streams.len() - self.width);
        let [counts, listed] = about else {
            let mut own = self.joined(planes, base.len() / self.width)?;
            self.transform.inverse(&mut own, base, self.width).map_err(wrong)?;
            return Ok(own);
        };
        let numbers = base.len() / self.width;
        let changed: Vec<usize> = changed(counts, listed, numbers)?;
        let mut values = self.joined(planes, changed.len())?;
        let number = |place: usize| place * self.width..(place + 1) * self.width;
        let before: Vec<u8> = changed.iter().flat_map(|place| &base[number(*place)]).copied().collect();
        self.transform.inverse(&mut values, &before, self.width).map_err(wrong)?;
        let mut own = base.to_vec();
        for (place, value) in changed.into_iter().zip(values.chunks_exact(self.width)) {
            own[number(place)].copy_from_slice(value);
        }
        Ok(own)
    }

    /// Numbers of these planes.
    fn joined(&self, planes: &[Cow<'_, [u8]>], numbers: usize) -> Result<Vec<u8>, String> {
        if let Some(plane) = planes.iter().find(|plane| plane.len() != numbers) {
            return Err(format!("a plane of {} bytes for {numbers} numbers", plane.len()));
        }
        let mut joined = vec![0; numbers * self.width];
        for (plane, bytes) in planes.iter().enumerate() {
            let numbers = joined.chunks_exact_mut(self.width);
            numbers.zip(&**bytes).for_each(|(number, byte)| number[self.width - 1 - plane] = *byte);
        }
        Ok(joined)
    }
}

/// Which of `numbers` numbers have changed, in order.
fn changed(counts: &[u8], listed: &[u8], numbers: usize) -> Result<Vec<usize>, String> {
    if counts.len() != numbers.div_ceil(BLOCK) {
        return Err(format!("{} counts for {numbers} numbers", counts.len()));
    }
    let (mut changed, mut listed) = (Vec::new(), listed.iter().map(|place| usize::from(*place)));
    for (block, count) in counts.iter().map(|count| usize::from(*count)).enumerate() {
        let first = block * BLOCK;
        let own = BLOCK.min(numbers - first);
        if count == own {
            changed.extend(first..first + own);
            continue;
        }
        let mut least = 0;
        for _ in 0..count {
            let place = listed.next().filter(|place| (least..own).contains(place));
            let place = place.ok_or_else(|| format!("places that are none in block {block}"))?;
            changed.push(first + place);
            least = place + 1;
        }
    }
    match listed.next() {
        None => Ok(changed),
        Some(_) => Err("more places than numbers that have changed".to_owned()),
    }
}

/// Numbers that follow each other, beside those of the base.
pub(crate) struct Block<'a> {
    own: &'a [u8],
    base: &'a [u8],
    /// A bit for each number that has changed, the first the lowest.
    changed: u128,
}

impl Block<'_> {
    /// How many have changed.
    pub(crate) fn count(&self) -> u8 {
        self.changed.count_ones().to_le_bytes()[0]
    }

    /// Whether all have.
    pub(crate) fn is_whole(&self, width: usize) -> bool {
        self.own.len() / width == usize::from(self.count())
    }
}

/// The blocks of two tensors that are equally long.
pub(crate) fn blocks<'a>(
    own: &'a [u8],
    base: &'a [u8],
    width: usize,
) -> impl Iterator<Item = Block<'a>> + use<'a> {
    let both = own.chunks(BLOCK * width).zip(base.chunks(BLOCK * width));
    both.map(move |(own, base)| Block { own, base, changed: with_words!(width, differing(own, base)) })
}

fn differing<W: Word>(own: &[u8], base: &[u8]) -> u128 {
    if own == base { 0 } else { W::differing(own, base) }
}

/// The places of the bits that are 1, in order.
fn places(mut bits: u128) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
        bits &= bits - 1;
        Some(place)
    })
}

/// A place in a block as a byte.
fn low(place: usize) -> u8 {
    place.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::noise;
    use crate::transform::{Xor, transforms};

    fn forms() -> impl Iterator<Item = Form> {
        let each = |transform| {
            [1, 2, 4, 8]
                .into_iter()
                .flat_map(move |width| [false, true].map(|is_sparse| Form { transform, is_sparse, width }))
        };
        transforms().iter().copied().flat_map(each)
    }

    /// Bytes of which about one number in `every` differs from the base; all, if that is 1.
    fn beside(base: &[u8], width: usize, every: u32) -> Vec<u8> {
        let (mut own, dice) = (base.to_vec(), noise(5, base.len() + 4));
        for (place, number) in own.chunks_exact_mut(width).enumerate() {
            let throw = u32::from_le_bytes([dice[place], dice[place + 1], dice[place + 2], 0]);
            if throw.is_multiple_of(every) {
                number[place % width] ^= dice[place + 3] | 1;
            }
        }
        own
    }

    #[test]
    fn every_form_gives_back_what_it_was_made_of() {
        for form in forms() {
            for numbers in [0, 1, 127, 128, 129, 1000, 40_000] {
                for every in [1, 2, 100, 1 << 20] {
                    let base = noise(7, numbers * form.width);
                    let own = beside(&base, form.width, every);
                    let of = |stream| Cow::Owned(form.stream(stream, &own, &base).unwrap());
                    let streams: Vec<Cow<'_, [u8]>> = form.streams().into_iter().map(of).collect();
                    assert!(form.restore(&streams, &base).unwrap() == own, "{form:?} {numbers} {every}");
                }
            }
        }
    }

    #[test]
    fn streams_are_what_the_format_says() {
        let form = Form { transform: &Xor, is_sparse: true, width: 2 };
        let base = vec![0; 2 * 300];
        let mut own = base.clone();
        own[6] = 5;
        own[255] = 7;
        own[512..].fill(1);
        let of = |stream| form.stream(stream, &own, &base).unwrap();
        assert_eq!(of(Stream::Counts), [2, 0, 44]);
        assert_eq!(of(Stream::Places), [3, 127], "a block that has changed as a whole lists none");
        assert_eq!(of(Stream::Plane(0)), [&[0, 7][..], &[1; 44]].concat());
        assert_eq!(of(Stream::Plane(1)), [&[5, 0][..], &[1; 44]].concat());
    }

    #[test]
    fn streams_of_no_tensor_are_refused() {
        let form = Form { transform: &Xor, is_sparse: true, width: 1 };
        let base = [0; 130];
        let restore = |streams: [&[u8]; 3]| form.restore(&streams.map(Cow::Borrowed), &base);
        assert!(restore([&[1, 1], &[0, 1], &[1, 2]]).is_ok());
        let wrong: [[&[u8]; 3]; 7] = [
            [&[1], &[0], &[1]],
            [&[1, 1], &[0], &[1, 2]],
            [&[1, 1], &[0, 1, 1], &[1, 2]],
            [&[2, 0], &[1, 1], &[1, 2]],
            [&[1, 1], &[0, 2], &[1, 2]],
            [&[200, 0], &[1; 200], &[1; 200]],
            [&[1, 1], &[0, 1], &[1]],
        ];
        for streams in wrong {
            assert!(restore(streams).is_err(), "{streams:?}");
        }
        let dense = Form { is_sparse: false, ..form };
        assert!(dense.restore(&[Cow::Borrowed(&[0; 129])], &base).is_err());
        assert!(dense.restore(&[], &base).is_err());
    }
}
