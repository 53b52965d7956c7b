//! Vectors of 16 numbers in a cache: loaded, stored, split into coded and stored bytes, and joined.

use super::units::VECTOR;
use crate::lang::{Global, GlobalMut, V, Var, byte_permute, device, rt};
use ecf8_core::kv::Numbers;

/// Words of a vector of such numbers.
fn words(numbers: Numbers) -> u32 {
    accesses(numbers) * 4
}

/// Accesses of 16 bytes that a vector takes.
pub(super) fn accesses(numbers: Numbers) -> u32 {
    if numbers == Numbers::Bf16 { 2 } else { 1 }
}

/// Numbers that an access has.
fn per_access(numbers: Numbers) -> u32 {
    VECTOR / accesses(numbers)
}

/// How many accesses `elements` numbers take.
#[device]
pub(super) fn all_accesses(numbers: Numbers, elements: V<u32>) -> V<u32> {
    (elements + (per_access(numbers) - 1)) / per_access(numbers)
}

/// The words of vector `vector` of a page with `elements` numbers that starts at access `page` of a cache. A number beyond the last is
/// `fill`.
#[device]
pub(super) fn load(
    numbers: Numbers,
    cache: Global<u32>,
    page: V<u32>,
    vector: V<u32>,
    elements: V<u32>,
    fill: V<u32>,
) -> Vec<V<u32>> {
    let first = page + vector * accesses(numbers);
    #[host]
    let loaded: Vec<Var<u32>> = (0..words(numbers)).map(|_| rt::declare_unset("word")).collect();
    if vector < elements / VECTOR {
        for access in 0..accesses(numbers) {
            let four = cache.load4(first + access);
            for (i, word) in four.into_iter().enumerate() {
                loaded[4 * access as usize + i].set(word);
            }
        }
    } else {
        /// The last vector, number by number.
        let bits = 8 * numbers.bytes() as u32;
        let per_word = 32 / bits;
        for word in 0..words(numbers) {
            let mut joined: u32 = 0;
            for i in 0..per_word {
                let number = word * per_word + i;
                let mut one = fill;
                if vector * VECTOR + number < elements {
                    let at = (first as u64) * (per_access(numbers) as u64) + (number as u64);
                    one = number_at(numbers, cache, at);
                }
                joined |= one << (bits * i);
            }
            loaded[word as usize].set(joined);
        }
    }
    loaded.iter().map(|word| word.get()).collect()
}

#[device]
fn number_at(numbers: Numbers, cache: Global<u32>, at: V<u64>) -> V<u32> {
    match numbers {
        Numbers::Bf16 => cache.view::<u16>()[at] as u32,
        _ => cache.view::<u8>()[at] as u32,
    }
}

/// Stores the words of a vector, as far as the page has numbers.
#[device]
pub(super) fn store(
    numbers: Numbers,
    cache: GlobalMut<u32>,
    page: V<u32>,
    vector: V<u32>,
    elements: V<u32>,
    words: &[V<u32>],
) {
    let first = page + vector * accesses(numbers);
    if vector < elements / VECTOR {
        for (access, four) in words.as_chunks::<4>().0.iter().enumerate() {
            cache.store4(first + access as u32, *four);
        }
    } else {
        let bits = 8 * numbers.bytes() as u32;
        let per_word = 32 / bits;
        for number in 0..VECTOR {
            if vector * VECTOR + number < elements {
                let one = words[(number / per_word) as usize] >> (bits * (number % per_word));
                let at = (first as u64) * (per_access(numbers) as u64) + (number as u64);
                store_number(numbers, cache, at, one);
            }
        }
    }
}

/// Stores number `at` of a cache.
#[device]
pub(super) fn store_number(numbers: Numbers, cache: GlobalMut<u32>, at: V<u64>, number: V<u32>) {
    match numbers {
        Numbers::Bf16 => {
            let numbers = cache.view::<u16>();
            numbers[at] = number as u16;
        }
        _ => {
            let numbers = cache.view::<u8>();
            numbers[at] = number as u8;
        }
    }
}

/// The number `element` of a page that starts at access `page` of a cache.
#[device]
pub(super) fn place_of(numbers: Numbers, page: V<u32>, element: V<u32>) -> V<u64> {
    (page as u64) * (per_access(numbers) as u64) + (element as u64)
}

/// A number whose coded byte is `coded`, and whose other bits are 0.
#[device]
pub(super) fn with_coded(numbers: Numbers, coded: V<u32>) -> V<u32> {
    match numbers {
        Numbers::Bf16 => coded << 7,
        _ => coded,
    }
}

/// A number from its two bytes; of 8-bit types, the coded one.
#[device]
pub(super) fn number(numbers: Numbers, coded: V<u32>, stored: V<u32>) -> V<u32> {
    match numbers {
        Numbers::Bf16 => (coded << 7) | (stored >> 1) | ((stored & 1) << 15),
        _ => coded,
    }
}

/// The coded bytes of a vector, four words, and its stored bytes, as many or none.
#[device]
pub(super) fn split(numbers: Numbers, words: &[V<u32>]) -> (Vec<V<u32>>, Vec<V<u32>>) {
    match numbers {
        Numbers::Bf16 => words
            .as_chunks::<2>()
            .0
            .iter()
            .map(|two| {
                // Each half turned left by a bit: the exponent on top, the sign last.
                let turned = two.map(|word| ((word << 1) & 0xfffe_fffe) | ((word >> 15) & 0x0001_0001));
                let coded = byte_permute(turned[0], turned[1], 0x7531);
                let stored = byte_permute(turned[0], turned[1], 0x6420);
                (coded, stored)
            })
            .unzip(),
        _ => (words.to_vec(), Vec::new()),
    }
}

/// The words of a vector with these coded and stored bytes.
#[device]
pub(super) fn join(numbers: Numbers, coded: &[V<u32>], stored: &[V<u32>]) -> Vec<V<u32>> {
    match numbers {
        Numbers::Bf16 => coded
            .iter()
            .zip(stored)
            .flat_map(|(&coded, &stored)| {
                [0x5140u32, 0x7362].map(|selector| {
                    let turned = byte_permute(stored, coded, selector);
                    ((turned >> 1) & 0x7fff_7fff) | ((turned << 15) & 0x8000_8000)
                })
            })
            .collect(),
        _ => coded.to_vec(),
    }
}
