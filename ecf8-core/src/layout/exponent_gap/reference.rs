//! Plain, sequential decoding, written from the format: canonical codes read bit by bit, no tables, no gaps.

use super::decode::{check_output, check_payload, check_stream_end};
use super::{FORMAT, MAX_LEN};
use crate::bits::BitReader;
use crate::codebook::Codebook;
use crate::layout::{DecodeError, Encoded};

pub(super) fn decode(encoded: &Encoded<'_>, out: &mut [u8]) -> Result<(), DecodeError> {
    check_output(encoded, out)?;
    let (stream, packed) = check_payload(encoded)?;
    let order: Vec<u8> = encoded
        .codebooks
        .first()
        .canonical_order()
        .into_iter()
        .filter_map(|s| u8::try_from(s).ok())
        .collect();
    let mut reader = BitReader::new(stream);
    for (element, out) in out.iter_mut().enumerate() {
        let exponent = next_symbol(&mut reader, encoded.codebooks.first(), &order)?;
        let pair = packed[element / 2];
        let raw = if element % 2 == 0 { pair >> 4 } else { pair & 15 };
        *out = FORMAT.merge(exponent, raw);
    }
    check_stream_end(stream, reader.position())
}

/// Reads one codeword. Among the codewords of one length, values are consecutive, from `first` on; `order` lists the
/// symbols in the order of their codewords, of which `before` are shorter.
fn next_symbol(reader: &mut BitReader<'_>, codebook: &Codebook, order: &[u8]) -> Result<u8, DecodeError> {
    let bit = reader.position();
    let (mut code, mut first, mut before) = (0usize, 0usize, 0usize);
    for length in 1..=MAX_LEN {
        let next =
            reader.next_bit().ok_or(DecodeError::StreamEnd { end: bit, bits: bit + reader.remaining() })?;
        code = code << 1 | usize::from(next);
        let count = codebook.present().filter(|(_, own)| *own == length).count();
        if code < first + count {
            return order.get(before + code - first).copied().ok_or(DecodeError::NoCodeword { bit });
        }
        before += count;
        first = (first + count) << 1;
    }
    Err(DecodeError::NoCodeword { bit })
}
