//! Checkpoints of a training, each as its difference from the one before: smaller than alone and than zstd makes of the two, and
//! back byte for byte; and bases that are not the right ones.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use ecf8_core::synthetic::{SyntheticTensor, gaussian, safetensors_bytes, stored_as};
use ecf8_tests::cli::{Scratch, weights};
use safetensors::Dtype;
use std::io::Write;

/// Neurons of each layer.
const WIDTHS: [usize; 4] = [96, 256, 192, 64];

/// Examples of a step.
const BATCH: usize = 32;

/// A network of fully connected layers that learns what another one does, in FP32, with Adam's moments.
struct Training {
    weights: Vec<Vec<f32>>,
    first_moments: Vec<Vec<f32>>,
    second_moments: Vec<Vec<f32>>,
    teacher: Vec<f32>,
    steps: i32,
}

/// `rows`×`inner` times `inner`×`columns`.
fn product(one: &[f32], other: &[f32], inner: usize, columns: usize) -> Vec<f32> {
    let row = |row: &[f32]| -> Vec<f32> {
        let mut sums = vec![0.0; columns];
        for (value, others) in row.iter().zip(other.chunks_exact(columns)) {
            sums.iter_mut().zip(others).for_each(|(sum, other)| *sum += value * other);
        }
        sums
    };
    one.chunks_exact(inner).flat_map(row).collect()
}

fn transposed(matrix: &[f32], columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| matrix.iter().skip(column).step_by(columns).copied()).collect()
}

impl Training {
    fn new() -> Self {
        let layer = |seed: usize| {
            gaussian(seed as u64, WIDTHS[seed] * WIDTHS[seed + 1], (WIDTHS[seed] as f32).sqrt().recip())
        };
        let weights: Vec<Vec<f32>> = (0..3).map(layer).collect();
        let zeros = || weights.iter().map(|layer| vec![0.0; layer.len()]).collect();
        let (first_moments, second_moments) = (zeros(), zeros());
        let teacher = gaussian(9, WIDTHS[0] * WIDTHS[3], 0.1);
        Self { weights, first_moments, second_moments, teacher, steps: 0 }
    }

    /// The gradients for a batch, and the mean squared error.
    fn gradients(&self) -> (Vec<Vec<f32>>, f32) {
        let input = gaussian(1000 + self.steps as u64, BATCH * WIDTHS[0], 1.0);
        let wanted: Vec<f32> =
            product(&input, &self.teacher, WIDTHS[0], WIDTHS[3]).into_iter().map(f32::tanh).collect();
        let mut activations = vec![input];
        for (layer, weights) in self.weights.iter().enumerate() {
            let mut out = product(&activations[layer], weights, WIDTHS[layer], WIDTHS[layer + 1]);
            if layer < 2 {
                out.iter_mut().for_each(|value| *value = value.max(0.0));
            }
            activations.push(out);
        }
        let differences = activations[3].iter().zip(&wanted).map(|(is, wanted)| is - wanted);
        let mut behind: Vec<f32> = differences.map(|difference| difference / BATCH as f32).collect();
        let error = behind.iter().map(|difference| difference * difference).sum::<f32>() * BATCH as f32;
        let mut gradients = vec![Vec::new(); 3];
        for layer in (0..3).rev() {
            gradients[layer] =
                product(&transposed(&activations[layer], WIDTHS[layer]), &behind, BATCH, WIDTHS[layer + 1]);
            let back = transposed(&self.weights[layer], WIDTHS[layer + 1]);
            behind = product(&behind, &back, WIDTHS[layer + 1], WIDTHS[layer]);
            let active = behind.iter_mut().zip(&activations[layer]);
            active.filter(|(_, value)| layer > 0 && **value <= 0.0).for_each(|(gradient, _)| *gradient = 0.0);
        }
        (gradients, error)
    }

    /// Steps of gradient descent; gives the last error.
    fn descend(&mut self, steps: u32, rate: f32) -> f32 {
        let mut last = 0.0;
        for _ in 0..steps {
            let (gradients, error) = self.gradients();
            for (weights, gradients) in self.weights.iter_mut().zip(&gradients) {
                weights.iter_mut().zip(gradients).for_each(|(weight, by)| *weight -= rate * by);
            }
            (self.steps, last) = (self.steps + 1, error);
        }
        last
    }

    /// Steps of Adam.
    fn adam(&mut self, steps: u32, rate: f32) -> f32 {
        let mut last = 0.0;
        for _ in 0..steps {
            let (gradients, error) = self.gradients();
            (self.steps, last) = (self.steps + 1, error);
            let [first, second] = [0.9f32, 0.999].map(|beta| 1.0 - beta.powi(self.steps));
            let moments = self.first_moments.iter_mut().zip(&mut self.second_moments);
            for ((weights, gradients), (m, v)) in self.weights.iter_mut().zip(&gradients).zip(moments) {
                for (place, by) in gradients.iter().enumerate() {
                    m[place] = 0.9 * m[place] + 0.1 * by;
                    v[place] = 0.999 * v[place] + 0.001 * by * by;
                    weights[place] -= rate * (m[place] / first) / ((v[place] / second).sqrt() + 1e-8);
                }
            }
        }
        last
    }

    /// The checkpoint: weights in BF16, moments in FP32.
    fn checkpoint(&self) -> Vec<u8> {
        let mut tensors = Vec::new();
        let lists = [
            ("layers.{}.weight", "BF16", &self.weights),
            ("optimizer.exp_avg.{}", "F32", &self.first_moments),
            ("optimizer.exp_avg_sq.{}", "F32", &self.second_moments),
        ];
        for (name, dtype, list) in lists {
            for (layer, values) in list.iter().enumerate() {
                let shape = [WIDTHS[layer] as u64, WIDTHS[layer + 1] as u64];
                let of = if dtype == "BF16" { Dtype::BF16 } else { Dtype::F32 };
                let bytes = stored_as(dtype, values).unwrap();
                tensors.push(SyntheticTensor::new(
                    &name.replace("{}", &layer.to_string()),
                    of,
                    &shape,
                    bytes,
                ));
            }
        }
        let step = i64::from(self.steps).to_le_bytes().to_vec();
        tensors.push(SyntheticTensor::new("optimizer.step", Dtype::I64, &[], step));
        safetensors_bytes(&[], &tensors).unwrap()
    }
}

/// What `zstd -19 --patch-from` makes of a file beside another.
fn patch_bytes(base: &[u8], file: &[u8]) -> usize {
    let mut encoder = zstd::Encoder::with_ref_prefix(Vec::new(), 19, base).unwrap();
    encoder.window_log(27).unwrap();
    encoder.long_distance_matching(true).unwrap();
    encoder.write_all(file).unwrap();
    encoder.finish().unwrap().len()
}

#[test]
fn checkpoints_of_a_training_are_smaller_beside_each_other_than_alone_and_than_zstd_makes_of_them() {
    let mut training = Training::new();
    let before = training.adam(1, 1e-3);
    training.adam(150, 1e-3);
    let mut files = vec![training.checkpoint()];
    training.descend(10, 0.02);
    files.push(training.checkpoint());
    let after = training.adam(10, 1e-4);
    files.push(training.checkpoint());
    assert!(after < before / 2.0, "it learns: {before} {after}");

    let scratch = Scratch::new();
    for (step, file) in files.iter().enumerate() {
        scratch.write(&format!("{step}.safetensors"), file);
        let alone = scratch.ecf8(&format!("compress {step}.safetensors -o {step}.alone --json")).json();
        if step == 0 {
            continue;
        }
        let base = step - 1;
        let delta = scratch
            .ecf8(&format!("compress {step}.safetensors -o {step}.delta --base {base}.safetensors --json"))
            .json();
        let [delta_bytes, alone] = [&delta, &alone].map(|report| report["output_bytes"].as_u64().unwrap());
        let patch = patch_bytes(&files[base], file) as u64;
        assert!(
            delta_bytes < patch && delta_bytes < alone,
            "{step}: {delta_bytes}, zstd {patch}, alone {alone}"
        );
        assert_eq!(delta["input_bytes"], file.len());
    }
    // The chain, from a base that is compressed alone and one that is a difference.
    let bases = "--base 1.delta --base 0.alone";
    let _ = scratch.ecf8(&format!("verify 2.delta {bases} --against 2.safetensors")).answer();
    let _ = scratch.ecf8(&format!("decompress 2.delta -o 2.back {bases}")).answer();
    assert!(scratch.read("2.back") == files[2]);
    let answer = scratch.ecf8("verify 1.delta").answer();
    assert!(answer.contains("the difference from 0.safetensors"), "{answer}");
    let inspected = scratch.ecf8("inspect 1.delta --json").json();
    assert_eq!(inspected["base"], "0.safetensors");
}

#[test]
fn a_wrong_or_missing_base_is_refused_in_one_line_and_nothing_is_written() {
    let scratch = Scratch::new();
    let file =
        |seed: u64, count: usize| safetensors_bytes(&[], &[weights("layers.0.weight", seed, count)]).unwrap();
    scratch.write("old.safetensors", file(1, 20_000));
    scratch.write("other.safetensors", file(2, 20_000));
    scratch.write("longer.safetensors", file(1, 30_000));
    let mut new = file(1, 20_000);
    let last = new.len() - 1;
    new[last] ^= 1;
    scratch.write("new.safetensors", &new);
    let _ = scratch.ecf8("compress new.safetensors -o delta --base old.safetensors").answer();
    for (command, words) in [
        ("decompress delta -o out", &["delta", "old.safetensors", "--base"][..]),
        ("decompress delta -o out --partial", &["delta", "old.safetensors", "--base"]),
        (
            "decompress delta -o out --base other.safetensors",
            &["old.safetensors", "other.safetensors", "layers.0.weight"],
        ),
        (
            "decompress delta -o out --base longer.safetensors",
            &["old.safetensors", "longer.safetensors", "30000"],
        ),
        ("decompress delta -o out --base nowhere.safetensors", &["nowhere.safetensors"]),
        ("decompress delta -o out --base delta", &["old.safetensors", "--base"]),
        ("verify delta --base other.safetensors", &["old.safetensors", "other.safetensors"]),
        ("compress new.safetensors -o out --base nowhere.safetensors", &["nowhere.safetensors"]),
        (
            "compress new.safetensors -o out --base longer.safetensors",
            &["longer.safetensors", "name, dtype and shape"],
        ),
        ("compress new.safetensors -o out --base delta", &["old.safetensors", "--base"]),
        (
            "compress new.safetensors -o out --base old.safetensors --base other.safetensors",
            &["old.safetensors", "no difference"],
        ),
        ("compress new.safetensors --dry-run --base old.safetensors", &["--dry-run"]),
        (
            "compress new.safetensors -o old.safetensors --force --base old.safetensors",
            &["old.safetensors", "is the base"],
        ),
        (
            "decompress delta -o old.safetensors --force --base old.safetensors",
            &["old.safetensors", "is the base"],
        ),
        ("compress new.safetensors -o . --force --base old.safetensors", &["contains the base"]),
        ("export delta -o out --format ecf8-paper", &["old.safetensors", "--base"]),
        ("tune delta --device emulator", &["old.safetensors", "--base"]),
    ] {
        scratch.ecf8(command).refuses(2, words);
        assert!(!scratch.path("out").exists(), "{command}");
    }
}
