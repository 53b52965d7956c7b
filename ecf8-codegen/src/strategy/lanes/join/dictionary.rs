//! Numbers of which what is split are the places in a dictionary: of at most 16 bits, whatever numbers have.

use super::super::jobs::Job;
use crate::lang::{Global, V, byte_permute, device};

/// The numbers whose places these are, two places to a word.
#[track_caller]
pub(super) fn look_up(bytes: u32, model: Global<u32>, job: &Job, places: &[V<u32>]) -> Vec<V<u32>> {
    let twos = places.iter().map(|&two| {
        let [first, second] = halves(two);
        [entry(bytes, model, job, first), entry(bytes, model, job, second)]
    });
    if bytes == 2 {
        twos.map(|[first, second]| both(first[0], second[0])).collect()
    } else {
        twos.flatten().flatten().collect()
    }
}

/// The words of the entry at a place; its last one, if there is no such place.
#[device]
pub(in super::super) fn entry(bytes: u32, model: Global<u32>, job: &Job, place: V<u32>) -> Vec<V<u32>> {
    // Places of whole models are right; those of damaged ones must not lead out of the buffer.
    let at = job.dictionary + (place.min(job.last_entry) as u64);
    match bytes {
        2 => [model.view::<u16>()[at] as u32].to_vec(),
        4 => [model[at]].to_vec(),
        _ => model.load2(at).to_vec(),
    }
}

#[device]
fn halves(two: V<u32>) -> [V<u32>; 2] {
    [two & 0xffff, two >> 16]
}

#[device]
fn both(first: V<u32>, second: V<u32>) -> V<u32> {
    byte_permute(first, second, 0x5410)
}
