//! What the paper reports, as data: tables 1, 4, 6, 7, 8 and 9.

use serde::Serialize;

/// Bytes of what the paper calls a GB, and means in all of its tables of sizes: the linear layers of Qwen3-8B have 6.9457e9 weights
/// in FP8, which table 1 lists as 6.47.
pub(super) const GB: f64 = (1u64 << 30) as f64;

/// Bytes of what it calls an MB: its 8 MB have 8.4 million elements.
pub(super) const MB: f64 = (1u64 << 20) as f64;

/// Workers of table 9.
pub(super) const WORKERS: f64 = 32.0;

/// A model of tables 1, 4 and 9.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Model {
    pub(super) name: &'static str,
    /// What table 4 says of where its FP8 weights come from.
    pub(super) fp8_source: &'static str,
    /// Table 1: GB before and after.
    pub(super) gb: [f64; 2],
    /// Table 1: how much less memory, in percent.
    pub(super) saved_percent: f64,
    /// Table 4: bits of the exponents' entropy, before and after a Hadamard transform.
    pub(super) exponent_entropy_bits: [f64; 2],
    /// Table 9: hours with 32 workers.
    pub(super) encoding_hours: f64,
    /// What its configuration says that the checkpoint has, where this explains the figures.
    pub(super) shapes: Option<Shapes>,
}

/// Weights by a model's published configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Shapes {
    /// In the linear layers of all blocks, which are FP8.
    pub(super) fp8: u64,
    /// In embeddings, output heads and routers of experts, which are BF16. Norms are left out: they have some millions.
    pub(super) bf16: u64,
}

/// Weights of a matrix pair: embeddings and an output head of their own.
const fn vocabulary(tokens: u64, width: u64) -> u64 {
    2 * tokens * width
}

/// Weights of attention: queries of `q` channels, keys and values of `kv`.
const fn attention(width: u64, q: u64, kv: u64) -> u64 {
    2 * width * q + 2 * width * kv
}

/// Weights of a gated multilayer perceptron.
const fn gated(width: u64, inner: u64) -> u64 {
    3 * width * inner
}

/// Multi-head latent attention of DeepSeek-V3: low-rank queries, keys and values, and the output.
const DEEPSEEK_ATTENTION: u64 = 7168 * 1536 + 1536 * 24_576 + 7168 * 576 + 512 * 32_768 + 16_384 * 7168;

pub(super) const MODELS: [Model; 9] = [
    Model {
        name: "DeepSeek-R1-0528",
        fp8_source: "native FP8",
        gb: [623.19, 530.26],
        saved_percent: 14.8,
        exponent_entropy_bits: [2.6037, 2.5529],
        encoding_hours: 1.73,
        shapes: Some(Shapes {
            fp8: 61 * DEEPSEEK_ATTENTION + 3 * gated(7168, 18_432) + 58 * 257 * gated(7168, 2048),
            bf16: vocabulary(129_280, 7168) + 58 * 256 * 7168,
        }),
    },
    Model {
        name: "Qwen3-235B-A22B-Instruct-2507-FP8",
        fp8_source: "native FP8",
        gb: [217.77, 185.98],
        saved_percent: 14.4,
        exponent_entropy_bits: [2.6264, 2.6259],
        encoding_hours: 0.60,
        shapes: Some(Shapes {
            fp8: 94 * (attention(4096, 8192, 512) + 128 * gated(4096, 1536)),
            bf16: vocabulary(151_936, 4096) + 94 * 128 * 4096,
        }),
    },
    Model {
        name: "Llama-3.3-70B-Instruct-FP8-dynamic",
        fp8_source: "quantised FP8",
        gb: [63.76, 54.69],
        saved_percent: 13.4,
        exponent_entropy_bits: [2.6564, 2.6249],
        encoding_hours: 0.18,
        shapes: Some(Shapes {
            fp8: 80 * (attention(8192, 8192, 1024) + gated(8192, 28_672)),
            bf16: vocabulary(128_256, 8192),
        }),
    },
    Model {
        name: "Qwen3-Coder-30B-A3B-Instruct-FP8",
        fp8_source: "native FP8",
        gb: [27.85, 23.69],
        saved_percent: 14.3,
        exponent_entropy_bits: [2.5986, 2.5979],
        encoding_hours: 0.08,
        shapes: Some(Shapes {
            fp8: 48 * (attention(2048, 4096, 512) + 128 * gated(2048, 768)),
            bf16: vocabulary(151_936, 2048) + 48 * 128 * 2048,
        }),
    },
    Model {
        name: "Qwen3-8B-FP8",
        fp8_source: "native FP8",
        gb: [6.47, 5.61],
        saved_percent: 9.8,
        exponent_entropy_bits: [2.7295, 2.6368],
        encoding_hours: 0.02,
        shapes: Some(Shapes { fp8: 36 * LAYER_WEIGHTS, bf16: vocabulary(151_936, 4096) }),
    },
    Model {
        name: "FLUX.1-dev",
        fp8_source: "quantised FP8",
        gb: [10.52, 8.29],
        saved_percent: 14.1,
        exponent_entropy_bits: [2.0850, 2.0861],
        encoding_hours: 0.03,
        shapes: None,
    },
    Model {
        name: "Wan2.1-T2V-14B",
        fp8_source: "quantised FP8",
        gb: [17.40, 12.65],
        saved_percent: 25.4,
        exponent_entropy_bits: [1.6529, 1.6494],
        encoding_hours: 0.05,
        shapes: None,
    },
    Model {
        name: "Wan2.2-T2V-A14B",
        fp8_source: "quantised FP8",
        gb: [30.49, 21.85],
        saved_percent: 26.9,
        exponent_entropy_bits: [1.5199, 1.5178],
        encoding_hours: 0.08,
        shapes: None,
    },
    Model {
        name: "Qwen-Image",
        fp8_source: "quantised FP8",
        gb: [26.20, 20.56],
        saved_percent: 21.0,
        exponent_entropy_bits: [1.9503, 1.9504],
        encoding_hours: 0.07,
        shapes: None,
    },
];

/// A matrix of Qwen3-8B's layer: inputs and outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Matrix {
    pub(super) name: &'static str,
    pub(super) inputs: u32,
    pub(super) outputs: u32,
}

impl Matrix {
    /// Its weights, which are as many bytes in FP8.
    pub(super) const fn weights(&self) -> u64 {
        self.inputs as u64 * self.outputs as u64
    }
}

/// The layer of table 7, its matrices as they are multiplied by: 193.0 million weights.
pub(super) const LAYER: [Matrix; 4] = [
    Matrix { name: "q, k, v", inputs: 4096, outputs: 6144 },
    Matrix { name: "o", inputs: 4096, outputs: 4096 },
    Matrix { name: "gate, up", inputs: 4096, outputs: 24_576 },
    Matrix { name: "down", inputs: 12_288, outputs: 4096 },
];

/// The weights of that layer.
pub(super) const LAYER_WEIGHTS: u64 =
    LAYER[0].weights() + LAYER[1].weights() + LAYER[2].weights() + LAYER[3].weights();

/// A row of table 6: its kernel on an H100.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Speed {
    pub(super) mb: u64,
    pub(super) microseconds: f64,
    pub(super) gb_per_s: f64,
}

pub(super) const SPEEDS: [Speed; 6] = [
    Speed { mb: 8, microseconds: 39.6, gb_per_s: 201.8 },
    Speed { mb: 32, microseconds: 143.3, gb_per_s: 223.3 },
    Speed { mb: 64, microseconds: 279.1, gb_per_s: 229.3 },
    Speed { mb: 128, microseconds: 550.4, gb_per_s: 232.6 },
    Speed { mb: 256, microseconds: 1092.9, gb_per_s: 234.2 },
    Speed { mb: 512, microseconds: 2177.1, gb_per_s: 235.2 },
];

/// A row of table 7: the layer's time in milliseconds by the rows that it is multiplied by, and the overhead in percent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Latency {
    pub(super) batch: u32,
    pub(super) fp8_ms: f64,
    pub(super) ecf8_ms: f64,
    pub(super) overhead_percent: f64,
}

const fn latency(batch: u32, fp8_ms: f64, ecf8_ms: f64, overhead_percent: f64) -> Latency {
    Latency { batch, fp8_ms, ecf8_ms, overhead_percent }
}

#[expect(clippy::approx_constant, reason = "the last overhead is 3.14 %")]
pub(super) const LATENCIES: [Latency; 12] = [
    latency(1, 0.76, 1.57, 51.86),
    latency(16, 0.74, 1.55, 52.51),
    latency(32, 0.78, 1.59, 51.18),
    latency(64, 0.74, 1.55, 52.54),
    latency(128, 1.54, 2.36, 34.61),
    latency(256, 1.48, 2.29, 35.59),
    latency(512, 1.70, 2.52, 32.37),
    latency(1024, 2.03, 2.84, 28.70),
    latency(2048, 3.48, 4.30, 18.97),
    latency(4096, 6.56, 7.37, 11.06),
    latency(8192, 12.83, 13.65, 5.97),
    latency(16_384, 25.17, 25.99, 3.14),
];

/// A row of table 8: encoding.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Encoding {
    pub(super) mb: u64,
    pub(super) mb_per_s: f64,
}

pub(super) const ENCODINGS: [Encoding; 6] = [
    Encoding { mb: 8, mb_per_s: 3.20 },
    Encoding { mb: 32, mb_per_s: 3.17 },
    Encoding { mb: 64, mb_per_s: 3.19 },
    Encoding { mb: 128, mb_per_s: 3.18 },
    Encoding { mb: 256, mb_per_s: 3.20 },
    Encoding { mb: 512, mb_per_s: 3.08 },
];

/// The model that a file's or folder's name names, if it is one of the paper's.
pub(super) fn model_named(name: &str) -> Option<&'static Model> {
    let plain = |text: &str| -> String {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let name = plain(name);
    MODELS.iter().find(|model| name.contains(&plain(model.name)))
}
