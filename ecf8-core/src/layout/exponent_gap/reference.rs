//! Plain, sequential decoding, written from the format: codewords read bit by bit, no tables, no gaps.

use super::decode::{check_output, check_payload, check_stream_end};
use super::{FORMAT, MAX_LEN};
use crate::bits::BitReader;
use crate::layout::{DecodeError, Encoded};

pub(super) fn decode(encoded: &Encoded<'_>, out: &mut [u8]) -> Result<(), DecodeError> {
    check_output(encoded, out)?;
    let (stream, packed) = check_payload(encoded)?;
    let codewords = encoded.codebooks.first().canonical();
    let mut reader = BitReader::new(stream);
    for (element, out) in out.iter_mut().enumerate() {
        let exponent = next_symbol(&mut reader, &codewords)?;
        let pair = packed[element / 2];
        let raw = if element % 2 == 0 { pair >> 4 } else { pair & 15 };
        *out = FORMAT.merge(exponent, raw);
    }
    check_stream_end(encoded, stream, reader.position())
}

/// Reads one codeword: bit after bit, until what was read is one.
fn next_symbol(reader: &mut BitReader<'_>, codewords: &[(usize, u32, u8)]) -> Result<u8, DecodeError> {
    let bit = reader.position();
    let mut code = 0;
    for length in 1..=MAX_LEN {
        let next =
            reader.next_bit().ok_or(DecodeError::StreamEnd { end: bit, bits: bit + reader.remaining() })?;
        code = code << 1 | u32::from(next);
        let found = codewords.iter().find(|(_, own, own_length)| (*own, *own_length) == (code, length));
        if let Some((symbol, ..)) = found {
            return Ok(symbol.to_le_bytes()[0]);
        }
    }
    Err(DecodeError::NoCodeword { bit })
}
