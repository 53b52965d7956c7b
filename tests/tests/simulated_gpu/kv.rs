//! Pages of K/V caches on a stream of the caller's, captured in a graph.

use super::callers::on_own_stream;
use super::{Simulated, is_child};
use ecf8_core::kv::Codebooks;
use ecf8_core::kv::corpus::cases;
use ecf8_core::synthetic::noise;
use ecf8_tune::executor::{CudaExecutor, Target};
use ecf8_tune::kernel_cache::KernelCache;
use ecf8_tune::kv::{DecodePages, EncodePages, PageCodec};
use std::sync::Arc;

fn bytes(numbers: &[usize]) -> Vec<u8> {
    numbers.iter().flat_map(|number| u32::try_from(*number).unwrap().to_le_bytes()).collect()
}

/// One graph of encoding and decoding serves whatever pages are in the cache when it is launched, and the host waits for nothing.
#[test]
fn pages_are_encoded_and_decoded_in_a_callers_graph() {
    const TEST: &str = "kv::pages_are_encoded_and_decoded_in_a_callers_graph";
    if !is_child() {
        let Some(simulated) = Simulated::find() else { return };
        let text = simulated.run(TEST, &[("ECF8_SIM_LOG", "1")]);
        let captured = text.split("capturing now").nth(1).unwrap_or_default();
        let captured = captured.split("captured").next().unwrap_or_default();
        let count = |call: &str| captured.matches(&format!("simulated GPU: {call}: Ok")).count();
        assert_eq!(count("cuLaunchKernel"), 3, "{text}");
        let waits =
            ["cuStreamSynchronize", "cuEventSynchronize", "cuMemAlloc", "cuMemAllocAsync", "cuMemFree"];
        assert_eq!(waits.map(count), [0; 5], "{text}");
        return;
    }
    let case = cases().into_iter().find(|case| case.name == "BF16: keys, 3 codebooks").unwrap();
    let codebooks: &Codebooks = &case.codebooks;
    let (_device, own, caller, stream) = on_own_stream();
    let mut target = CudaExecutor::on(own, Arc::new(KernelCache::open()));
    let codec = PageCodec::new(&mut target, codebooks).unwrap();
    let (elements, count) = (1500_u32, 2_u32);
    let page = 2 * elements as usize;
    let places = [0, page.next_multiple_of(16)];
    let room = 2 * places[1];
    let slot = usize::try_from(codec.slot_bytes(elements)).unwrap();
    let mut alloc = |bytes: usize| target.alloc(bytes).unwrap();
    let (cache, back) = (alloc(room), alloc(room));
    let scratch = alloc(usize::try_from(codec.scratch_bytes(count, elements)).unwrap());
    let (slots, lengths, statuses) = (alloc(2 * slot), alloc(8), alloc(8));
    let mut upload = |numbers: &[usize]| target.upload(&bytes(numbers).into()).unwrap();
    let places_in_cache = upload(&places.map(|place| place / 16));
    let numbers = upload(&[1500, 1499]);
    let starts = upload(&[0, slot / 16]);
    target.settle().unwrap();
    eprintln!("capturing now");
    let graph = caller.capture(stream, || {
        let encode = EncodePages {
            count,
            elements,
            cache: &cache,
            sources: &places_in_cache,
            numbers: &numbers,
            scratch: &scratch,
            slots: &slots,
            lengths: &lengths,
        };
        codec.encode(&mut target, &encode).unwrap();
        let decode = DecodePages {
            count,
            elements,
            pages: &slots,
            starts: &starts,
            lengths: &lengths,
            targets: &places_in_cache,
            cache: &back,
            statuses: &statuses,
        };
        codec.decode(&mut target, &decode).unwrap();
    });
    eprintln!("captured");
    for pages in [&case.page[..room], &case.page[7000..7000 + room], &noise(6, room)[..]] {
        let filled = target.upload(&pages.to_vec().into()).unwrap();
        let transfer = ecf8_tune::executor::Transfer { from: &filled, part: 0..room, into: &cache, start: 0 };
        target.copy(&transfer).unwrap();
        caller.replay(graph, stream);
        let mut download = |buffer, bytes: usize| {
            let mut out = vec![0; bytes];
            target.download(buffer, &mut out).unwrap();
            out
        };
        let (encoded, own_lengths) = (download(&slots, 2 * slot), download(&lengths, 8));
        let decoded = download(&back, room);
        assert_eq!(download(&statuses, 8), [0; 8]);
        for (i, (place, bytes)) in places.into_iter().zip([page, page - 2]).enumerate() {
            let wanted = codebooks.encode(&pages[place..place + bytes]).unwrap();
            let length = u32::from_le_bytes(own_lengths[4 * i..][..4].try_into().unwrap());
            assert!(encoded[i * slot..][..length as usize] == wanted[..], "page {i} is encoded otherwise");
            assert!(
                decoded[place..place + bytes] == pages[place..place + bytes],
                "page {i} is decoded otherwise"
            );
        }
    }
}
