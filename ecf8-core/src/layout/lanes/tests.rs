//! The schemes against their definition, word for word, and against damage.

use super::geometry::turn_bits;
use super::*;
use crate::bits::BitWriter;
use crate::codebook::ans::{State, states};
use crate::corpus::{Case, Tier, corpus};
use crate::element::Numbers;
use crate::element::format::E4M3;
use crate::symbols::TRIPLE;
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Bytes whose exponents are roughly geometric, from a seed.
fn data(len: usize, seed: u64) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut byte = || {
        let random = rng.next_u32();
        E4M3.merge(15 - (random | 1 << 15).trailing_zeros() as u8, (random >> 24) as u8)
    };
    (0..len).map(|_| byte()).collect()
}

fn book<S: LaneSymbols>(data: &[u8]) -> Codebook {
    S::scheme().codebook(&S::scheme().symbol_histogram(Numbers::e4m3(data)))
}

/// For triples, the S that corresponds to one of others: half more.
fn triples(s: u64) -> u64 {
    (s / 2 * 3).min(3072)
}

/// What a lane's stream has for each of its symbols: a codeword; or what is read before it, to come to its state.
fn pieces(codebook: &Codebook, symbols: &[usize]) -> Vec<(u32, u8)> {
    if !codebook.has_frequencies() {
        let codewords = codebook.codewords();
        return symbols.iter().map(|symbol| codewords[*symbol]).collect();
    }
    let states = states(codebook);
    let mut pieces = Vec::new();
    // From the last symbol to the first: the state that leads to the one after it, to state 0 at the end.
    let mut next: Option<usize> = None;
    for symbol in symbols.iter().rev() {
        let leads = |state: &State| {
            usize::from(state.symbol) == *symbol
                && next.unwrap_or(0).wrapping_sub(state.base.into()) >> state.bits == 0
        };
        let own = states.iter().position(leads).unwrap();
        pieces.extend(next.map(|next| ((next - usize::from(states[own].base)) as u32, states[own].bits)));
        next = Some(own);
    }
    pieces.extend(next.map(|first| (first as u32, codebook.max_len())));
    pieces.reverse();
    pieces
}

/// All parts, one symbol and one bit at a time, as FORMAT.md says, and `lead_rows`.
fn by_definition<S: LaneSymbols>(data: &[u8], codebook: &Codebook, s: usize) -> (Vec<Vec<u8>>, u64) {
    let (width, lengths) = (S::KIND.elements, codebook.lengths());
    let shortest = |symbols: std::ops::Range<usize>| {
        let present = symbols.filter(|symbol| lengths[*symbol] > 0);
        present.min_by_key(|symbol| lengths[*symbol])
    };
    // What of a byte its codeword tells.
    let bits = S::KIND.bits;
    let coded = |byte: u8| if bits < 8 { byte >> (7 - bits) & (0xff >> (8 - bits)) } else { byte };
    let (mut rows, mut tails, mut chunks) = (Vec::new(), Vec::new(), Vec::new());
    let mut lead = 1;
    for chunk in data.chunks(32 * s) {
        let mut symbols: Vec<Vec<usize>> = vec![Vec::new(); 32];
        let mut starts: Vec<Vec<usize>> = vec![Vec::new(); 32];
        // What elements decode to, those included that do not exist.
        let mut decoded = vec![0; chunk.len().next_multiple_of(512 * S::VECTORS)];
        // Vectors of a turn, elements of a symbol that are neighbours, and from one to the next of those that are not.
        let (vectors, near, stride) = if S::KIND == TRIPLE { (3, 1, 512) } else { (1, width, 1) };
        for (index, turn) in (0..chunk.len()).step_by(512 * vectors).enumerate() {
            for first in (turn..chunk.len().min(turn + 512)).step_by(16) {
                let lane = &mut symbols[first / 16 % 32];
                starts[first / 16 % 32].push(lane.len());
                assert_eq!(starts[first / 16 % 32].len(), index + 1);
                for at in (first..first + 16).step_by(near) {
                    let places: Vec<usize> = (0..width).map(|element| at + element * stride).collect();
                    let known: Vec<u8> =
                        places.iter().map_while(|at| chunk.get(*at).map(|byte| coded(*byte))).collect();
                    let beginning = S::KIND.beginning_with(&known);
                    let symbol = shortest(beginning).filter(|_| !known.is_empty());
                    let symbol = symbol.or(codebook.first_symbol()).unwrap();
                    let elements = places.into_iter().enumerate();
                    elements.for_each(|(element, at)| decoded[at] = S::KIND.field(symbol, element));
                    lane.push(symbol);
                }
            }
        }
        let pieces: Vec<Vec<(u32, u8)>> = symbols.iter().map(|symbols| pieces(codebook, symbols)).collect();
        let bits = |pieces: &[(u32, u8)]| pieces.iter().map(|(_, len)| u64::from(*len)).sum::<u64>();
        let bit =
            |(code, len): &(u32, u8)| (0..*len).rev().map(|bit| code >> bit & 1 == 1).collect::<Vec<_>>();
        let lanes: Vec<Vec<bool>> =
            pieces.iter().map(|pieces| pieces.iter().flat_map(bit).collect()).collect();
        for turn in 0..starts[0].len() {
            let started = starts.iter().zip(&pieces).filter(|(starts, _)| turn < starts.len());
            let at: Vec<u64> = started.map(|(starts, pieces)| bits(&pieces[..starts[turn]])).collect();
            let reach = (at.iter().max().unwrap() + turn_bits::<S>(codebook)).div_ceil(32);
            lead = lead.max(reach - at.iter().min().unwrap() / 32);
        }
        let shared = lanes.iter().map(|lane| lane.len() / 32).min().unwrap();
        let extras: Vec<usize> = lanes.iter().map(|lane| lane.len() - 32 * shared).collect();
        let extra_bits = (0..32).find(|bits| extras.iter().all(|extra| extra >> bits == 0)).unwrap();
        chunks
            .push(((extra_bits as u64) << 59) | ((tails.len() as u64 / 4) << 32) | (rows.len() as u64 / 128));
        for row in 0..shared {
            for lane in &lanes {
                let word = lane[32 * row..][..32].iter().fold(0u32, |word, bit| word << 1 | u32::from(*bit));
                rows.extend(word.to_le_bytes());
            }
        }
        let mut writer = BitWriter::new();
        extras.iter().for_each(|extra| writer.write(*extra as u32, extra_bits as u8));
        let last_words: Vec<Vec<&[bool]>> =
            lanes.iter().map(|lane| lane[32 * shared..].chunks(32).collect()).collect();
        let most = last_words.iter().map(Vec::len).max().unwrap();
        let short_rows = (0..most).flat_map(|row| last_words.iter().filter_map(move |words| words.get(row)));
        let whole = short_rows.filter(|word| word.len() == 32);
        whole.for_each(|word| word.iter().for_each(|bit| writer.write(u32::from(*bit), 1)));
        for lane in &lanes {
            let rest = lane[32 * shared..].chunks_exact(32).remainder();
            rest.iter().for_each(|bit| writer.write(u32::from(*bit), 1));
        }
        let mut bytes = writer.finish();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        tails.extend(bytes.chunks(4).flat_map(|word| word.iter().rev().copied()));
        for (group, (right, decoded)) in chunk.chunks(2).zip(decoded.chunks(2)).enumerate() {
            if right.iter().zip(decoded).any(|(right, decoded)| coded(*right) != *decoded) {
                tails.extend([right[0], *right.get(1).unwrap_or(&0), group as u8, (group >> 8) as u8]);
            }
        }
    }
    chunks.push(((tails.len() as u64 / 4) << 32) | (rows.len() as u64 / 128));
    let mut parts = vec![rows, tails, chunks.into_iter().flat_map(u64::to_le_bytes).collect()];
    if S::KIND.bits == 4 {
        let nibble = |byte: Option<&u8>| byte.map_or(0, |byte| E4M3.split(*byte).1);
        let group = |eight: &[u8]| [0, 1, 2, 3].map(|i| nibble(eight.get(i)) << 4 | nibble(eight.get(i + 4)));
        parts.push(data.chunks(8).flat_map(group).collect());
    }
    if bits == 6 {
        let mut packed = vec![0u8; data.len().div_ceil(16) * 4];
        for (place, byte) in data.iter().enumerate() {
            let (word, k, j) = (place / 16 * 4, place % 16 / 4, place % 4);
            packed[word + j] |= (byte >> 7) << (7 - k) | (byte & 1) << k;
        }
        parts.push(packed);
    }
    (parts, lead)
}

fn parts(encoded: &Encoded<'_>) -> Vec<Vec<u8>> {
    encoded.parts.iter().map(|part| part.bytes.to_vec()).collect()
}

fn assert_bounds_hold<S: LaneSymbols>(scheme: &Lanes<S>, data: &[u8], encoded: &Encoded<'_>) {
    let histogram = scheme.symbol_histogram(Numbers::e4m3(data));
    let counted = Counted { elements: encoded.elements, histogram: &histogram, outside: 0 };
    let bounds = scheme.part_bytes(&encoded.split, &counted, encoded.codebooks.first());
    assert_eq!(bounds.len(), encoded.parts.len());
    for (part, bound) in encoded.parts.iter().zip(bounds) {
        assert!(part.bytes.len() as u64 <= bound, "{} has {}, bound {bound}", part.name, part.bytes.len());
    }
    let likely = scheme.encoded_bytes(&encoded.split, &counted, encoded.codebooks.first());
    if encoded.codebooks.first().uncovered(&histogram) == 0 && data.len().is_multiple_of(S::KIND.block()) {
        // What of lanes' first states tells no symbol is estimated.
        let states = if S::ANS { 32 * 13 / 8 * data.len().div_ceil(32 * 64) as u64 } else { 0 };
        assert!(likely <= encoded.bytes() + states, "{likely} {}", encoded.bytes());
    }
    for spec in scheme.params() {
        assert!(spec.largest.is_some_and(|largest| encoded.params[spec.name] <= largest));
    }
}

fn assert_as_defined<S: LaneSymbols>(data: &[u8], codebook: &Codebook, s: u64) {
    let scheme = Lanes::<S>::new(Some(s));
    let encoded = scheme.encode(Numbers::e4m3(data), codebook).unwrap();
    let chosen = encoded.param(ELEMENTS_PER_LANE).unwrap();
    let (expected, lead) = by_definition::<S>(data, codebook, chosen as usize);
    assert!(chosen == s || by_definition::<S>(data, codebook, 2 * chosen as usize).1 > MAX_LEAD_ROWS);
    assert_eq!(encoded.param(LEAD_ROWS), Ok(lead));
    assert!(parts(&encoded) == expected);
    assert!(encoded.decode().unwrap() == data);
    assert!(encoded.decode_reference().unwrap() == data);
    assert_bounds_hold(&scheme, data, &encoded);
}

proptest! {
    #[test]
    fn parts_are_as_defined(len in 0..9000usize, seed: u64, s in 6..=12u32) {
        let data = data(len, seed);
        assert_as_defined::<Quad>(&data, &book::<Quad>(&data), 1 << s);
        assert_as_defined::<Triple>(&data, &book::<Triple>(&data), triples(1 << s));
        assert_as_defined::<Pair>(&data, &book::<Pair>(&data), 1 << s);
        assert_as_defined::<Pair6>(&data, &book::<Pair6>(&data), 1 << s);
        assert_as_defined::<Byte>(&data, &book::<Byte>(&data), 1 << s);
        assert_as_defined::<AnsByte>(&data, &book::<AnsByte>(&data), 1 << s);
    }

    #[test]
    fn what_has_no_codeword_is_patched_as_defined(len in 1..9000usize, seed: u64, of in 1..200usize, s in 6..=9u32) {
        // Codebooks made for a few of the bytes lack many symbols of the others.
        let data = data(len, seed);
        let few = &data[..of.min(len)];
        assert_as_defined::<Quad>(&data, &book::<Quad>(few), 1 << s);
        assert_as_defined::<Triple>(&data, &book::<Triple>(few), triples(1 << s));
        assert_as_defined::<Pair>(&data, &book::<Pair>(few), 1 << s);
        assert_as_defined::<Pair6>(&data, &book::<Pair6>(few), 1 << s);
        assert_as_defined::<Byte>(&data, &book::<Byte>(few), 1 << s);
        assert_as_defined::<AnsByte>(&data, &book::<AnsByte>(few), 1 << s);
    }

    #[test]
    fn damaged_parts_are_errors_or_other_data_but_never_panics(
        len in 1..6000usize, seed: u64, part in 0..3usize, place: prop::sample::Index, bit in 0..8u32, cut: bool
    ) {
        let data = data(len, seed);
        let bytes = Lanes::<Byte>::new(Some(64)).encode(Numbers::e4m3(&data), &book::<Byte>(&data[len / 2..])).unwrap();
        let triples = Lanes::<Triple>::new(Some(96)).encode(Numbers::e4m3(&data), &book::<Triple>(&data[len / 2..])).unwrap();
        let states = Lanes::<AnsByte>::new(Some(64)).encode(Numbers::e4m3(&data), &book::<AnsByte>(&data[len / 2..])).unwrap();
        for mut encoded in [bytes, triples, states] {
            let bytes = encoded.parts[part].bytes.to_mut();
            if !bytes.is_empty() {
                let place = place.index(bytes.len());
                if cut { bytes.truncate(place) } else { bytes[place] ^= 1 << bit }
                let [fast, plain] = [encoded.decode(), encoded.decode_reference()];
                prop_assert_eq!(fast.is_ok(), plain.is_ok());
                // Codewords that stand for nothing may change; entries may not.
                if let (Ok(fast), Ok(plain)) = (fast, plain) {
                    prop_assert!(part < 2 && fast == plain);
                }
            }
        }
    }

    #[test]
    fn parameters_and_elements_that_do_not_fit_are_errors(
        len in 1..6000usize, elements in 0..10_000u64, s in 0..5000u64, lead in 0..100u64
    ) {
        let data = data(len, 1);
        let encoded = Lanes::<Pair>::new(Some(64)).encode(Numbers::e4m3(&data), &book::<Pair>(&data)).unwrap();
        let right = encoded.param(LEAD_ROWS).unwrap();
        let with = |name: &str, value| {
            let mut encoded = encoded.clone();
            encoded.params.insert(name.to_owned(), value);
            [encoded.decode(), encoded.decode_reference()]
        };
        for decoded in with(ELEMENTS_PER_LANE, s) {
            prop_assert!(decoded.is_err() || decoded == Ok(data.clone()));
        }
        prop_assert_eq!(Triple::LENGTHS.has(s), [96, 192, 384, 768, 1536, 3072].contains(&s));
        for decoded in with(LEAD_ROWS, lead) {
            prop_assert_eq!(decoded.is_ok(), (right..=MAX_LEAD_ROWS).contains(&lead));
        }
        let other = Encoded { elements, ..encoded };
        // Elements more or less within the last eight may be what the same parts stand for.
        let is_other = elements.div_ceil(8) != (len as u64).div_ceil(8);
        prop_assert!(!is_other || other.decode().is_err() && other.decode_reference().is_err());
    }
}

#[test]
fn the_corpus_is_coded_as_defined_by_all_schemes() {
    let is_e4m3 = |case: &Case| case.split.element.dtype == "F8_E4M3";
    for case in corpus(Tier::Quick).into_iter().filter(is_e4m3) {
        for s in [64, 256, 1024] {
            assert_as_defined::<Quad>(&case.bytes, &case.codebook(Quad::scheme()), s);
            assert_as_defined::<Triple>(&case.bytes, &case.codebook(Triple::scheme()), triples(s));
            assert_as_defined::<Pair>(&case.bytes, &case.codebook(Pair::scheme()), s);
            assert_as_defined::<Pair6>(&case.bytes, &case.codebook(Pair6::scheme()), s);
            assert_as_defined::<Byte>(&case.bytes, &case.codebook(Byte::scheme()), s);
            assert_as_defined::<AnsByte>(&case.bytes, &case.codebook(AnsByte::scheme()), s);
        }
    }
}

#[test]
fn lengths_around_vectors_rounds_and_chunks_are_coded_as_defined() {
    for boundary in [16, 512, 2048, 4096, 6144] {
        for len in [boundary - 1, boundary, boundary + 1, boundary + 15, boundary + 17] {
            let data = data(len, len as u64);
            assert_as_defined::<Quad>(&data, &book::<Quad>(&data), 64);
            assert_as_defined::<Triple>(&data, &book::<Triple>(&data), 96);
            assert_as_defined::<Pair>(&data, &book::<Pair>(&data), 64);
            assert_as_defined::<Pair6>(&data, &book::<Pair6>(&data), 64);
            assert_as_defined::<Byte>(&data, &book::<Byte>(&data), 64);
            assert_as_defined::<AnsByte>(&data, &book::<AnsByte>(&data), 64);
        }
    }
}

#[test]
fn triples_that_lack_elements_are_coded_as_defined() {
    let data = data(3 * 3072, 8);
    // A codebook of all, and one that lacks most symbols.
    for codebook in [book::<Triple>(&data), book::<Triple>(&data[..40])] {
        for boundary in [0_usize, 16, 48, 512, 1024, 1536, 2048, 2560, 3072, 4608, 6144, 9184] {
            for len in [-17, -16, -15, -2, -1, 0, 1, 2, 15, 16, 17] {
                let Some(len) = boundary.checked_add_signed(len) else { continue };
                assert_as_defined::<Triple>(&data[..len], &codebook, 96);
            }
        }
    }
}

#[test]
fn any_element_of_a_triple_is_patched() {
    let codebook = book::<Triple>(&[0x38; 1536]);
    let tails = |data: &[u8]| {
        let encoded = Lanes::<Triple>::new(Some(96)).encode(Numbers::e4m3(data), &codebook).unwrap();
        encoded.part(TAILS).unwrap().len() / 4
    };
    for place in [0, 1, 2, 511, 512, 513, 1023, 1024, 1025, 1534, 1535, 1536, 2047, 2048, 3071, 3072, 4999] {
        for count in [1, 2, 3, 600] {
            let mut data = vec![0x38; 5000];
            data.iter_mut().skip(place).take(count).for_each(|byte| *byte = 0x42);
            assert_as_defined::<Triple>(&data, &codebook, 96);
            assert_as_defined::<Triple>(&data[..=place], &codebook, 96);
            let patches = tails(&data) - tails(&[0x38; 5000]);
            let last = (place + count).min(5000);
            assert_eq!(patches, last.div_ceil(2) - place / 2, "{place}, {count}");
        }
    }
}

#[test]
fn lanes_that_run_apart_make_chunks_smaller() {
    // Vectors of even lanes have the shortest codewords only, those of odd lanes the longest only.
    let mut data: Vec<u8> = Vec::new();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for vector in 0..8192 {
        let mut rare = || (rng.next_u32() % 250) as u8;
        data.extend((0..16).map(|_| if vector % 2 == 0 { 255 } else { rare() }));
    }
    let codebook = book::<Byte>(&data);
    let encoded = Lanes::<Byte>::new(Some(4096)).encode(Numbers::e4m3(&data), &codebook).unwrap();
    assert!(encoded.param(ELEMENTS_PER_LANE).unwrap() < 4096);
    assert!(encoded.param(LEAD_ROWS).unwrap() <= MAX_LEAD_ROWS);
    assert_as_defined::<Byte>(&data, &codebook, 4096);
    assert_as_defined::<AnsByte>(&data, &book::<AnsByte>(&data), 4096);
    assert_as_defined::<Triple>(&data, &book::<Triple>(&data), 3072);
}

#[test]
fn one_symbol_takes_no_bit_in_states_but_one_for_the_first() {
    let data = vec![0x38; 131_072];
    let encoded =
        Lanes::<AnsByte>::new(Some(4096)).encode(Numbers::e4m3(&data), &book::<AnsByte>(&data)).unwrap();
    // A width of one bit for 32 lanes, and a bit each.
    assert_eq!(parts(&encoded).iter().map(Vec::len).collect::<Vec<_>>(), [0, 8, 16]);
    assert!(encoded.decode().unwrap() == data && encoded.decode_reference().unwrap() == data);
    // No byte can be for more: readers refuse what claims it.
    let more = Encoded { elements: encoded.elements * 4, ..encoded };
    assert_eq!(more.decode(), Err(DecodeError::TooManyElements { elements: 524_288 }));
}

#[test]
fn one_symbol_takes_one_bit_and_the_other_codeword_is_refused() {
    let data = vec![0x38; 4096];
    let mut encoded =
        Lanes::<Byte>::new(Some(64)).encode(Numbers::e4m3(&data), &book::<Byte>(&data)).unwrap();
    assert_eq!(parts(&encoded), [vec![0; 512], vec![], vec![0; 24].tap(|b| (b[8], b[16]) = (2, 4))]);
    assert!(encoded.decode().unwrap() == data);
    encoded.parts[0].bytes.to_mut()[129] = 1;
    let error = DecodeError::LaneEnd { chunk: 0, lane: 0, end: 55, bits: 64 };
    // Bits that are no codeword take none, so the lane never comes past them.
    assert_eq!(encoded.decode(), Err(error));
    assert_eq!(encoded.decode_reference(), Err(DecodeError::NoCodeword { bit: 55 }));
}

trait Tap: Sized {
    /// Itself, changed.
    fn tap(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

impl Tap for Vec<u8> {}

#[test]
fn no_elements_give_one_empty_entry() {
    for scheme in [&QUAD_LANES as &dyn Scheme, &TRIPLE_LANES, &PAIR_LANES, &BYTE_LANES] {
        let encoded = scheme
            .encode(Numbers::e4m3(&[]), &scheme.codebook(&scheme.symbol_histogram(Numbers::e4m3(&[]))))
            .unwrap();
        let mut expected = vec![vec![]; scheme.part_specs(&encoded.split).len()];
        expected[2] = vec![0; 8];
        assert_eq!(parts(&encoded), expected);
        assert!(encoded.decode().unwrap().is_empty() && encoded.decode_reference().unwrap().is_empty());
    }
}

#[test]
fn a_codebook_made_for_other_data_round_trips() {
    let codebook = Codebook::from_lengths(&[8; 256]).unwrap();
    assert_as_defined::<Byte>(&data(5000, 3), &codebook, 64);
    assert_as_defined::<Pair>(&data(5001, 3), &codebook, 128);
    let codebook = Codebook::from_lengths(&[12; 4096]).unwrap();
    assert_as_defined::<Pair6>(&data(5001, 3), &codebook, 128);
    assert_as_defined::<Triple>(&data(5003, 3), &codebook, 192);
}

#[test]
fn patches_that_cannot_be_are_noticed_without_decoding() {
    let data = data(70_001, 5);
    let encoded =
        Lanes::<Byte>::new(Some(512)).encode(Numbers::e4m3(&data), &book::<Byte>(&data[..300])).unwrap();
    assert_eq!(BYTE_LANES.check(&encoded), Ok(()));
    let last = encoded.parts[1].bytes.len() - 4;
    let group = |value: usize| {
        let mut other = encoded.clone();
        other.parts[1].bytes.to_mut()[last + 2..].copy_from_slice(&(value as u16).to_le_bytes());
        other
    };
    let error = Err(DecodeError::Patches { chunk: 4 });
    for beyond in [0, (70_001 - 4 * 16_384) / 2 + 1, 0xffff] {
        assert_eq!(BYTE_LANES.check(&group(beyond)), error, "{beyond}");
        assert_eq!(group(beyond).decode(), Err(DecodeError::Patches { chunk: 4 }));
        assert_eq!(group(beyond).decode_reference(), Err(DecodeError::Patches { chunk: 4 }));
    }
    // The last element has no second in its group.
    let mut after = group((70_001 - 4 * 16_384) / 2);
    after.parts[1].bytes.to_mut()[last + 1] = 0;
    assert_eq!(BYTE_LANES.check(&after), Ok(()));
    after.parts[1].bytes.to_mut()[last + 1] = 1;
    assert_eq!(BYTE_LANES.check(&after), error);
}

#[test]
fn parts_that_would_lead_a_kernel_astray_are_noticed_without_decoding() {
    let data = data(70_000, 5);
    let encoded = Lanes::<Byte>::new(Some(512)).encode(Numbers::e4m3(&data), &book::<Byte>(&data)).unwrap();
    assert_eq!(BYTE_LANES.check(&encoded), Ok(()));
    for (part, byte, value) in [(2, 9, 0xff), (2, 12, 0xff), (2, 15, 0xff), (1, 0, 0xff), (1, 3, 0xff)] {
        let mut damaged = encoded.clone();
        damaged.parts[part].bytes.to_mut()[byte] ^= value;
        assert!(BYTE_LANES.check(&damaged).is_err(), "part {part}, byte {byte}");
    }
    let mut short = encoded;
    short.parts[0].bytes.to_mut().truncate(128);
    assert!(matches!(BYTE_LANES.check(&short), Err(DecodeError::PartLength { part: ROWS, .. })));
}

#[test]
fn requests_that_cannot_be_met_name_what_is_wrong() {
    let book_of_one = book::<Byte>(&[0x38; 4]);
    let missing = BYTE_LANES.encode(Numbers::e4m3(&[0x38, 0x77]), &book::<Byte>(&[])).unwrap_err();
    assert_eq!(missing, EncodeError::NoCodeword { symbol: 0x38 });
    let many =
        Codebook::from_lengths(&[13; 8192].into_iter().chain([0; 57_344]).collect::<Vec<_>>()).unwrap();
    assert!(matches!(
        QUAD_LANES.encode(Numbers::e4m3(&[1]), &many),
        Err(EncodeError::Codebook { symbols: 65_536, .. })
    ));
    for s in [0, 63, 32, 96, 8192] {
        match Lanes::<Byte>::new(Some(s)).encode(Numbers::e4m3(&[0x38]), &book_of_one) {
            Err(EncodeError::Param { param, value, .. }) => {
                assert_eq!((param, value), (ELEMENTS_PER_LANE, s));
            }
            other => panic!("{other:?}"),
        }
    }
    for s in [0, 48, 64, 128, 256, 288, 3071, 6144] {
        let refused = Lanes::<Triple>::new(Some(s)).encode(Numbers::e4m3(&[0x38]), &book::<Triple>(&[0x38]));
        assert!(matches!(refused, Err(EncodeError::Param { param: ELEMENTS_PER_LANE, .. })), "{s}");
    }
    let exponents = Codebook::from_lengths(&[4; 16]).unwrap();
    assert!(matches!(
        PAIR_LANES.encode(Numbers::e4m3(&[1]), &exponents),
        Err(EncodeError::Codebook { symbols: 16, .. })
    ));
    let mut long = vec![0; 256];
    (long[..14]).copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
    long[14] = 14;
    let long = Codebook::from_lengths(&long).unwrap();
    assert!(matches!(
        BYTE_LANES.encode(Numbers::e4m3(&[1]), &long),
        Err(EncodeError::Codebook { max_len: 14, .. })
    ));
    let encoded = BYTE_LANES.encode(Numbers::e4m3(&[0x38; 9]), &book_of_one).unwrap();
    let short = BYTE_LANES.decode(&encoded, &mut [0]);
    assert_eq!(short, Err(DecodeError::OutputLength { expected: 9, found: 1 }));
    let absurd = Encoded { elements: u64::MAX, ..encoded };
    assert_eq!(absurd.decode(), Err(DecodeError::TooManyElements { elements: u64::MAX }));
}

/// `count` zero bytes.
fn zeros(count: usize) -> Vec<u8> {
    vec![0; count]
}

#[test]
fn the_examples_of_format_md_hold() {
    let data = [&[0x38; 10][..], &[0xb8; 4], &[0x40, 0x38, 0x38, 0x40, 0xb8]].concat();
    let codebook = book::<Byte>(&data);
    let mut lengths = vec![0; 256];
    (lengths[56], lengths[64], lengths[184]) = (1, 2, 2);
    assert_eq!(codebook.lengths(), lengths);
    let encoded = BYTE_LANES.encode(Numbers::e4m3(&data), &codebook).unwrap();
    let tails = [&[0, 0, 0x80, 0xac][..], &zeros(16), &[0xc0, 0xe2, 0x3f, 0], &zeros(4)].concat();
    let chunks = [&zeros(7)[..], &[0x28], &zeros(4), &[7, 0, 0, 0]].concat();
    assert_eq!(parts(&encoded), [vec![], tails, chunks]);
    assert_eq!(encoded.param(LEAD_ROWS), Ok(1));

    let data = [0x38, 0x3f, 0xb8, 0x40, 0x38];
    let codebook = book::<Pair>(&data);
    let mut lengths = vec![0; 256];
    (lengths[119], lengths[120]) = (1, 1);
    assert_eq!(codebook.lengths(), lengths);
    let encoded = PAIR_LANES.encode(Numbers::e4m3(&data), &codebook).unwrap();
    let tails = [&[0, 0, 0, 0x80][..], &zeros(12), &[0, 0, 0, 0x40]].concat();
    let chunks = [&zeros(7)[..], &[0x20], &zeros(4), &[5, 0, 0, 0]].concat();
    assert_eq!(parts(&encoded), [vec![], tails, chunks, vec![0x00, 0x70, 0x80, 0x00]]);
    assert_eq!(encoded.param(LEAD_ROWS), Ok(1));

    let mut lengths = [0; 256];
    (lengths[119], lengths[128]) = (1, 1);
    let encoded =
        PAIR_LANES.encode(Numbers::e4m3(&data), &Codebook::from_lengths(&lengths).unwrap()).unwrap();
    let tails = [&[0, 0, 0, 0x80][..], &zeros(16), &[0xb8, 0x40, 1, 0]].concat();
    let chunks = [&zeros(7)[..], &[0x20], &zeros(4), &[6, 0, 0, 0]].concat();
    assert_eq!(parts(&encoded), [vec![], tails, chunks, vec![0x00, 0x70, 0x80, 0x00]]);
    assert_eq!(encoded.decode().unwrap(), data);

    let codebook = book::<Triple>(&data);
    let mut lengths = vec![0; 4096];
    (lengths[1792], lengths[2048]) = (1, 1);
    assert_eq!(codebook.lengths(), lengths);
    let encoded = TRIPLE_LANES.encode(Numbers::e4m3(&data), &codebook).unwrap();
    let tails = [&[0, 0, 0, 0x80][..], &zeros(16), &[0, 0, 0, 0x10]].concat();
    let chunks = [&zeros(7)[..], &[0x28], &zeros(4), &[6, 0, 0, 0]].concat();
    assert_eq!(parts(&encoded), [vec![], tails, chunks, vec![0x00, 0x70, 0x80, 0x00]]);
    assert_eq!(encoded.param(LEAD_ROWS), Ok(1));
    let after = [&[0x38; 512][..], &data].concat();
    assert_as_defined::<Triple>(&after, &book::<Triple>(&after), 768);
    let after: Vec<u8> = after.iter().map(|byte| byte >> 3 & 15).collect();
    let known = [0, 1, 2, 3, 4, 5].map(|symbol| TRIPLE.symbol(&TRIPLE.known(&after, symbol)));
    assert_eq!(known, [0x77, 0x77, 0x77, 0x78, 0x77, 7]);
}

#[test]
fn lanes_are_long_unless_a_small_tensor_is_to_be_decoded_fast() {
    let chosen = |elements| elements_per_lane::<Pair>(elements, Aim::Balanced);
    assert_eq!([1 << 30, 131_072, 4096, 1, 0].map(chosen), [1024; 5]);
    let chosen = |elements| elements_per_lane::<Pair>(elements, Aim::Speed);
    assert_eq!(
        [1 << 30, 131_071, 65_536, 65_535, 32_768, 32_767, 1, 0].map(chosen),
        [1024, 512, 512, 256, 256, 128, 128, 128]
    );
    let chosen = |elements| elements_per_lane::<Triple>(elements, Aim::Speed);
    assert_eq!([196_607, 98_304, 98_303, 49_152, 49_151].map(chosen), [768, 768, 384, 384, 192]);
    assert_eq!(elements_per_lane::<Triple>(5, Aim::Balanced), 1536);
    let params = TRIPLE_LANES.params().iter().map(|spec| (spec.name, spec.usual, spec.largest));
    assert!(params.eq([(ELEMENTS_PER_LANE, 1536, Some(3072)), (LEAD_ROWS, 64, Some(64))]));
}

#[test]
fn who_aims_at_speed_gets_more_chunks_and_who_aims_at_size_fewer() {
    let chosen =
        |elements| [Aim::Speed, Aim::Balanced, Aim::Size].map(|aim| elements_per_lane::<Pair>(elements, aim));
    assert_eq!(chosen(16 << 20), [1024, 1024, 4096]);
    assert_eq!(chosen(8 << 20), [512, 1024, 4096]);
    assert_eq!(chosen((8 << 20) - 1), [512, 1024, 2048]);
    assert_eq!(chosen((4 << 20) - 1), [512, 1024, 1024]);
    assert_eq!(chosen((1 << 17) - 1), [512, 1024, 1024]);
    assert_eq!(elements_per_lane::<Triple>(1 << 30, Aim::Size), 3072);

    // The same bytes come back whatever the aim, and the parameter says what it was.
    let data = data(8 << 20, 1);
    let codebook = book::<Pair>(&data);
    let encoded = [Aim::Speed, Aim::Balanced, Aim::Size]
        .map(|aim| PAIR_LANES.encode_for(Numbers::e4m3(&data), &(&codebook).into(), aim).unwrap());
    assert_eq!(encoded.each_ref().map(|one| one.param(ELEMENTS_PER_LANE).unwrap()), [512, 1024, 4096]);
    let sizes = encoded.each_ref().map(Encoded::bytes);
    assert!(sizes[0] > sizes[1] && sizes[1] > sizes[2], "{sizes:?}");
    encoded.iter().for_each(|one| assert_eq!(one.decode().unwrap(), data));
}
