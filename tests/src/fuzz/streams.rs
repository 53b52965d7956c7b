//! Decoders against each other on damaged streams, codebooks, and arbitrary numbers there and back.

use super::edits::{Bytes, changed};
use ecf8_core::codebook::Codebook;
use ecf8_core::element::{ELEMENTS, Numbers, counts, counts_with_dictionary};
use ecf8_core::layout::{Aim, DecodeError, EncodeError};
use ecf8_core::{CascadeTables, Encoded, Histogram, scheme, schemes};
use std::ops::ControlFlow;

/// Changes a tensor under one of these schemes. The fast decoder, the one for pieces and the one for ranges must accept it
/// with the bytes of the reference decoder, or refuse it as that does.
pub(super) fn decoders(data: &[u8], names: &[&str]) {
    let mut bytes = Bytes(data);
    let scheme = scheme(names[bytes.below(names.len())]).unwrap();
    let (first, count) = (bytes.number(), bytes.number());
    let encoded = changed(scheme, &mut bytes);
    agree(&encoded, first, count);
}

fn agree(encoded: &Encoded<'_>, first: usize, count: usize) {
    let checked = encoded.scheme.check(encoded);
    let fast = encoded.decode();
    let reference = encoded.decode_reference();
    match (&fast, &reference) {
        (Ok(fast), Ok(reference)) => {
            assert!(fast == reference, "the decoders disagree");
            assert_eq!(checked, Ok(()), "decoded, but found to be inconsistent");
        }
        (Err(_), Err(_)) => {}
        // The reference decoder of `exponent-gap` reads the stream alone, and not what helps to begin in its middle.
        (Err(why), Ok(_)) => assert!(
            encoded.scheme.name() == "exponent-gap"
                && matches!(
                    why,
                    DecodeError::Gap { .. }
                        | DecodeError::Position { .. }
                        | DecodeError::Param { .. }
                        | DecodeError::MissingParam { .. }
                        | DecodeError::PartLength { .. }
                        | DecodeError::Padding { .. }
                ),
            "only the reference decodes: {why:?}"
        ),
        (Ok(_), Err(why)) => panic!("the reference refuses what was decoded: {why:?}"),
    }
    let mut pieces = Vec::new();
    let in_pieces = encoded.decode_pieces(&mut |piece| {
        pieces.extend_from_slice(piece);
        ControlFlow::Continue(())
    });
    assert_eq!(in_pieces.is_ok(), fast.is_ok(), "{in_pieces:?}, {:?}", fast.as_ref().err());
    let Ok(whole) = fast else { return range(encoded, first, count, None) };
    assert!(pieces == whole, "pieces are not the whole");
    range(encoded, first, count, Some(&whole));
}

/// Decodes a range, which may succeed where the whole does not.
fn range(encoded: &Encoded<'_>, first: usize, count: usize, whole: Option<&[u8]>) {
    let width = encoded.split.element.bytes;
    let units = usize::try_from(encoded.elements).unwrap_or(usize::MAX).min(1 << 16);
    let first = first % (units + 1);
    let count = count % (units - first + 1);
    let mut out = vec![0; count * width];
    let decoded = encoded.scheme.decode_range(encoded, first as u64, &mut out);
    if let Some(whole) = whole {
        assert_eq!(decoded, Ok(()), "a range of what decodes");
        assert!(out == whole[first * width..][..out.len()], "another range");
    }
    let beyond = encoded.scheme.decode_range(encoded, encoded.elements, &mut vec![0; width]);
    assert!(beyond.is_err(), "an element beyond the last");
}

/// Codebooks as texts: one that is accepted is written as a text that gives it again, and all that is made of it is made
/// without a panic.
pub(super) fn codebook(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(codebook) = Codebook::from_text(text) else { return };
    assert_eq!(Codebook::from_text(&codebook.to_text()).as_ref(), Ok(&codebook));
    assert!(codebook.symbols() <= 1 << 16);
    assert_eq!(codebook.canonical().len(), codebook.present().len());
    if codebook.has_frequencies() {
        let sum: u64 = codebook.frequencies().map(|(_, frequency)| u64::from(frequency)).sum();
        assert_eq!(sum, 1 << codebook.max_len());
        assert_eq!(ecf8_core::codebook::ans::states(&codebook).len() as u64, sum);
        return;
    }
    assert_eq!(Codebook::from_lengths(&codebook.lengths()).as_ref(), Ok(&codebook));
    let _ = CascadeTables::new(&codebook);
}

/// Numbers of some type under some scheme, with a codebook of some of them: what can be encoded comes back.
pub(super) fn round_trip(data: &[u8]) {
    let mut bytes = Bytes(data);
    let (element, scheme) = (&ELEMENTS[bytes.below(ELEMENTS.len())], schemes()[bytes.below(schemes().len())]);
    let (aim, known) = (bytes.byte(), bytes.number());
    let aim = [Aim::Size, Aim::Balanced, Aim::Speed][usize::from(aim % 3)];
    // What is left, some times over, so that there are several chunks of it.
    let times = 1 + usize::from(bytes.byte() % 8) * usize::from(bytes.byte() % 32);
    let data = bytes.0.repeat(times);
    let data = &data[..data.len() / element.bytes * element.bytes];
    let splits = match known % 2 {
        0 => counts(element, data).split,
        _ => counts_with_dictionary(element, data).split,
    };
    let numbers = Numbers { split: &splits, bytes: data };
    if !scheme.takes_split(&splits) {
        let codebook = scheme.codebook(&Histogram::zero(scheme.symbols().alphabet()));
        assert!(scheme.encode(numbers, &codebook).is_err(), "it does not take them");
        return;
    }
    let known = if scheme.patches() { known / 2 * element.bytes % (data.len() + 1) } else { data.len() };
    let known = known / element.bytes * element.bytes;
    let some = Numbers { split: &splits, bytes: &data[..known] };
    let codebook = scheme.codebook(&scheme.symbol_histogram(some));
    let encoded = match scheme.encode_for(numbers, &(&codebook).into(), aim) {
        // Nothing can stand in for what has no codeword.
        Err(EncodeError::NoCodeword { .. }) if codebook.is_empty() => return,
        encoded => encoded.unwrap(),
    };
    assert!(encoded.decode().unwrap() == data && encoded.decode_reference().unwrap() == data);
    agree(&encoded, known, data.len() / 2);
}
