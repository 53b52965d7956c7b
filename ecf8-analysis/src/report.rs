//! What an analysis found, as data: what `ecf8 analyze --json` prints and what reports are drawn from.
//!
//! Entropies are in bits per element, sizes in bytes, and values of weights in the units of the stored numbers: scales that
//! lie beside FP8 tensors are not applied, since a compressor does not see them either.

use serde::{Deserialize, Serialize};

/// The version of this data: [`Analysis::ecf8_analysis`].
pub const VERSION: u32 = 1;

/// What was found in one or several models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Analysis {
    /// The version of this data, [`VERSION`].
    pub ecf8_analysis: u32,
    /// The files and folders that were analysed, as they were named.
    pub sources: Vec<String>,
    /// How it was done.
    pub method: Method,
    /// Each tensor, in the order of files and of their data.
    pub tensors: Vec<TensorAnalysis>,
    /// The float tensors of each kind of block, the kind with the most bytes first. The name is that of the kind.
    pub kinds: Vec<GroupAnalysis>,
    /// The float tensors of each layer, in order. The name is the layer's number.
    pub layers: Vec<GroupAnalysis>,
    /// All float tensors.
    pub total: GroupAnalysis,
    /// Theorem 2.1 of the paper where it speaks of weights that are normal, for comparison: α = 2, standard deviation 1.
    pub gaussian: Theory,
}

/// How an analysis was done: what of it is from samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Method {
    /// Elements in a block of the Hadamard transform, a power of two; 0 if none was done.
    pub hadamard_block: u32,
    /// The most elements of a tensor that were transformed, and from which sizes were predicted; `None` for all. Everything
    /// else is of all elements.
    pub sample: Option<u64>,
}

/// One tensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TensorAnalysis {
    /// Its name.
    pub name: String,
    /// Its file, as a path within its model, or the file's name.
    pub file: String,
    /// Its number type, as safetensors calls it.
    pub dtype: String,
    /// Its dimensions.
    pub shape: Vec<u64>,
    /// Numbers in it.
    pub elements: u64,
    /// Its bytes when it is not compressed.
    pub bytes: u64,
    /// The number of its layer, if its name has one.
    pub layer: Option<u32>,
    /// What it does in its layer, such as `q`, `down` or `norms`; `other` if its name does not tell.
    pub kind: String,
    /// Entropy of each byte of its numbers, the most significant first. Types with less than a byte have one entropy, of
    /// the byte that several numbers share.
    pub byte_entropies: Vec<f64>,
    /// Of floats, the entropies of the fields of their bits.
    pub entropy: Option<BitFieldEntropies>,
    /// What a Hadamard transform makes of them; of floats with a sign, if wanted.
    pub hadamard: Option<HadamardEffect>,
    /// Of floats, how often each exponent occurs that does, in order.
    pub exponents: Vec<ExponentBin>,
    /// The α-stable law that suits its values best, if they are floats with a sign and more than a few different ones.
    pub law: Option<StableFit>,
    /// What theory says of exponents under that law.
    pub theory: Option<Theory>,
    /// The fewest bits that an element takes, in the paper's arithmetic and by what was measured; of floats with a sign.
    pub floor: Option<Floor>,
    /// What each scheme that takes it would give, without metadata, which may be more than its bytes. If it is compressed,
    /// the first is the scheme that it is stored by, with what it really takes.
    pub sizes: Vec<SchemeSize>,
    /// Bytes that it takes in its file, which differ from [`TensorAnalysis::bytes`] if it is compressed; 0 for the
    /// repetition of a tensor.
    pub stored_bytes: u64,
}

/// Tensors together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupAnalysis {
    /// What they have in common.
    pub name: String,
    /// How many tensors.
    pub tensors: u64,
    /// Their elements.
    pub elements: u64,
    /// Their bytes when they are not compressed.
    pub bytes: u64,
    /// Bytes that they take in their files.
    pub stored_bytes: u64,
    /// Means of the tensors' entropies, each as often as it has elements: what codes made for each tensor can reach.
    pub entropy: BitFieldEntropies,
    /// Means over the tensors that were transformed.
    pub hadamard: Option<HadamardEffect>,
    /// Entropy of the exponents of all together: what one code for all of them can reach.
    pub pooled_exponent_entropy: f64,
    /// Their exponents together; there is no law.
    pub exponents: Vec<ExponentBin>,
    /// The spread of α over tensors that a law was fitted to.
    pub alpha: Option<Spread>,
    /// How many tensors a law was fitted to.
    pub fitted: u64,
    /// Those of them of which [`Verdict::Holds`] is true.
    pub law_holds: u64,
    /// Those of them of which [`Verdict::Nearly`] is true.
    pub law_nearly_holds: u64,
    /// The fewest bits that an element takes, as a mean.
    pub floor: Floor,
    /// What the tensors take by each scheme, where tensors that it does not take count with their bytes.
    pub sizes: Vec<SchemeSize>,
}

/// Entropies of the fields of floats, in bits per element.
///
/// Of types of up to 16 bits all are exact. Wider types are cut into their upper 16 bits, which are counted as one, and bytes,
/// each of which is counted alone: what has mantissa bits in it is then an upper bound, the sum of the parts' entropies, and
/// the mutual information is of the mantissa bits among the upper 16. Sign and exponent are exact always.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct BitFieldEntropies {
    /// Of the sign: 1 where positive and negative ones are as frequent.
    pub sign: f64,
    /// Of the exponent's bits.
    pub exponent: f64,
    /// Of the mantissa's bits.
    pub mantissa: f64,
    /// Of sign and mantissa as one.
    pub sign_mantissa: f64,
    /// Of the whole number.
    pub element: f64,
    /// Of the exponent, if the exponent before it in the row is known.
    pub exponent_given_previous: f64,
    /// Of the exponent, if the exponent above it, in the row before, is known. The exponent's entropy, if there is one row.
    pub exponent_given_above: f64,
    /// How much exponent and mantissa tell of each other.
    pub mutual_information_exponent_mantissa: f64,
}

/// Entropies before and after a Hadamard transform of the same elements: in blocks along rows, orthonormal, rounded to the
/// same type again without another scale.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HadamardEffect {
    /// Elements that were transformed; 0 where blocks had infinities or NaN in them all.
    pub elements: u64,
    /// Their entropies.
    pub before: BitFieldEntropies,
    /// What they are after it.
    pub after: BitFieldEntropies,
}

/// How often an exponent occurs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ExponentBin {
    /// The power of two: numbers of at least 2^exponent and less than twice that. The lowest that the type has also stands
    /// for all smaller numbers and zero, and the highest, in types that have them, for infinities and NaN.
    pub exponent: i32,
    /// How many elements have it.
    pub count: u64,
    /// The probability that the fitted law gives it, after rounding to the type; its largest number takes what is beyond.
    pub law: Option<f64>,
}

/// An α-stable law fitted to a tensor's values: symmetric, with the characteristic function
/// exp(iδt − |γt|^α). For α = 2 it is normal with the standard deviation √2·γ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StableFit {
    /// α, from above 0 to 2: the smaller, the heavier the tails.
    pub alpha: f64,
    /// What α is within, with 95 % confidence, if the law holds.
    pub alpha_interval: [f64; 2],
    /// γ, in units of the stored numbers.
    pub scale: f64,
    /// What γ is within, with 95 % confidence, if the law holds.
    pub scale_interval: [f64; 2],
    /// δ, the centre, in units of the stored numbers.
    pub location: f64,
    /// Elements that it was fitted to: all that are finite.
    pub samples: u64,
    /// What McCulloch's quantiles give, where the regression starts.
    pub by_quantiles: QuantileFit,
    /// How well it fits.
    pub goodness: Goodness,
}

/// An α-stable law by McCulloch's quantiles.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct QuantileFit {
    /// α, from 0.5 to 2.
    pub alpha: f64,
    /// Skewness, from −1 to 1: far from 0 where the law is not symmetric, which fits assume.
    pub beta: f64,
    /// γ, in units of the stored numbers.
    pub scale: f64,
}

/// How well a law fits: the largest difference between the shares of values up to a number, as they are and by the law
/// (Kolmogorov and Smirnov), over the boundaries between the type's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Goodness {
    /// That difference, a share of all elements.
    pub distance: f64,
    /// What it exceeds in one of twenty samples of this size if the law holds; a law with fitted parameters stays well
    /// below this, so what is rejected is surely wrong.
    pub critical: f64,
    /// The probability of such a difference or a larger one if the law holds.
    pub p: f64,
    /// What follows.
    pub verdict: Verdict,
    /// The number at which the difference is.
    pub at: f64,
    /// Which part of the law that is.
    pub region: Region,
    /// The largest difference in the centre, up to γ from δ.
    pub centre: f64,
    /// The largest difference in the shoulders, from γ to 4γ.
    pub shoulder: f64,
    /// The largest difference in the tails, beyond 4γ.
    pub tail: f64,
    /// The share of values beyond 6γ by the share that the law has there; 1 if tails are as heavy as the law's, `None` if
    /// the law has less than one value in the sample there.
    pub tail_ratio: Option<f64>,
}

/// Whether a law holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The sample does not contradict it: the distance is at most the critical one.
    Holds,
    /// The sample contradicts it, but no more than [`NEARLY`] of the values would have to change.
    Nearly,
    /// It does not hold.
    DoesNotHold,
}

/// The distance up to which a law that does not hold nearly does.
pub const NEARLY: f64 = 0.01;

/// A part of a law.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Region {
    /// Up to γ from δ.
    Centre,
    /// From γ to 4γ.
    Shoulder,
    /// Beyond 4γ.
    Tail,
}

/// What theory says of the entropy of exponents E = ⌊log2 |X|⌋ of a law, in bits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Theory {
    /// The law's α.
    pub alpha: f64,
    /// The law's γ.
    pub scale: f64,
    /// Theorem 2.1's lower bound, α / (1 + 2^−α).
    pub lower_bound: f64,
    /// Theorem 2.1's upper bound, α / (1 − 2^−α).
    pub upper_bound: f64,
    /// The closed form as the paper prints it, h₂((1−q)/(1+q)) + 2q/(1+q) · |log2 q|/(1−q), q = 2^−α.
    pub closed_form: f64,
    /// The entropy that the two-sided geometric law with this q, for which that is meant, really has.
    pub two_sided_geometric: f64,
    /// The entropy of exponents of the law, which are not two-sided geometric, without bounds on exponents.
    pub law: f64,
    /// The entropy of the exponents after rounding to the tensor's type, which has a lowest and a highest; of a
    /// Gaussian without a tensor, in E4M3.
    pub law_rounded: f64,
}

/// The fewest bits of an element.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Floor {
    /// The paper's arithmetic with the exponent entropy that was measured in place of its bound of 2.67 bits: with one bit
    /// of sign and one of mantissa; its own result is 4.67. No lossless code has so few: mantissas have more bits.
    pub with_one_mantissa_bit: f64,
    /// What a lossless code takes that codes exponents, and stores sign and mantissa as they are.
    pub exponents_coded: f64,
    /// What a lossless code takes that codes elements one by one; none can take less without looking at neighbours.
    pub elements_coded: f64,
}

/// The size of something by a scheme.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SchemeSize {
    /// The scheme's name.
    pub scheme: String,
    /// Bytes.
    pub bytes: u64,
    /// Those, by the bytes without compression.
    pub ratio: f64,
    /// Whether this was measured in a compressed file, and not predicted.
    pub is_actual: bool,
}

/// A spread of a figure over tensors.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The least.
    pub least: f64,
    /// The one in the middle.
    pub median: f64,
    /// The most.
    pub most: f64,
}
