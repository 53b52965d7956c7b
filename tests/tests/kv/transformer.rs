//! Pages recorded from a real transformer: the keys and values of rxnmapper's ALBERT (12 layers of 8 heads with 32 channels), run here on
//! two sequences of tokens drawn at random. Codebooks are trained on the first, and the second's pages are compressed.

use ecf8_core::header::Header;
use ecf8_core::kv::{Codebooks, Numbers, Training};
use ecf8_core::synthetic::{noise, stored_as};
use std::collections::HashMap;
use std::path::PathBuf;

const TOKENS: usize = 512;
const PAGE_TOKENS: usize = 64;
const LAYERS: usize = 12;
const HEADS: usize = 8;
const HIDDEN: usize = 256;

/// The weights that the model shares between its layers, and the others, as FP32.
struct Albert(HashMap<String, Vec<f32>>);

impl Albert {
    fn read() -> Option<Self> {
        let folder = std::env::var_os("ECF8_TEST_WEIGHTS").map(PathBuf::from);
        let path = folder.map(|folder| folder.join("rxnmapper-albert.bf16.safetensors"));
        let Some(path) = path.filter(|path| path.is_file()) else {
            eprintln!("skipped: ECF8_TEST_WEIGHTS names no folder with rxnmapper-albert.bf16.safetensors");
            return None;
        };
        let file = std::fs::read(path).unwrap();
        let header = Header::of_file(&file).unwrap();
        let tensor = |record: &ecf8_core::header::TensorRecord| {
            let [begin, end] = [record.begin, record.end].map(|at| (header.data_start() + at) as usize);
            let wide = |bytes: &[u8; 2]| f32::from_bits(u32::from(u16::from_le_bytes(*bytes)) << 16);
            (record.name.clone(), file[begin..end].as_chunks::<2>().0.iter().map(wide).collect())
        };
        Some(Self(header.tensors.iter().map(tensor).collect()))
    }

    fn of(&self, name: &str) -> &[f32] {
        let within = format!("albert.encoder.albert_layer_groups.0.albert_layers.0.{name}");
        self.0.get(&within).or_else(|| self.0.get(&format!("albert.{name}"))).unwrap()
    }

    /// Rows times the transposed weights of this name, and its bias.
    fn linear(&self, name: &str, rows: &[f32]) -> Vec<f32> {
        let (weights, bias) = (self.of(&format!("{name}.weight")), self.of(&format!("{name}.bias")));
        let inner = weights.len() / bias.len();
        let dot = |row: &[f32], own: &[f32]| row.iter().zip(own).map(|(a, b)| a * b).sum::<f32>();
        let row = |row: &[f32]| -> Vec<f32> {
            weights.chunks_exact(inner).zip(bias).map(|(own, bias)| dot(row, own) + bias).collect()
        };
        rows.chunks_exact(inner).flat_map(row).collect()
    }

    fn normalized(&self, name: &str, rows: &[f32]) -> Vec<f32> {
        let (scale, shift) = (self.of(&format!("{name}.weight")), self.of(&format!("{name}.bias")));
        let row = |row: &[f32]| -> Vec<f32> {
            let count = row.len() as f32;
            let mean = row.iter().sum::<f32>() / count;
            let variance = row.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / count;
            let own = row.iter().zip(scale.iter().zip(shift));
            own.map(|(value, (scale, shift))| (value - mean) / (variance + 1e-12).sqrt() * scale + shift)
                .collect()
        };
        rows.chunks_exact(scale.len()).flat_map(row).collect()
    }

    /// The keys and values of each layer for a sequence.
    fn run(&self, tokens: &[usize]) -> Vec<[Vec<f32>; 2]> {
        let words = self.of("embeddings.word_embeddings.weight");
        let places = self.of("embeddings.position_embeddings.weight");
        let kinds = self.of("embeddings.token_type_embeddings.weight");
        let embedded = tokens.iter().enumerate().flat_map(|(place, token)| {
            (0..128).map(move |i| words[token * 128 + i] + places[place * 128 + i] + kinds[i])
        });
        let embedded = self.normalized("embeddings.LayerNorm", &embedded.collect::<Vec<_>>());
        let mut hidden = self.linear("encoder.embedding_hidden_mapping_in", &embedded);
        let mut recorded = Vec::new();
        for _ in 0..LAYERS {
            let [query, key, value] =
                ["query", "key", "value"].map(|name| self.linear(&format!("attention.{name}"), &hidden));
            let attended = self.linear("attention.dense", &attention(&query, &key, &value));
            let attended = self.normalized("attention.LayerNorm", &plus(&attended, &hidden));
            let inner: Vec<f32> = self.linear("ffn", &attended).into_iter().map(gelu).collect();
            let out = self.linear("ffn_output", &inner);
            hidden = self.normalized("full_layer_layer_norm", &plus(&out, &attended));
            recorded.push([key, value]);
        }
        recorded
    }
}

fn plus(one: &[f32], other: &[f32]) -> Vec<f32> {
    one.iter().zip(other).map(|(a, b)| a + b).collect()
}

fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + (0.797_884_6 * (x + 0.044_715 * x.powi(3))).tanh())
}

/// What each token's heads see.
fn attention(query: &[f32], key: &[f32], value: &[f32]) -> Vec<f32> {
    let size = HIDDEN / HEADS;
    let mut seen = vec![0.0; query.len()];
    for (token, seen) in seen.chunks_exact_mut(HIDDEN).enumerate() {
        for head in 0..HEADS {
            let own = head * size..(head + 1) * size;
            let query = &query[token * HIDDEN..][own.clone()];
            let score = |key: &[f32]| {
                let dot: f32 = query.iter().zip(&key[own.clone()]).map(|(a, b)| a * b).sum();
                dot / (size as f32).sqrt()
            };
            let scores: Vec<f32> = key.chunks_exact(HIDDEN).map(score).collect();
            let most = scores.iter().copied().fold(f32::MIN, f32::max);
            let shares: Vec<f32> = scores.iter().map(|score| (score - most).exp()).collect();
            let all: f32 = shares.iter().sum();
            for (share, value) in shares.iter().zip(value.chunks_exact(HIDDEN)) {
                let seen = seen[own.clone()].iter_mut().zip(&value[own.clone()]);
                seen.for_each(|(seen, value)| *seen += share / all * value);
            }
        }
    }
    seen
}

#[test]
fn recorded_pages_come_back_and_take_little_more_than_their_entropy() {
    let Some(albert) = Albert::read() else { return };
    let dice = noise(16, 4 * TOKENS);
    let tokens: Vec<usize> =
        dice.as_chunks::<2>().0.iter().map(|dice| usize::from(u16::from_le_bytes(*dice)) % 591).collect();
    let [first, second] = [0, TOKENS].map(|from| albert.run(&tokens[from..from + TOKENS]));
    for numbers in Numbers::ALL {
        for (cached, name) in ["keys", "values"].into_iter().enumerate() {
            let (mut bytes, mut compressed, mut entropy, mut books) = (0, 0, 0.0, 0);
            for (sample, pages) in first.iter().zip(&second) {
                let [sample, pages] =
                    [sample, pages].map(|layer| stored_as(numbers.dtype(), &layer[cached]).unwrap());
                let counted = |numbers_of: &[u8]| {
                    let mut counted = Training::new(numbers, Codebooks::period(HEADS, HIDDEN / HEADS));
                    counted.add(numbers_of);
                    counted
                };
                let codebooks = counted(&sample).finish().unwrap();
                books += codebooks.codebooks().len();
                entropy += counted(&pages).entropies().1 * (pages.len() / numbers.bytes()) as f64 / 8.0;
                for page in pages.chunks(PAGE_TOKENS * HIDDEN * numbers.bytes()) {
                    let encoded = codebooks.encode(page).unwrap();
                    assert!(codebooks.decode(&encoded).unwrap() == page);
                    (bytes, compressed) = (bytes + page.len(), compressed + encoded.len());
                }
            }
            let [size, least] = [compressed as f64, entropy].map(|own| own / bytes as f64);
            // Of exponents of 8 bits: those of BF16. Sign and mantissa are stored.
            let share = if numbers.bytes() == 2 {
                format!(", exponents {:.3}", size * 2.0 - 1.0)
            } else {
                String::new()
            };
            println!(
                "{} {name}: {size:.4} of the original, entropy {least:.4}{share}; {books} codebooks for {LAYERS} layers",
                numbers.dtype()
            );
            assert!(size < least * 1.03 && size < 1.0, "{size} {least}");
        }
    }
}
