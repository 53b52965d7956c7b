//! Pages in and out, as they should be and as they should not.

mod plain;

use super::corpus::{Case, cases};
use super::page::{HEADER, Kind, MAX_ELEMENTS};
use super::*;
use crate::synthetic::{Attention, Cached, noise, stored_as};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[test]
fn pages_of_the_corpus_come_back_and_are_never_larger_than_the_worst_case() {
    let mut kinds = [0; 2];
    for Case { name, codebooks, page } in cases() {
        let encoded = codebooks.encode(&page).unwrap();
        let header = Header::parse(&encoded).unwrap();
        assert!(encoded.len() <= worst_case_bytes(page.len()), "{name}");
        assert_eq!((header.length, header.page_bytes()), (encoded.len(), page.len()), "{name}");
        assert_eq!(codebooks.decode(&encoded).unwrap(), page, "{name}");
        kinds[usize::from(header.kind == Kind::Raw)] += 1;
    }
    assert!(kinds.iter().all(|count| *count > 10), "{kinds:?}");
}

#[test]
fn a_decoder_written_from_the_text_reads_them_too() {
    for Case { name, codebooks, page } in cases() {
        let encoded = codebooks.encode(&page).unwrap();
        assert_eq!(plain::decode(&codebooks.to_json(), &encoded), page, "{name}");
    }
}

#[test]
fn noise_stays_raw_and_what_is_like_the_samples_does_not() {
    for Case { name, codebooks, page } in cases() {
        let kind = Header::parse(&codebooks.encode(&page).unwrap()).unwrap().kind;
        if name.ends_with("noise") && page.len() == 20_000 {
            assert_eq!(kind, Kind::Raw, "{name}");
        } else if name.contains(": keys") || name.ends_with("only") {
            assert_eq!(kind != Kind::Raw, !name.ends_with("never trained"), "{name}");
        }
    }
}

#[test]
fn pages_may_lie_in_larger_buffers_and_are_decoded_without_the_others() {
    let Case { codebooks, page, .. } = cases().swap_remove(0);
    let encoded = codebooks.encode(&page).unwrap();
    let mut buffer = noise(2, 64);
    buffer.splice(16..16, encoded.iter().copied());
    assert_eq!(codebooks.decode(&buffer[16..]).unwrap(), page);
    assert!(codebooks.decode(&buffer).is_err());
    assert!(codebooks.decode(&buffer[16..encoded.len()]).is_err());
}

#[test]
fn sizes_are_near_entropy() {
    for (numbers, over) in [(Numbers::E4m3, 0.017), (Numbers::E5m2, 0.02), (Numbers::Bf16, 0.009)] {
        let layer = Attention { seed: 7, cached: Cached::Values, heads: 4, head_size: 64 };
        let stored = |first| stored_as(numbers.dtype(), &layer.tokens(first, 256)).unwrap();
        let (sample, page) = (stored(0), stored(256));
        let mut training = Training::new(numbers, Codebooks::period(4, 64));
        training.add(&sample);
        let encoded = training.finish().unwrap().encode(&page).unwrap();
        let mut own = Training::new(numbers, 1);
        own.add(&page);
        let ratio = encoded.len() as f64 / page.len() as f64;
        let entropy = own.entropies().1 / (8 * numbers.bytes()) as f64;
        assert!(ratio > entropy - 0.01 && ratio < entropy + over, "{numbers:?}: {ratio} beside {entropy}");
    }
}

#[test]
fn groups_of_channels_are_found_where_they_differ() {
    // Even vectors have small numbers, odd ones large numbers: neither needs the other's codewords.
    let page: Vec<u8> = noise(3, 1 << 15)
        .chunks(16)
        .enumerate()
        .flat_map(|(vector, bytes)| {
            bytes.iter().map(|byte| byte % 16 + 64 * (vector % 2) as u8).collect::<Vec<_>>()
        })
        .collect();
    let codebooks = train(Numbers::E4m3, 4, [&page[..]]).unwrap();
    assert_eq!((codebooks.groups(), codebooks.codebooks().len()), (&[0, 1, 0, 1][..], 2));
    let grouped = codebooks.encode(&page).unwrap();
    let alone = train(Numbers::E4m3, 1, [&page[..]]).unwrap().encode(&page).unwrap();
    assert!(grouped.len() * 10 < alone.len() * 9);
    assert_eq!(codebooks.decode(&grouped).unwrap(), page);
}

#[test]
fn codebooks_survive_their_text_and_hostile_text_is_refused() {
    for Case { codebooks, .. } in cases() {
        let read = Codebooks::from_json(&codebooks.to_json()).unwrap();
        assert_eq!((read.id(), &read), (codebooks.id(), &codebooks));
    }
    for text in [
        "",
        "{}",
        r#"{"numbers":"F8_E4M3","groups":[],"codebooks":["1"]}"#,
        r#"{"numbers":"F8_E4M3","groups":[0],"codebooks":[]}"#,
        r#"{"numbers":"F8_E4M3","groups":[0],"codebooks":["11"]}"#,
        r#"{"numbers":"F8_E4M3","groups":[0],"codebooks":["1JU"]}"#,
        r#"{"numbers":"I8","groups":[0],"codebooks":["1JU"]}"#,
    ] {
        assert!(Codebooks::from_json(text).is_err(), "{text}");
    }
    // One symbol, and 255 that have no codeword.
    let one = Codebooks::from_json(r#"{"numbers":"F8_E4M3","groups":[0],"codebooks":["1JV"]}"#).unwrap();
    let beyond = Codebooks::new(Numbers::E4m3, vec![0, 1], one.codebooks().to_vec());
    assert!(beyond.unwrap_err().to_string().contains("vector 1 has codebook 1"));
}

#[test]
fn requests_that_are_no_pages_are_refused() {
    let Case { codebooks, .. } = cases().into_iter().find(|case| case.name.starts_with("BF16")).unwrap();
    assert!(codebooks.encode(&[1, 2, 3]).is_err());
    assert!(codebooks.encode(&vec![0; 2 * MAX_ELEMENTS + 2]).is_err());
}

#[test]
fn another_layers_codebooks_are_refused_but_raw_pages_are_not() {
    let cases = cases();
    let keys = |groups: usize| {
        let name = format!("F8_E5M2: keys, {groups} codebooks");
        cases.iter().find(|case| case.name == name).unwrap()
    };
    let [one, other] = [keys(1), keys(3)];
    let error = one.codebooks.decode(&other.codebooks.encode(&other.page).unwrap()).unwrap_err();
    assert!(matches!(error, PageError::OtherCodebooks { .. }), "{error}");
    let raw = other.codebooks.encode(&noise(4, 100)).unwrap();
    assert_eq!(one.codebooks.decode(&raw).unwrap(), noise(4, 100));
}

/// Changes a page that is coded: bits of it, whole words, its end.
fn mutate(page: &mut Vec<u8>, random: &mut ChaCha8Rng) {
    for _ in 0..random.random_range(1..4) {
        // The header and what follows it matter most.
        let end = if random.random() { page.len() } else { page.len().min(HEADER + 200) };
        let at = random.random_range(0..end.max(1));
        match random.random_range(0..4) {
            0 => page[at] ^= 1 << random.random_range(0..8),
            1 => page[at] = random.random(),
            2 => page.iter_mut().skip(at & !3).take(4).for_each(|byte| *byte = 0xff),
            _ => page.truncate(at.max(1)),
        }
    }
}

#[test]
fn changed_pages_are_refused_or_decoded_to_as_many_numbers() {
    let mut random = ChaCha8Rng::seed_from_u64(8);
    let (mut refused, mut decoded) = (0, 0);
    for Case { codebooks, page, .. } in cases() {
        let encoded = codebooks.encode(&page).unwrap();
        for _ in 0..60 {
            let mut changed = encoded.clone();
            mutate(&mut changed, &mut random);
            match codebooks.decode(&changed) {
                Ok(numbers) => {
                    assert_eq!(numbers.len(), Header::parse(&changed).unwrap().page_bytes());
                    decoded += 1;
                }
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 1000 && decoded > 100, "{refused} refused, {decoded} decoded");
}

proptest! {
    #[test]
    fn any_bytes_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..3000), of_which in 0..3usize) {
        let numbers = Numbers::ALL[of_which];
        let bytes = &bytes[..bytes.len() / numbers.bytes() * numbers.bytes()];
        let codebooks = train(numbers, 3, [&bytes[..bytes.len() / 4 * 2]]).unwrap();
        prop_assert_eq!(codebooks.decode(&codebooks.encode(bytes).unwrap()).unwrap(), bytes);
    }
}
