//! One chunk: the bytes of its numbers by their place, each kind stored as it is or as Huffman codes.

use ruzstd::decoding::StreamingDecoder;
use std::borrow::Cow;
use std::io::Read;

/// Bytes that a block of Huffman codes stands for at most.
pub(super) const MOST_BYTES: usize = 128 << 10;

/// How numbers are put together from bytes of the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Planes {
    /// A byte each.
    One,
    /// The lower byte, then the upper.
    Two,
    /// The same, the exponent being moved to the top, and the sign below it.
    TwoFloat,
    /// Four, from the lowest, the exponent being moved to the top.
    FourFloat,
}

impl Planes {
    /// How many there are: bytes of a number.
    pub(super) fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two | Self::TwoFloat => 2,
            Self::FourFloat => 4,
        }
    }

    /// Restores a chunk from its planes.
    pub(super) fn restore<'m>(
        self,
        planes: impl Iterator<Item = (u8, &'m [u8])>,
        out: &mut [u8],
    ) -> Result<(), String> {
        let (count, bytes) = (self.count(), out.len());
        for (place, (kind, stored)) in planes.enumerate() {
            let wanted = bytes / count + usize::from(place < bytes % count);
            let plane = plane(kind, stored, wanted)?;
            for (out, byte) in out.iter_mut().skip(place).step_by(count).zip(plane.iter()) {
                *out = *byte;
            }
        }
        match self {
            Self::One | Self::Two => {}
            // Exponents are moved in two numbers at once: a last one alone stays as it is.
            Self::TwoFloat => out.as_chunks_mut::<4>().0.iter_mut().for_each(|pair| {
                for number in pair.as_chunks_mut::<2>().0 {
                    let [low, high] = *number;
                    *number = [low & 0x7f | high << 7, low & 0x80 | high >> 1];
                }
            }),
            Self::FourFloat => out.as_chunks_mut::<4>().0.iter_mut().for_each(|number| {
                let [_, _, low, high] = *number;
                (number[2], number[3]) = (low & 0x7f | high << 7, low & 0x80 | high >> 1);
            }),
        }
        Ok(())
    }
}

/// The bytes of one place, as many as wanted.
fn plane(kind: u8, stored: &[u8], wanted: usize) -> Result<Cow<'_, [u8]>, String> {
    match (kind, stored) {
        (0, stored) if stored.len() == wanted => Ok(Cow::Borrowed(stored)),
        (0, stored) => Err(format!("has {} bytes where {wanted} are stored as they are", stored.len())),
        (1, [byte]) => Ok(Cow::Owned(vec![*byte; wanted])),
        (1, stored) => huffman(stored, wanted).map(Cow::Owned),
        (kind, _) => Err(format!("is stored in an unknown way, {kind}")),
    }
}

/// Decodes a block of Huffman codes. It is what the literals of a zstd block are, so a frame is put around it that has nothing else.
fn huffman(stored: &[u8], wanted: usize) -> Result<Vec<u8>, String> {
    let damaged = |what: &str| format!("is damaged: its Huffman codes {what}");
    if wanted > MOST_BYTES || stored.len() >= wanted {
        return Err(damaged("are for more bytes than a block has, or for fewer than they take"));
    }
    // Type 2, a table and codes; size format 3, four streams with lengths of 18 bits.
    let literals = 2 | 3 << 2 | (wanted as u64) << 4 | (stored.len() as u64) << 22;
    let literals = &literals.to_le_bytes()[..5];
    // The literals, and a byte that says that there are no sequences.
    let size = literals.len() + stored.len() + 1;
    // The last block, of compressed kind.
    let block = 1 | 2 << 1 | (size as u64) << 3;
    let block = &block.to_le_bytes()[..3];
    // A window of 128 KiB, no checksum, and no length.
    let start = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 7 << 3];
    let frame = [&start, block, literals, stored, &[0]].concat();
    let mut decoded = Vec::with_capacity(wanted);
    let decoder =
        StreamingDecoder::new(&frame[..]).map_err(|error| damaged(&format!("have no table ({error})")))?;
    let read = decoder.take(wanted as u64 + 1).read_to_end(&mut decoded);
    match read {
        Ok(read) if read == wanted => Ok(decoded),
        Ok(read) => Err(damaged(&format!("stand for {read} bytes instead of {wanted}"))),
        Err(error) => Err(damaged(&format!("cannot be decoded ({error})"))),
    }
}
