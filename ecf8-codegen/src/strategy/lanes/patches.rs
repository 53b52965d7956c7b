//! What has no codeword: the right fields, two neighbours to a patch, written over what was decoded.

use super::jobs::Job;
use super::join::{Join, entry};
use super::tail::Tail;
use super::units::VECTOR;
use crate::lang::{Global, V, WARP, device, lane_idx, select, sync_warp};
use crate::sink::OpenSink;
use ecf8_core::element::SLOTS;

/// Bits of a patch that are bytes; the bits above say which two elements of the chunk they are for.
const BYTES: u32 = 16;

/// Puts right what the warp has decoded.
#[device]
pub(in super::super) fn put_right(
    join: Join,
    model: Global<u32>,
    tail: &Tail,
    job: &Job,
    sink: &dyn OpenSink,
) {
    // What is overwritten has been written by then.
    sync_warp();
    let section = tail.section();
    let first = tail.patches();
    for i in (lane_idx()..tail.patch_count()).step_by(WARP) {
        let patch = model[first + (i as u64)];
        let in_chunk = (patch >> BYTES) * 2;
        // The patches of a chunk are for all its sections.
        if in_chunk / VECTOR - section.first < section.vectors {
            let element = (section.chunk as u64) * ((section.per_chunk * VECTOR) as u64) + (in_chunk as u64);
            if join.bytes() == 1 {
                let place = job.output * (VECTOR as u64) + element;
                sink.byte(place, patch as u8);
                if element + 1 < job.elements {
                    sink.byte(place + 1, (patch >> 8) as u8);
                }
            } else {
                put_number(join, model, job, element, patch & 0xff, sink);
                if element + 1 < job.elements {
                    put_number(join, model, job, element + 1, (patch >> 8) & 0xff, sink);
                }
            }
        }
    }
}

/// Writes what a coded byte contributes to the number in a slot.
#[device]
fn put_number(join: Join, model: Global<u32>, job: &Job, slot: V<u64>, coded: V<u32>, sink: &dyn OpenSink) {
    let bytes = join.bytes();
    let first = job.output * (VECTOR as u64);
    let number = number_in(bytes, slot, job.elements);
    match join {
        Join::Exponents { .. } => {
            /// Sign and mantissa as they are stored: in the order 0, 2, 1, 3, each sign one byte further.
            let vector = job.plane(0, slot / (VECTOR as u64)) * (VECTOR as u64);
            let within = (slot as u32) & (VECTOR - 1);
            let place = ((within & 1) << 1) | ((within & 2) >> 1);
            let four = vector + ((within & 12) as u64);
            let plane = model.view::<u8>();
            let mantissa = (plane[four + (place as u64)] as u32) & 0x7f;
            let sign = (plane[four + (((place + 1) & 3) as u64)] as u32) & 0x80;
            let half = first / 2 + number * ((bytes / 2) as u64) + ((bytes / 2 - 1) as u64);
            sink.half(half, ((sign << 8) | (coded << 7) | mantissa) as u16);
        }
        Join::Planes { coded: plane, .. } => {
            let place = first + number * (bytes as u64) + ((bytes - 1 - plane) as u64);
            sink.byte(place, coded as u8);
        }
        Join::Places { coded: plane, .. } => {
            /// The other byte of the place is as it is stored.
            let vector = job.plane(0, slot / (VECTOR as u64)) * (VECTOR as u64);
            let other = model.view::<u8>()[vector + (slot & ((VECTOR - 1) as u64))] as u32;
            let place = if plane == 0 { (coded << 8) | other } else { (other << 8) | coded };
            let words = entry(bytes, model, job, place);
            if bytes == 2 {
                sink.half(first / 2 + number, words[0] as u16);
            } else {
                for (i, word) in (0u32..).zip(words) {
                    let words_each = bytes / 4;
                    let place = first / 4 + number * (words_each as u64) + (i as u64);
                    sink.word(place, word);
                }
            }
        }
        Join::Whole | Join::Nibbles | Join::Rests => (),
    }
}

/// Which number is in a slot: in whole blocks of slots, a lane has one vector of 16 bytes in each 512.
#[device]
fn number_in(bytes: u32, slot: V<u64>, elements: V<u64>) -> V<u64> {
    let per_vector = VECTOR / bytes;
    let within = (slot as u32) & (SLOTS as u32 - 1);
    let lane = within / VECTOR;
    let vector = (within & (VECTOR - 1)) / per_vector;
    let number = (vector * WARP + lane) * per_vector + (within & (per_vector - 1));
    let block = slot - (within as u64);
    select(block + (SLOTS as u64) <= elements, block + (number as u64), slot)
}
