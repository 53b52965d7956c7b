//! Tensors of other number types than E4M3.

use super::{Case, Tier};
use crate::element::{counts, counts_with_dictionary, element};
use crate::synthetic::{alpha_stable, gaussian, noise, stored_as};

/// Number types whose values are stored from floats.
const STORED: [&str; 10] = ["F8_E5M2", "F8_E8M0", "BF16", "F16", "F32", "F64", "I8", "I16", "I32", "I64"];

/// Those cases, each with the split that suits it.
pub(super) fn cases(tier: Tier) -> Vec<Case> {
    let mut cases = Cases(Vec::new());
    cases.of_floats();
    for dtype in STORED {
        cases.add_values(dtype, "Gaussian, sigma 0.02", &gaussian(21, 20_011, 0.02));
        cases.add_values(dtype, "1.0-stable, scale 0.1", &alpha_stable(22, 9_999, 1.0, 0.1));
    }
    for dtype in ["BF16", "F32", "F64"] {
        // Around every boundary of vectors, of the slots that are reordered together, and of chunks.
        for length in [0, 1, 2, 3, 15, 16, 17, 511, 512, 513, 1535, 1536, 1537, 4095, 4096, 4097, 16_385] {
            cases.add_values(dtype, &format!("{length} numbers"), &gaussian(23, length, 0.05));
        }
    }
    cases.add("U8", "FP4 codes of Gaussian weights", fp4(10_007));
    cases.add("F4", "FP4 codes of Gaussian weights", fp4(513));
    cases.add("U8", "uniform noise", noise(24, 5000));
    cases.add("BOOL", "few true ones", (0..3001).map(|i| u8::from(i % 97 == 0)).collect());
    cases.add("I64", "positions", (0..2049u64).flat_map(u64::to_le_bytes).collect());
    cases.add("C64", "Gaussian", stored_as("F32", &gaussian(25, 2002, 1.0)).unwrap_or_default());
    cases.add("U16", "uniform noise", noise(26, 4098));
    cases.of_dictionaries();
    if tier >= Tier::Full {
        for dtype in ["BF16", "F16", "F32"] {
            cases.add_values(dtype, "Gaussian, sigma 0.02, many", &gaussian(27, 1_000_003, 0.02));
        }
    }
    cases.0
}

struct Cases(Vec<Case>);

impl Cases {
    fn add(&mut self, dtype: &str, what: &str, bytes: Vec<u8>) {
        let Some(element) = element(dtype) else { return };
        let split = counts(element, &bytes).split;
        self.0.push(Case {
            name: format!("{dtype}: {what}"),
            split,
            known: bytes.len(),
            bytes,
            run_chunks: 0,
        });
    }

    fn add_values(&mut self, dtype: &str, what: &str, values: &[f32]) {
        self.add(dtype, what, stored_as(dtype, values).unwrap_or_default());
    }

    /// Few distinct numbers, each several times: one to two bytes of places, of numbers of two to eight bytes.
    fn of_dictionaries(&mut self) {
        let few = |distinct: usize, count: usize| {
            let values = alpha_stable(34, distinct, 1.5, 0.5);
            let places = noise(35, 4 * count);
            let place = |four: &[u8; 4]| u32::from_le_bytes(*four) as usize % distinct;
            places.as_chunks::<4>().0.iter().map(|four| values[place(four)]).collect::<Vec<_>>()
        };
        for (dtype, distinct, count) in [
            ("BF16", 16, 5003),
            ("F16", 200, 16_385),
            ("F32", 3, 700),
            ("F32", 256, 20_011),
            ("F32", 2000, 30_001),
            ("F64", 700, 12_289),
            ("I64", 300, 4099),
        ] {
            let what = format!("{distinct} distinct numbers");
            self.add_values(dtype, &what, &few(distinct, count));
            self.split_by_dictionary();
        }
        // A codebook for the first numbers only, so that places are patched.
        let mixed = [few(40, 4000), few(3000, 12_000)].concat();
        self.add_values("F32", "distinct numbers, codebook of a part", &mixed);
        self.split_by_dictionary();
        if let Some(case) = self.0.last_mut() {
            case.known = 4 * 3000;
        }
    }

    /// Splits the last case by a dictionary, if that makes it smaller.
    fn split_by_dictionary(&mut self) {
        if let Some(case) = self.0.last_mut() {
            case.split = counts_with_dictionary(case.split.element, &case.bytes).split;
        }
    }

    /// What floats can be: every number, NaN with payloads, infinities, subnormals, zeros of both signs, all equal;
    /// exponents that are outside every window.
    fn of_floats(&mut self) {
        self.add("BF16", "all 65,536 values", (0..=u16::MAX).flat_map(u16::to_le_bytes).collect());
        self.add("F16", "all 65,536 values", (0..=u16::MAX).flat_map(u16::to_le_bytes).collect());
        let odd = [
            0x7f80_0000u32,
            0xff80_0000,
            0x7fc0_0001,
            0x7f80_1234,
            0xffff_ffff,
            0,
            0x8000_0000,
            1,
            0x807f_ffff,
            0x0080_0000,
        ];
        let many = odd.iter().cycle().take(1703);
        self.add(
            "F32",
            "NaN, infinities, subnormals, zeros",
            many.clone().flat_map(|bits| bits.to_le_bytes()).collect(),
        );
        self.add(
            "BF16",
            "NaN, infinities, subnormals, zeros",
            many.flat_map(|bits| bits.to_le_bytes().into_iter().skip(2)).collect(),
        );
        self.add("BF16", "all equal", [0x80, 0x3f].repeat(3000));
        self.add("F32", "all equal", 1.5f32.to_le_bytes().repeat(700));
        self.add("F64", "zeros", vec![0; 8 * 600]);
        let half_zero = gaussian(28, 6000, 0.02)
            .into_iter()
            .enumerate()
            .map(|(i, value)| if i % 2 == 0 { 0.0 } else { value });
        self.add_values("BF16", "half of them zero", &half_zero.collect::<Vec<_>>());
        let from_bf16 = stored_as("BF16", &gaussian(29, 5003, 0.02)).unwrap_or_default();
        let upcast = from_bf16.as_chunks::<2>().0.iter().flat_map(|[low, high]| [0, 0, *low, *high]);
        self.add("F32", "that were BF16 once", upcast.collect());
        self.add_values("F64", "that were F32 once", &gaussian(30, 3001, 0.02));
        // A codebook for the first numbers only, so that others are patched, those outside the window among them; and the
        // last one, whose patch is for two numbers, of which there is one.
        let mixed = [gaussian(31, 4000, 0.02), alpha_stable(32, 4000, 0.8, 0.1), vec![1e30]].concat();
        for dtype in ["BF16", "F32"] {
            self.add_values(dtype, "codebook and window of a part", &mixed);
            if let (Some(case), Some(element)) = (self.0.last_mut(), element(dtype)) {
                case.known = 3000 * element.bytes;
                case.split = counts(element, &case.bytes[..case.known]).split;
            }
        }
    }
}

/// FP4 codes (E2M1), two to a byte.
fn fp4(count: usize) -> Vec<u8> {
    let code = |value: f32| {
        let steps = [0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0];
        let magnitude = steps.iter().map(|step| u8::from(value.abs() > *step)).sum::<u8>();
        magnitude | u8::from(value < 0.0) << 3
    };
    gaussian(33, 2 * count, 2.0).chunks_exact(2).map(|two| code(two[0]) | code(two[1]) << 4).collect()
}
