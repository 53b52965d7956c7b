//! Pages of mapped files that have been read and are not needed for now: given back, so that a process takes no more memory
//! than what it works on, however large its files are. The system keeps them in its cache while it has room.

use memmap2::Mmap;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};

/// Bytes that are read before their pages are given back: rarely enough that threads do not wait for each other's page
/// tables. Tests have few large tensors, and many pieces all the same.
const PASSED: usize = if cfg!(test) { 40_000 } else { 32 << 20 };

/// Slices of fewer bytes are not given back one by one. Runs of a sample, which are far apart, have more.
const SMALL: usize = 64 << 10;

/// What reading a few bytes brings along: systems map some pages around one that is asked for.
const AROUND: u64 = 64 << 10;

/// What the system maps at once at most, at a multiple of it. Whoever gives back less would leave pages around it that
/// were mapped for it and that nobody else gives back.
const AT_ONCE: usize = 2 << 20;

/// A map that exists.
#[derive(Debug)]
struct Place {
    map: Weak<Mmap>,
    /// Bytes of small slices that were read since all was given back.
    small: AtomicU64,
}

/// Maps that exist, by their first address.
static MAPS: RwLock<BTreeMap<usize, Place>> = RwLock::new(BTreeMap::new());

/// The entry of a map; ends when dropped, which must be before the file is unmapped.
#[derive(Debug)]
pub(super) struct Listed(usize);

impl Listed {
    pub(super) fn new(map: &Arc<Mmap>) -> Self {
        let start = map.as_ptr().addr();
        let place = Place { map: Arc::downgrade(map), small: AtomicU64::new(0) };
        MAPS.write().unwrap_or_else(PoisonError::into_inner).insert(start, place);
        Self(start)
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        MAPS.write().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// Says that these bytes have been read and are not needed for now. If they lie in a mapped file, their pages go back to
/// the system, sooner or later; who reads them nevertheless gets the same bytes, a little later. Other memory is left alone.
pub fn give_back(bytes: &[u8]) {
    let maps = MAPS.read().unwrap_or_else(PoisonError::into_inner);
    let first = bytes.as_ptr().addr();
    let Some((start, place)) = maps.range(..=first).next_back() else { return };
    let Some(map) = place.map.upgrade().filter(|map| first - start + bytes.len() <= map.len()) else {
        return;
    };
    if bytes.len() >= SMALL {
        let begin = (first - first % AT_ONCE).max(*start);
        let end = (first + bytes.len()).next_multiple_of(AT_ONCE).min(start + map.len());
        advise(&map, begin - start, end - begin);
    } else if !bytes.is_empty() {
        let more = bytes.len() as u64 + AROUND;
        if place.small.fetch_add(more, Ordering::Relaxed) + more > PASSED as u64 {
            place.small.store(0, Ordering::Relaxed);
            advise(&map, 0, map.len());
        }
    }
}

/// Gives pages of a map back, where the system has that.
#[cfg(unix)]
#[allow(unsafe_code)]
fn advise(map: &Mmap, offset: usize, len: usize) {
    let unneeded = memmap2::UncheckedAdvice::DontNeed;
    // SAFETY: the range lies in the map, which is read-only and of a file: nobody writes through it, so nothing is lost. Whoever
    // reads there again gets the file's bytes, as whoever reads there for the first time does.
    let advised = unsafe { map.unchecked_advise_range(unneeded, offset, len) };
    // Pages that stay take memory, and that is all.
    drop(advised);
}

#[cfg(not(unix))]
fn advise(_map: &Mmap, _offset: usize, _len: usize) {}

/// Pieces of some bytes one after the other, of whole units of `unit` bytes each but for the last. What has been read of
/// many bytes is [given back](give_back) when the next piece is asked for.
pub(crate) fn passing(bytes: &[u8], unit: usize) -> Passing<'_> {
    let unit = unit.max(1);
    Passing {
        piece: (PASSED - PASSED % unit).max(unit),
        passed: &[],
        rest: bytes,
        is_long: bytes.len() > PASSED,
    }
}

/// See [`passing`].
pub(crate) struct Passing<'a> {
    piece: usize,
    passed: &'a [u8],
    rest: &'a [u8],
    is_long: bool,
}

impl<'a> Iterator for Passing<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.give_back();
        let (piece, rest) = self.rest.split_at(self.rest.len().min(self.piece));
        (self.passed, self.rest) = (piece, rest);
        (!piece.is_empty()).then_some(piece)
    }
}

impl Passing<'_> {
    fn give_back(&mut self) {
        // What is short is given back by whoever has read all that there was to read of it.
        if self.is_long && !self.passed.is_empty() {
            give_back(std::mem::take(&mut self.passed));
        }
    }
}

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// Does work on pieces, many at a time, and [gives back](give_back) what has been read whenever that is much.
pub(crate) fn in_batches<'a>(pieces: impl Iterator<Item = &'a [u8]>, mut work: impl FnMut(&[&'a [u8]])) {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    for piece in pieces {
        bytes += piece.len();
        batch.push(piece);
        if bytes > PASSED {
            work(&batch);
            batch.drain(..).for_each(give_back);
            bytes = 0;
        }
    }
    if !batch.is_empty() {
        work(&batch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_whole_units_and_all_of_the_bytes() {
        let bytes: Vec<u8> = (0..3 * PASSED + 1234).map(|i| (i * i / 7 % 256) as u8).collect();
        for unit in [0, 1, 3, 1024, PASSED, PASSED + 1, 10 * PASSED] {
            let pieces: Vec<&[u8]> = passing(&bytes, unit).collect();
            assert!(pieces.concat() == bytes, "{unit}");
            let (_, whole) = pieces.split_last().unwrap();
            assert!(whole.iter().all(|piece| piece.len() % unit.max(1) == 0), "{unit}");
        }
        assert_eq!(passing(&[], 7).count(), 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn pages_that_were_given_back_are_not_mapped_and_have_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bytes");
        let bytes: Vec<u8> = (0..(24 << 20)).map(|i: u32| (i * 7 / 3).to_le_bytes()[0]).collect();
        std::fs::write(&path, &bytes).unwrap();
        let mapped = super::super::MappedFile::open(&path).unwrap();
        let page_bytes = || {
            let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
            let own = maps.split_once(&*path.to_string_lossy()).unwrap().1;
            let rss = own.lines().find_map(|line| line.strip_prefix("Rss:")).unwrap();
            rss.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() << 10
        };
        assert!(mapped[..] == bytes[..]);
        assert_eq!(page_bytes(), bytes.len());
        give_back(&mapped[(5 << 20)..(15 << 20)]);
        assert!((bytes.len() - (14 << 20)..=bytes.len() - (10 << 20)).contains(&page_bytes()));
        assert!(mapped[..] == bytes[..]);
        // Small ones, until they are many.
        (0..100).for_each(|i| give_back(&mapped[1000 * i..1000 * (i + 1)]));
        assert!(page_bytes() < bytes.len() / 2);
        assert!(mapped[..] == bytes[..]);
        // What is not mapped, and what is beyond the map.
        give_back(&bytes);
        drop(mapped);
        give_back(&bytes);
        assert!(std::fs::read(&path).unwrap() == bytes);
    }
}
