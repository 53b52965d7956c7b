//! The scheme against its definition, word for word, and against itself across (B, T).

use super::encode::CHUNK;
use super::*;
use crate::bits::BitWriter;
use crate::element::Numbers;
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Bytes whose exponents are roughly geometric, from a seed.
fn data(len: usize, seed: u64) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut byte = || {
        let random = rng.next_u32();
        FORMAT.merge(15 - (random | 1 << 15).trailing_zeros() as u8, (random >> 24) as u8)
    };
    (0..len).map(|_| byte()).collect()
}

fn codebook(data: &[u8]) -> Codebook {
    EXPONENT_GAP.codebook(&EXPONENT_GAP.symbol_histogram(Numbers::e4m3(data)))
}

fn with(bytes_per_thread: u64, threads_per_block: u64) -> ExponentGap {
    ExponentGap { bytes_per_thread, threads_per_block }
}

/// All parts, made one element at a time as the module's description says.
fn by_definition(
    data: &[u8],
    codebook: &Codebook,
    bytes_per_thread: u64,
    threads_per_block: u64,
) -> [Vec<u8>; 4] {
    let codewords = codebook.codewords();
    let mut writer = BitWriter::new();
    let mut starts = Vec::new();
    let mut packed = vec![0; data.len().div_ceil(2)];
    for (element, byte) in data.iter().enumerate() {
        let (exponent, raw) = FORMAT.split(*byte);
        starts.push(writer.bit_len());
        let (code, len) = codewords[usize::from(exponent)];
        writer.write(code, len);
        packed[element / 2] |= raw << (4 * (1 - element % 2));
    }
    starts.push(writer.bit_len());
    let stream = writer.finish();
    let window = 8 * bytes_per_thread;
    let windows = (stream.len() as u64).div_ceil(bytes_per_thread);
    let blocks = windows.div_ceil(threads_per_block);
    let mut gaps = vec![0; (blocks * threads_per_block / 2) as usize];
    for thread in 0..windows {
        let first = starts.iter().find(|start| **start >= thread * window).unwrap();
        gaps[thread as usize / 2] |= ((first - thread * window) as u8) << (4 * (1 - thread % 2));
    }
    let before =
        |block: u64| starts.iter().filter(|start| **start < block * threads_per_block * window).count();
    let mut positions: Vec<u64> = (0..blocks).map(|block| before(block) as u64).collect();
    positions.push(data.len() as u64);
    [stream, packed, gaps, positions.into_iter().flat_map(u64::to_le_bytes).collect()]
}

fn parts(encoded: &Encoded<'_>) -> [Vec<u8>; 4] {
    [ENCODED, PACKED, GAPS, OUTPUT_POSITIONS].map(|name| encoded.part(name).unwrap().to_vec())
}

fn assert_round_trip(data: &[u8], scheme: ExponentGap) {
    let codebook = codebook(data);
    let encoded = scheme.encode(Numbers::e4m3(data), &codebook).unwrap();
    let bytes = {
        let numbers = Numbers::e4m3(data);
        let histogram = scheme.symbol_histogram(numbers);
        let counted = Counted { elements: numbers.units(), histogram: &histogram, outside: 0 };
        scheme.encoded_bytes(numbers.split, &counted, &codebook)
    };
    assert_eq!(encoded.bytes(), bytes);
    assert_eq!(encoded.decode_reference().unwrap(), data);
    assert_eq!(encoded.decode().unwrap(), data);
}

proptest! {
    #[test]
    fn parts_are_as_defined_and_resync_brings_any_other_parameters(
        len in 0..3000usize, seed: u64, b in 2..40u64, t in 1..40u64, other_b in 2..40u64, other_t in 1..40u64
    ) {
        let data = data(len, seed);
        let codebook = codebook(&data);
        let encoded = with(b, 2 * t).encode(Numbers::e4m3(&data), &codebook).unwrap();
        prop_assert_eq!(parts(&encoded), by_definition(&data, &codebook, b, 2 * t));
        prop_assert_eq!(encoded.decode_reference().unwrap(), &data[..]);
        prop_assert_eq!(encoded.decode().unwrap(), &data[..]);
        let (gaps, positions) = resync(&encoded, other_b, 2 * other_t).unwrap();
        let [_, _, expected_gaps, expected_positions] = by_definition(&data, &codebook, other_b, 2 * other_t);
        prop_assert_eq!(gaps, expected_gaps);
        let positions: Vec<u8> = positions.into_iter().flat_map(u64::to_le_bytes).collect();
        prop_assert_eq!(positions, expected_positions);
    }

    #[test]
    fn damaged_parts_are_errors_or_other_data_but_never_panics(
        len in 1..2000usize, seed: u64, part in 0..4usize, place: prop::sample::Index, bit in 0..8u32, cut: bool
    ) {
        let data = data(len, seed);
        let mut encoded = with(4, 8).encode(Numbers::e4m3(&data), &codebook(&data)).unwrap();
        let bytes = encoded.parts[part].bytes.to_mut();
        let place = place.index(bytes.len());
        if cut { bytes.truncate(place) } else { bytes[place] ^= 1 << bit }
        for decoded in [encoded.decode(), encoded.decode_reference()] {
            let sync = part > 1;
            if let Ok(decoded) = decoded {
                prop_assert!(sync || decoded != data);
            }
        }
        // The fast decoder relies on gaps and positions, so it must notice when they are wrong.
        if part > 1 { prop_assert!(encoded.decode().is_err()); }
        let _ = resync(&encoded, 8, 16);
    }
}

#[test]
fn lengths_around_chunk_boundaries_round_trip() {
    for len in [CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7] {
        let data = data(len, len as u64);
        assert_round_trip(&data, EXPONENT_GAP);
        let codebook = codebook(&data);
        let encoded = EXPONENT_GAP.encode(Numbers::e4m3(&data), &codebook).unwrap();
        let mut writer = BitWriter::new();
        for byte in &data {
            let (code, len) = codebook.codewords()[usize::from(FORMAT.split(*byte).0)];
            writer.write(code, len);
        }
        assert_eq!(encoded.part(ENCODED).unwrap(), writer.finish(), "chunks join to one stream");
    }
}

#[test]
fn no_elements_give_empty_parts_and_one_position() {
    let encoded = EXPONENT_GAP.encode(Numbers::e4m3(&[]), &codebook(&[])).unwrap();
    assert_eq!(parts(&encoded), [vec![], vec![], vec![], vec![0; 8]]);
    assert!(encoded.decode().unwrap().is_empty());
    assert!(encoded.decode_reference().unwrap().is_empty());
    assert_eq!(resync(&encoded, 2, 2).unwrap(), (vec![], vec![0]));
}

#[test]
fn one_symbol_takes_one_bit_per_element_and_the_other_codeword_is_refused() {
    let data = vec![0x38; 1001];
    assert_round_trip(&data, EXPONENT_GAP);
    let mut encoded = EXPONENT_GAP.encode(Numbers::e4m3(&data), &codebook(&data)).unwrap();
    assert_eq!(encoded.part(ENCODED).unwrap().len(), 126);
    encoded.parts[0].bytes.to_mut()[50] = 0x10;
    assert_eq!(encoded.decode(), Err(DecodeError::NoCodeword { bit: 403 }));
    assert!(encoded.decode_reference().is_err());
}

#[test]
fn codewords_of_fifteen_bits_round_trip_for_the_smallest_windows() {
    let mut data: Vec<u8> = Vec::new();
    for exponent in 0..16u8 {
        data.extend(vec![exponent << 3; 1 << (15 - exponent).min(14)]);
    }
    assert_eq!(codebook(&data).max_len(), 15);
    for (b, t) in [(2, 2), (3, 2), (8, 512), (65536, 65536)] {
        assert_round_trip(&data, with(b, t));
    }
}

#[test]
fn a_codebook_made_for_other_data_round_trips() {
    let mut lengths: Vec<u8> = vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 15];
    lengths.reverse();
    let codebook = Codebook::from_lengths(&lengths).unwrap();
    let data = data(5000, 3);
    let encoded = with(2, 4).encode(Numbers::e4m3(&data), &codebook).unwrap();
    assert_eq!(encoded.decode().unwrap(), data);
    assert_eq!(encoded.decode_reference().unwrap(), data);
}

#[test]
fn requests_that_cannot_be_met_name_what_is_wrong() {
    let data = [0x38, 0x00];
    let book = codebook(&[0x38; 4]);
    assert_eq!(
        EXPONENT_GAP.encode(Numbers::e4m3(&data), &book).unwrap_err(),
        EncodeError::NoCodeword { symbol: 0 }
    );
    let book = codebook(&data);
    for (b, t, param) in [(1, 2, BYTES_PER_THREAD), (8, 3, THREADS_PER_BLOCK), (8, 0, THREADS_PER_BLOCK)] {
        match with(b, t).encode(Numbers::e4m3(&data), &book) {
            Err(EncodeError::Param { param: named, .. }) => assert_eq!(named, param),
            other => panic!("{other:?}"),
        }
    }
    let bytes = Codebook::from_lengths(&[8; 256]).unwrap();
    assert!(matches!(EXPONENT_GAP.encode(Numbers::e4m3(&data), &bytes), Err(EncodeError::Codebook { .. })));
    let encoded = EXPONENT_GAP.encode(Numbers::e4m3(&data), &book).unwrap();
    let short = EXPONENT_GAP.decode(&encoded, &mut [0]);
    assert_eq!(short, Err(DecodeError::OutputLength { expected: 2, found: 1 }));
    let absurd = Encoded { elements: u64::MAX, ..encoded };
    assert_eq!(absurd.decode(), Err(DecodeError::TooManyElements { elements: u64::MAX }));
}

#[test]
fn the_example_of_format_md_holds() {
    let data = [0x38, 0x3f, 0xb8, 0x40];
    let codebook = codebook(&data);
    assert_eq!(codebook.to_text(), "0000000110000000");
    let encoded = EXPONENT_GAP.encode(Numbers::e4m3(&data), &codebook).unwrap();
    let mut positions = vec![0; 16];
    positions[8] = 4;
    assert_eq!(parts(&encoded), [vec![0x10], vec![0x07, 0x80], vec![0; 256], positions]);
}
