//! Kernels for pages of K/V caches on the emulator with all its checks: their bytes are those of the plain encoder and decoder, whatever
//! the pages are; and what they cost.

#![allow(missing_docs)]
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "that is how a test fails, also in its helpers"
)]

use ecf8_codegen::emulator::{self, Checks};
use ecf8_codegen::ir::Kernel;
use ecf8_codegen::kv::batch::Batch;
use ecf8_codegen::kv::{PageKernels, status};
use ecf8_codegen::launch::{Arg, Gather, Launch};
use ecf8_codegen::profile::profile;
use ecf8_core::kv::corpus::{Case, cases};
use ecf8_core::kv::page::HEADER;
use ecf8_core::kv::{Codebooks, Header, Numbers, Training};
use ecf8_core::synthetic::{Attention, Cached, noise, stored_as};

/// Kernels of a batch.
struct Kernels {
    measure: Kernel,
    encode: Kernel,
    decode: Kernel,
}

impl Kernels {
    fn of(kernels: &PageKernels) -> Self {
        Self {
            measure: kernels.measure().unwrap(),
            encode: kernels.encode().unwrap(),
            decode: kernels.decode().unwrap(),
        }
    }
}

fn run(kernel: &Kernel, launch: &Launch<Gather<'_>>) -> Vec<Vec<u8>> {
    emulator::run(kernel, launch, Checks::Full).unwrap_or_else(|error| panic!("{error}"))
}

/// Encodes pages by the kernels; each must write all bytes of `wanted`, and no others need be.
fn encode(batch: &Batch<'_>, kernels: &Kernels, wanted: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let sizes = run(&kernels.measure, &batch.measure().unwrap()).remove(0);
    let mut launch = batch.encode(sizes).unwrap();
    let slot = batch.shape().slot_bytes(batch.kernels());
    let written = wanted.iter().zip(0..).map(|(page, i)| i * slot..i * slot + page.len() as u64);
    launch.outputs[0].written = written.collect();
    let outputs = run(&kernels.encode, &launch);
    for (page, slot) in wanted.iter().zip(outputs[0].chunks(slot as usize)) {
        assert!(slot[page.len()..].iter().all(|byte| *byte == 0), "nothing is written beyond a page");
    }
    batch.encoded(&outputs[0], &outputs[1])
}

/// Decodes pages by the kernel: what is in the places of those, and their statuses.
fn decode(
    batch: &Batch<'_>,
    kernels: &Kernels,
    encoded: &[&[u8]],
    is_whole: bool,
) -> (Vec<Vec<u8>>, Vec<Vec<u32>>) {
    let mut launch = batch.decode(encoded).unwrap();
    let places = batch.places();
    let written = places.iter().map(|place| place.start as u64..place.end as u64);
    launch.outputs[0].written = if is_whole { written.collect() } else { Vec::new() };
    let outputs = run(&kernels.decode, &launch);
    let chunks = batch.shape().chunks() as usize;
    let statuses: Vec<u32> =
        outputs[1].as_chunks::<4>().0.iter().map(|status| u32::from_le_bytes(*status)).collect();
    let statuses = statuses.chunks(chunks).map(<[u32]>::to_vec).collect();
    let mut between = places.last().map_or(0, |place| place.end)..outputs[0].len();
    assert!(between.all(|at| outputs[0][at] == 0), "nothing is written beyond the last page");
    for two in places.windows(2) {
        assert!(outputs[0][two[0].end..two[1].start].iter().all(|byte| *byte == 0), "nor between pages");
    }
    (places.iter().map(|place| outputs[0][place.clone()].to_vec()).collect(), statuses)
}

/// The cases that have the same codebooks: one launch is for all.
fn by_codebooks(cases: &[Case]) -> Vec<Vec<&Case>> {
    let mut groups: Vec<Vec<&Case>> = Vec::new();
    for case in cases {
        match groups.iter_mut().find(|group| group[0].codebooks == case.codebooks) {
            Some(group) => group.push(case),
            None => groups.push(vec![case]),
        }
    }
    groups
}

#[test]
fn the_kernels_bytes_are_those_of_the_plain_encoder_and_decoder() {
    let cases = cases();
    let mut bytes = 0;
    for group in by_codebooks(&cases) {
        let codebooks = &group[0].codebooks;
        let pages: Vec<&[u8]> = group.iter().map(|case| &case.page[..]).collect();
        let batch = Batch::new(codebooks, &pages);
        let kernels = Kernels::of(batch.kernels());
        let wanted: Vec<Vec<u8>> = pages.iter().map(|page| codebooks.encode(page).unwrap()).collect();
        let encoded = encode(&batch, &kernels, &wanted);
        for ((case, encoded), wanted) in group.iter().zip(&encoded).zip(&wanted) {
            let differs = encoded.iter().zip(wanted).position(|(a, b)| a != b);
            assert!(encoded == wanted, "{}: encoded otherwise from byte {differs:?}", case.name);
        }
        let borrowed: Vec<&[u8]> = encoded.iter().map(Vec::as_slice).collect();
        let (decoded, statuses) = decode(&batch, &kernels, &borrowed, true);
        for ((case, decoded), status) in group.iter().zip(&decoded).zip(&statuses) {
            assert!(status.iter().all(|status| *status == status::DECODED), "{}: {status:?}", case.name);
            let differs = decoded.iter().zip(&case.page).position(|(a, b)| a != b);
            assert!(*decoded == case.page, "{}: decoded otherwise from byte {differs:?}", case.name);
        }
        bytes += pages.iter().map(|page| page.len()).sum::<usize>();
    }
    println!("{} pages, {bytes} bytes", cases.len());
}

#[test]
fn one_page_is_decoded_whatever_the_others_are() {
    let case = cases().into_iter().find(|case| case.name == "BF16: keys, 3 codebooks").unwrap();
    let encoded = case.codebooks.encode(&case.page).unwrap();
    let batch = Batch::new(&case.codebooks, &[&case.page[..], &case.page[..], &case.page[..]]);
    let kernels = Kernels::of(batch.kernels());
    let around = noise(9, encoded.len());
    let (decoded, statuses) = decode(&batch, &kernels, &[&around, &encoded, &around], false);
    assert!(statuses[1].iter().all(|status| *status == status::DECODED));
    assert_eq!(decoded[1], case.page);
    for other in [0, 2] {
        assert!(statuses[other].iter().all(|status| *status == status::NOT_A_PAGE));
        assert!(decoded[other].iter().all(|byte| *byte == 0));
    }
}

/// How many changed pages of each case are tried. `ECF8_STREAMS=1000` tries more.
fn streams() -> usize {
    std::env::var("ECF8_STREAMS").ok().and_then(|count| count.parse().ok()).unwrap_or(24)
}

/// A few changes of a page by a seed: the header and what follows it are hit most.
fn changed(page: &[u8], seed: u64) -> Vec<u8> {
    let random = noise(seed, 64);
    let mut page = page.to_vec();
    let number = |i: usize| usize::from(u16::from_le_bytes([random[i], random[i + 1]]));
    for change in 0..1 + number(0) % 3 {
        let at = 8 * change + 2;
        let end = if random[at].is_multiple_of(2) { page.len() } else { page.len().min(HEADER + 200) };
        let place = number(at + 2) * 37 % end.max(1);
        match random[at + 1] % 5 {
            0 => page[place] ^= 1 << (random[at + 4] % 8),
            1 => page[place] = random[at + 4],
            2 => page.iter_mut().skip(place & !3).take(4).for_each(|byte| *byte = 0xff),
            3 => page.truncate(place.max(1)),
            _ => {
                let from = number(at + 4) * 41 % end;
                page.copy_within(from..(from + 16).min(end), place.min(end.saturating_sub(16)));
            }
        }
    }
    page
}

#[test]
fn changed_pages_never_lead_outside_and_are_refused_exactly_where_the_plain_decoder_refuses_them() {
    let (mut refused, mut decoded_otherwise) = (0, 0);
    for (number, case) in cases().iter().enumerate().filter(|(_, case)| !case.page.is_empty()) {
        let encoded = case.codebooks.encode(&case.page).unwrap();
        let hostile: Vec<Vec<u8>> =
            (0..streams()).map(|i| changed(&encoded, (number * 100_000 + i) as u64)).collect();
        let pages = vec![&case.page[..]; hostile.len()];
        let batch = Batch::new(&case.codebooks, &pages);
        let kernels = Kernels::of(batch.kernels());
        let borrowed: Vec<&[u8]> = hostile.iter().map(Vec::as_slice).collect();
        let (decoded, statuses) = decode(&batch, &kernels, &borrowed, false);
        for ((page, decoded), statuses) in hostile.iter().zip(&decoded).zip(&statuses) {
            let is_refused = statuses.iter().any(|status| *status != status::DECODED);
            match case.codebooks.decode(page) {
                Ok(_) if Header::parse(page).unwrap().page_bytes() > case.page.len() => {
                    assert!(statuses.iter().all(|status| *status == status::NO_ROOM), "{}", case.name);
                }
                Ok(wanted) => {
                    assert!(!is_refused, "{}: {statuses:?}", case.name);
                    assert!(decoded[..wanted.len()] == wanted, "{}", case.name);
                    decoded_otherwise += usize::from(wanted != case.page);
                }
                Err(error) => {
                    assert!(is_refused, "{}: {error}", case.name);
                    refused += 1;
                }
            }
        }
    }
    println!("{refused} refused, {decoded_otherwise} valid and different");
    assert!(refused > 500 && decoded_otherwise > 20, "{refused} refused, {decoded_otherwise} different");
}

#[test]
fn a_launch_of_empty_pages_tells_that_they_are_empty() {
    let case = cases().swap_remove(0);
    let batch = Batch::new(&case.codebooks, &[&[], &[]]);
    let kernels = Kernels::of(batch.kernels());
    let wanted = vec![case.codebooks.encode(&[]).unwrap(); 2];
    assert_eq!(encode(&batch, &kernels, &wanted), wanted);
    let (_, statuses) = decode(&batch, &kernels, &[&wanted[0][..], &wanted[1][..]], true);
    assert_eq!(statuses, [[status::DECODED], [status::DECODED]]);
}

#[test]
fn pages_that_do_not_lie_in_the_cache_get_the_length_0() {
    let case = cases().into_iter().find(|case| case.name == "F8_E4M3: keys, 1 codebooks").unwrap();
    let batch = Batch::new(&case.codebooks, &[&case.page[..], &case.page[..], &case.page[..16]]);
    let kernels = Kernels::of(batch.kernels());
    for wrong in [[0, 0, u32::MAX], [0, u32::MAX, 1], [u32::MAX / 2 + 1, 3000, 0]] {
        let replace = |launch: &mut Launch<Gather<'_>>, index: usize| {
            launch.args[index] = Arg::Input(wrong.map(u32::to_le_bytes).concat().into());
        };
        let mut measure = batch.measure().unwrap();
        replace(&mut measure, 2);
        let sizes = run(&kernels.measure, &measure).remove(0);
        let mut launch = batch.encode(sizes).unwrap();
        replace(&mut launch, 2);
        launch.outputs[0].written.clear();
        let outputs = run(&kernels.encode, &launch);
        for (page, source) in batch.encoded(&outputs[0], &outputs[1]).iter().zip(wrong) {
            assert_eq!(page.is_empty(), source > 1, "{wrong:?}");
        }
    }
}

#[test]
fn decoding_takes_at_most_10_lane_instructions_per_byte_and_encoding_40() {
    for numbers in Numbers::ALL {
        for (cached, groups) in [(Cached::Keys, 8), (Cached::Values, 1)] {
            let layer = Attention { seed: 2, cached, heads: 8, head_size: 128 };
            let stored = |first, tokens| stored_as(numbers.dtype(), &layer.tokens(first, tokens)).unwrap();
            let mut training = Training::new(numbers, Codebooks::period(8, 128));
            training.add(&stored(0, 256));
            let (codebooks, _) = training.codebooks(groups).unwrap();
            let page = stored(256, 64);
            let pages = vec![&page[..]; 4];
            let batch = Batch::new(&codebooks, &pages);
            let kernels = Kernels::of(batch.kernels());
            let bytes = (pages.len() * page.len()) as f64;
            let cost = |kernel: &Kernel, launch: &Launch<Gather<'_>>| {
                profile(kernel, launch, None).unwrap().issued.total() * 32.0 / bytes
            };
            let sizes = run(&kernels.measure, &batch.measure().unwrap()).remove(0);
            let measure = cost(&kernels.measure, &batch.measure().unwrap());
            let encode = cost(&kernels.encode, &batch.encode(sizes).unwrap());
            let encoded = codebooks.encode(&page).unwrap();
            let decode = cost(&kernels.decode, &batch.decode(&[&encoded[..]; 4]).unwrap());
            println!(
                "{} {cached:?}, {groups} codebooks: decoding {decode:.1}, measuring {measure:.1}, encoding {encode:.1}",
                numbers.dtype()
            );
            assert!(decode <= 10.0 && measure + encode <= 40.0, "{decode} {measure} {encode}");
        }
    }
}
