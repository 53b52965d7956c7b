//! Pages through the codec on the emulator: what a GPU does, the same code asks of it.

#![allow(clippy::cast_possible_truncation, reason = "tests choose their numbers")]

use super::*;
use crate::executor::EmulatorExecutor;
use ecf8_codegen::emulator::Checks;
use ecf8_core::kv::corpus::{Case, cases};

fn bytes(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn downloaded<T: Target>(target: &mut T, buffer: &T::Buffer) -> Vec<u8> {
    let mut bytes = vec![0; target.bytes(buffer)];
    target.download(buffer, &mut bytes).unwrap();
    bytes
}

/// Pages from the cache to slots and back to other places, which come out as they went in; and what refuses short buffers.
#[test]
fn pages_go_out_and_come_back_elsewhere_and_short_buffers_are_refused() {
    let case = cases().into_iter().find(|case| case.name == "BF16: keys, 3 codebooks").unwrap();
    let Case { codebooks, page, .. } = case;
    let mut target = EmulatorExecutor { checks: Checks::Basic };
    let codec = PageCodec::new(&mut target, &codebooks).unwrap();
    let upload = |target: &mut EmulatorExecutor, bytes: Vec<u8>| target.upload(&bytes.into()).unwrap();
    let page_units = (page.len() / 16) as u32;
    let (count, elements) = (3, (page.len() / 2) as u32);
    // A whole page, a short one, and one of noise, which stays raw.
    let noise = ecf8_core::synthetic::noise(3, page.len());
    let cache = upload(&mut target, [&page[..], &page[..], &noise[..]].concat());
    let sources = upload(&mut target, bytes(&[0, page_units, 2 * page_units]));
    let numbers = upload(&mut target, bytes(&[elements, 1001, elements]));
    let slot = codec.slot_bytes(elements);
    let scratch = target.alloc(codec.scratch_bytes(count, elements) as usize).unwrap();
    let slots = target.alloc(slot as usize * 3).unwrap();
    let lengths = target.alloc(12).unwrap();
    let encode = EncodePages {
        count,
        elements,
        cache: &cache,
        sources: &sources,
        numbers: &numbers,
        scratch: &scratch,
        slots: &slots,
        lengths: &lengths,
    };
    codec.encode(&mut target, &encode).unwrap();
    let wanted = [&page[..], &page[..2002], &noise[..]].map(|page| codebooks.encode(page).unwrap());
    let (encoded, own) = (downloaded(&mut target, &slots), downloaded(&mut target, &lengths));
    for (i, wanted) in wanted.iter().enumerate() {
        let length = u32::from_le_bytes(own[4 * i..][..4].try_into().unwrap()) as usize;
        assert!(encoded[i * slot as usize..][..length] == wanted[..], "page {i}");
    }

    // Back, the last page first.
    let starts = upload(&mut target, bytes(&[0, 1, 2].map(|i: u32| i * (slot / 16) as u32)));
    let targets = upload(&mut target, bytes(&[2 * page_units, page_units, 0]));
    let back = target.alloc(page.len() * 3).unwrap();
    let statuses = target.alloc(codec.chunks(elements) as usize * 12).unwrap();
    let decode = DecodePages {
        count,
        elements,
        pages: &slots,
        starts: &starts,
        lengths: &lengths,
        targets: &targets,
        cache: &back,
        statuses: &statuses,
    };
    codec.decode(&mut target, &decode).unwrap();
    assert!(downloaded(&mut target, &statuses).iter().all(|byte| u32::from(*byte) == status::DECODED));
    let decoded = downloaded(&mut target, &back);
    assert!(decoded[..page.len()] == noise && decoded[2 * page.len()..] == page);
    assert!(decoded[page.len()..][..2002] == page[..2002]);

    let short = target.alloc(8).unwrap();
    for wrong in [
        EncodePages { sources: &short, ..encode },
        EncodePages { scratch: &short, ..encode },
        EncodePages { slots: &short, ..encode },
        EncodePages { lengths: &short, ..encode },
    ] {
        let error = codec.encode(&mut target, &wrong).unwrap_err().to_string();
        assert!(error.contains("make it larger"), "{error}");
    }
    let wrong = DecodePages { statuses: &short, ..decode };
    assert!(codec.decode(&mut target, &wrong).unwrap_err().to_string().contains("make it larger"));
    let wrong = DecodePages { elements: 1 << 25, ..decode };
    assert!(codec.decode(&mut target, &wrong).unwrap_err().to_string().contains("at most"));
    codec.decode(&mut target, &DecodePages { count: 0, ..decode }).unwrap();
}
