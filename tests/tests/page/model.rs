//! An analysis as of a large model, made up.

use ecf8_analysis::report::{
    Analysis, BitFieldEntropies, ExponentBin, Floor, Goodness, GroupAnalysis, HadamardEffect, Method,
    QuantileFit, Region, SchemeSize, Spread, StableFit, TensorAnalysis, Theory, VERSION, Verdict,
};

/// Kinds with their shapes.
const KINDS: [(&str, [u64; 2]); 9] = [
    ("q", [4096, 4096]),
    ("k", [1024, 4096]),
    ("v", [1024, 4096]),
    ("o", [4096, 4096]),
    ("gate", [12_288, 4096]),
    ("up", [12_288, 4096]),
    ("down", [4096, 12_288]),
    ("experts", [2048, 4096]),
    ("norms", [1, 4096]),
];

fn entropy(exponent: f64) -> BitFieldEntropies {
    BitFieldEntropies {
        sign: 1.0,
        exponent,
        mantissa: 2.98,
        sign_mantissa: 3.98,
        element: exponent + 3.95,
        exponent_given_previous: exponent - 0.02,
        exponent_given_above: exponent - 0.09,
        mutual_information_exponent_mantissa: 0.03,
    }
}

fn hadamard(elements: u64, exponent: f64) -> HadamardEffect {
    HadamardEffect { elements, before: entropy(exponent), after: entropy(exponent - 0.05) }
}

fn theory(alpha: f64) -> Theory {
    Theory {
        alpha,
        scale: 0.02,
        lower_bound: 1.6,
        upper_bound: 2.67,
        closed_form: 2.04,
        two_sided_geometric: 1.8,
        law: 2.545,
        law_rounded: 2.521,
    }
}

fn sizes(bytes: u64) -> Vec<SchemeSize> {
    let size = |(scheme, ratio): (&str, f64)| SchemeSize {
        scheme: scheme.to_owned(),
        bytes: (bytes as f64 * ratio) as u64,
        ratio,
        is_actual: false,
    };
    [("exponent-gap", 0.85), ("pair-lanes", 0.83), ("byte-lanes", 0.82), ("ans-lanes", 0.815)]
        .map(size)
        .to_vec()
}

fn exponents(elements: u64, bits: f64) -> Vec<ExponentBin> {
    let weight = |exponent: i32| (-(f64::from(exponent) + 2.0).powi(2) / (2.0 * bits)).exp();
    let all: f64 = (-6..=8).map(weight).sum();
    let bin = |exponent| {
        let share = weight(exponent) / all;
        ExponentBin { exponent, count: (share * elements as f64) as u64, law: Some(share * 0.97) }
    };
    (-6..=8).map(bin).collect()
}

fn law(alpha: f64, verdict: Verdict) -> StableFit {
    StableFit {
        alpha,
        alpha_interval: [alpha - 0.01, alpha + 0.01],
        scale: 0.02,
        scale_interval: [0.0199, 0.0201],
        location: 0.0,
        samples: 1 << 20,
        by_quantiles: QuantileFit { alpha, beta: 0.0, scale: 0.02 },
        goodness: Goodness {
            distance: 0.004,
            critical: 0.0013,
            p: 0.01,
            verdict,
            at: 0.03,
            region: Region::Shoulder,
            centre: 0.002,
            shoulder: 0.004,
            tail: 0.001,
            tail_ratio: Some(1.1),
        },
    }
}

/// A tensor with its kind's shape; its entropies depend on kind and layer.
fn tensor(layer: Option<u32>, kind: &str, shape: [u64; 2], name: String) -> TensorAnalysis {
    let elements = shape[0] * shape[1];
    let place = KINDS.iter().position(|(name, _)| *name == kind).unwrap_or(9) as f64;
    let bits = 2.2 + 0.05 * place + 0.1 * (f64::from(layer.unwrap_or(0)) / 3.0).sin();
    let verdict = [Verdict::Holds, Verdict::Nearly, Verdict::DoesNotHold][place as usize % 3];
    TensorAnalysis {
        name,
        file: "model-00001-of-00002.safetensors".to_owned(),
        dtype: "F8_E4M3".to_owned(),
        shape: shape.to_vec(),
        elements,
        bytes: elements,
        layer,
        kind: kind.to_owned(),
        byte_entropies: vec![bits + 3.95],
        entropy: Some(entropy(bits)),
        hadamard: Some(hadamard(elements, bits)),
        exponents: exponents(elements, bits),
        law: Some(law(1.8 + 0.02 * place, verdict)),
        theory: Some(theory(1.8)),
        floor: Some(Floor {
            with_one_mantissa_bit: bits + 2.0,
            exponents_coded: bits + 4.0,
            elements_coded: bits + 3.95,
        }),
        sizes: sizes(elements),
        stored_bytes: elements,
    }
}

fn group(name: &str, tensors: &[&TensorAnalysis]) -> GroupAnalysis {
    let elements: u64 = tensors.iter().map(|tensor| tensor.elements).sum();
    let bits = tensors.iter().filter_map(|tensor| Some(tensor.entropy?.exponent)).sum::<f64>()
        / tensors.len().max(1) as f64;
    GroupAnalysis {
        name: name.to_owned(),
        tensors: tensors.len() as u64,
        elements,
        bytes: elements,
        stored_bytes: elements,
        entropy: entropy(bits),
        hadamard: (elements > 0).then(|| hadamard(elements, bits)),
        pooled_exponent_entropy: bits + 0.1,
        exponents: exponents(elements, bits.max(0.1)),
        alpha: (elements > 0).then_some(Spread { least: 1.71, median: 1.89, most: 1.99 }),
        fitted: tensors.len() as u64,
        law_holds: tensors.len() as u64 / 3,
        law_nearly_holds: tensors.len() as u64 / 4,
        floor: Floor::default(),
        sizes: if elements > 0 { sizes(elements) } else { Vec::new() },
    }
}

/// A model of so many layers, with embeddings beside them.
pub(crate) fn analysis(source: &str, layers: u32) -> Analysis {
    let mut tensors = Vec::new();
    for layer in 0..layers {
        for (kind, shape) in KINDS {
            let name = format!("model.layers.{layer}.some_block_with_a_long_name.{kind}_proj.weight");
            tensors.push(tensor(Some(layer), kind, shape, name));
        }
    }
    if layers > 0 {
        tensors.push(tensor(None, "embeddings", [50_000, 4096], "model.embed_tokens.weight".to_owned()));
    }
    let mut names: Vec<String> = Vec::new();
    for tensor in &tensors {
        if !names.contains(&tensor.kind) {
            names.push(tensor.kind.clone());
        }
    }
    let of = |kind: &String| {
        let of_it: Vec<&TensorAnalysis> = tensors.iter().filter(|tensor| tensor.kind == *kind).collect();
        group(kind, &of_it)
    };
    let mut kinds: Vec<GroupAnalysis> = names.iter().map(of).collect();
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.bytes));
    let total = group("all", &tensors.iter().collect::<Vec<_>>());
    Analysis {
        ecf8_analysis: VERSION,
        sources: vec![source.to_owned()],
        method: Method { hadamard_block: 128, sample: Some(1 << 22) },
        tensors,
        kinds,
        layers: Vec::new(),
        total,
        gaussian: theory(2.0),
    }
}
