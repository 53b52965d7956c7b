//! An analysis for terminals.

use super::csv::word;
use crate::cli::answer::{grouped, table};
use ecf8_analysis::report::{Analysis, GroupAnalysis, Region, TensorAnalysis, Theory};

/// Bits at which a bar is full, and its width in characters.
const BAR: (f64, usize) = (4.0, 12);

/// The whole answer.
pub(super) fn of(analysis: &Analysis, with_tensors: bool) -> String {
    let total = &analysis.total;
    let mut text = format!(
        "{}: {} tensors, {} bytes; {} of floats, {} elements\n",
        analysis.sources.join(", "),
        grouped(analysis.tensors.len() as u64),
        grouped(analysis.tensors.iter().map(|tensor| tensor.bytes).fold(0, u64::saturating_add)),
        grouped(total.tensors),
        grouped(total.elements),
    );
    if total.tensors == 0 {
        text += "no tensor has floats, so there are no exponents to look at\n";
        return text + &if with_tensors { tensors(&analysis.tensors) } else { String::new() };
    }
    let kinds: Vec<&GroupAnalysis> = analysis.kinds.iter().chain([total]).collect();
    text += &format!("\n{}", groups("kind", &kinds));
    if !analysis.layers.is_empty() {
        text += &format!("\n{}", groups("layer", &analysis.layers.iter().collect::<Vec<_>>()));
    }
    text += EXPLANATION;
    if with_tensors {
        text += &format!("\n{}", tensors(&analysis.tensors));
    }
    text += &format!("\n{}", sizes(analysis));
    text += &format!("\n{}", theory(analysis));
    text
}

const EXPLANATION: &str = "\nentropies in bits per element, means over tensors; Hadamard: the exponent's, after the transform, and the \
    change; | left, | above: the\nexponent's, where its neighbour is known; I: what exponent and mantissa tell of each other; smallest: the best \
    scheme's size, by the original\n";

/// A line per group.
fn groups(what: &str, groups: &[&GroupAnalysis]) -> String {
    let rows = groups.iter().map(|group| {
        let entropy = &group.entropy;
        let best = group.sizes.iter().map(|size| size.ratio).fold(1.0, f64::min);
        vec![
            group.name.clone(),
            grouped(group.tensors),
            grouped(group.elements),
            bits(entropy.exponent),
            bar(entropy.exponent),
            group.hadamard.as_ref().map_or(String::new(), |effect| {
                let change = effect.after.exponent - effect.before.exponent;
                format!("{} ({change:+.3})", bits(effect.after.exponent))
            }),
            bits(entropy.exponent_given_previous),
            bits(entropy.exponent_given_above),
            bits(entropy.sign),
            bits(entropy.mantissa),
            bits(entropy.mutual_information_exponent_mantissa),
            bits(entropy.element),
            group.alpha.as_ref().map_or(String::new(), |alpha| format!("{:.2}", alpha.median)),
            format!("{best:.3}"),
        ]
    });
    let head = [
        what, "tensors", "elements", "exponent", "", "Hadamard", "| left", "| above", "sign", "mantissa",
        "I", "element", "α", "smallest",
    ];
    table(&head, rows)
}

/// A line per tensor.
fn tensors(tensors: &[TensorAnalysis]) -> String {
    let rows = tensors.iter().map(|tensor| {
        let entropy = |of: fn(&ecf8_analysis::report::BitFieldEntropies) -> f64| {
            tensor.entropy.as_ref().map_or(String::new(), |own| bits(of(own)))
        };
        let law = tensor.law.as_ref();
        let size = tensor.sizes.iter().find(|size| size.is_actual);
        let size = size.or_else(|| tensor.sizes.iter().min_by(|a, b| a.ratio.total_cmp(&b.ratio)));
        vec![
            tensor.name.clone(),
            tensor.kind.clone(),
            tensor.dtype.clone(),
            grouped(tensor.elements),
            entropy(|own| own.exponent),
            tensor.entropy.as_ref().map_or(String::new(), |own| bar(own.exponent)),
            tensor.hadamard.as_ref().map_or(String::new(), |effect| bits(effect.after.exponent)),
            entropy(|own| own.mantissa),
            entropy(|own| own.element),
            law.map_or(String::new(), |law| {
                let [least, most] = law.alpha_interval;
                format!("{:.3} ±{:.3}", law.alpha, (most - least) / 2.0)
            }),
            law.map_or(String::new(), |law| format!("{:.3e}", law.scale)),
            law.map_or(String::new(), |law| format!("{:.4}", law.goodness.distance)),
            law.map_or(String::new(), |law| word(law.goodness.verdict).to_owned()),
            tensor.theory.as_ref().map_or(String::new(), |theory| bits(theory.law_rounded)),
            size.map_or(String::new(), |size| format!("{:.3} {}", size.ratio, size.scheme)),
        ]
    });
    let head = [
        "tensor", "kind", "dtype", "elements", "exponent", "", "Hadamard", "mantissa", "element", "α", "γ",
        "distance", "holds", "by law", "size",
    ];
    table(&head, rows)
}

/// What each scheme makes of the floats.
fn sizes(analysis: &Analysis) -> String {
    let total = &analysis.total;
    let rows = total.sizes.iter().map(|size| {
        vec![size.scheme.clone(), grouped(size.bytes), format!("{:.4}", size.ratio), "predicted".to_owned()]
    });
    let stored = (total.stored_bytes != total.bytes).then(|| {
        let ratio = total.stored_bytes as f64 / total.bytes.max(1) as f64;
        vec![
            "as stored".to_owned(),
            grouped(total.stored_bytes),
            format!("{ratio:.4}"),
            "in the file".to_owned(),
        ]
    });
    table(&["floats by scheme", "bytes, without metadata", "ratio", ""], rows.chain(stored))
}

/// What the paper's section 2 says of these weights, and what is true.
fn theory(analysis: &Analysis) -> String {
    let gaussian = &analysis.gaussian;
    let mut rows = Vec::new();
    if let Some((mean, measured)) = mean(&analysis.tensors) {
        rows.push(theory_row("these weights, means over tensors", &mean, Some(measured)));
    }
    rows.push(theory_row("normal, σ = 1, in E4M3", gaussian, None));
    let head = [
        "exponents' entropy, bits",
        "α",
        "theorem 2.1: at least",
        "at most",
        "its closed form",
        "two-sided geometric",
        "the law's",
        "rounded",
        "measured",
    ];
    let mut text = table(&head, rows);
    text += "The paper's closed form is not the entropy of the two-sided geometric law that it is given for, and exponents of α-stable values \
        are\nnot two-sided geometric: `the law's` is what they really have, and `rounded` what they have after rounding to the dtype. For α below \
        1.9\nthat is above the theorem's upper bound, and it rises as α falls.\n";
    let total = &analysis.total;
    if total.fitted > 0 {
        let fails = total.fitted - total.law_holds - total.law_nearly_holds;
        text += &format!(
            "An α-stable law holds in {} of {} tensors, nearly (1 % of the values off at most) in {}, and not in {fails}{}.\n",
            grouped(total.law_holds),
            grouped(total.fitted),
            grouped(total.law_nearly_holds),
            where_not(&analysis.tensors),
        );
    }
    let floor = &total.floor;
    text += &format!(
        "FP4.67 is 2.67 bits of exponent, which is the bound for α = 2, 1 of sign and 1 of mantissa. Here {:.2} + 1 + 1 = {:.2}; but lossless \
         codes\nneed {:.2} with signs and mantissas as they are, and {:.2} if these are coded, too.\n",
        total.entropy.exponent, floor.with_one_mantissa_bit, floor.exponents_coded, floor.elements_coded,
    );
    text
}

fn theory_row(what: &str, theory: &Theory, measured: Option<f64>) -> Vec<String> {
    let mut row = vec![what.to_owned()];
    row.extend(
        [
            theory.alpha,
            theory.lower_bound,
            theory.upper_bound,
            theory.closed_form,
            theory.two_sided_geometric,
            theory.law,
            theory.law_rounded,
        ]
        .map(bits),
    );
    row.push(measured.map_or(String::new(), bits));
    row
}

/// Means over the tensors that a law was fitted to, each as often as it has elements, with the entropy measured there.
fn mean(tensors: &[TensorAnalysis]) -> Option<(Theory, f64)> {
    let (mut sums, mut measured, mut elements) = ([0.0; 8], 0.0, 0.0);
    for tensor in tensors {
        let Some((own, entropy)) = tensor.theory.as_ref().zip(tensor.entropy.as_ref()) else { continue };
        let weight = tensor.elements as f64;
        let figures = [
            own.alpha,
            own.scale,
            own.lower_bound,
            own.upper_bound,
            own.closed_form,
            own.two_sided_geometric,
            own.law,
            own.law_rounded,
        ];
        sums.iter_mut().zip(figures).for_each(|(sum, figure)| *sum += weight * figure);
        measured += weight * entropy.exponent;
        elements += weight;
    }
    let [alpha, scale, lower_bound, upper_bound, closed_form, two_sided_geometric, law, law_rounded] =
        sums.map(|sum| sum / elements);
    let mean =
        Theory { alpha, scale, lower_bound, upper_bound, closed_form, two_sided_geometric, law, law_rounded };
    (elements > 0.0).then(|| (mean, measured / elements))
}

/// In which part laws are off most where they do not hold.
fn where_not(tensors: &[TensorAnalysis]) -> String {
    let mut parts =
        [(Region::Centre, "centre", 0), (Region::Shoulder, "shoulders", 0), (Region::Tail, "tails", 0)];
    let laws = tensors.iter().filter_map(|tensor| tensor.law.as_ref());
    for law in laws.filter(|law| word(law.goodness.verdict) == "no") {
        parts
            .iter_mut()
            .filter(|(region, ..)| *region == law.goodness.region)
            .for_each(|(.., count)| *count += 1);
    }
    let told: Vec<String> = parts
        .iter()
        .filter(|(.., count)| *count > 0)
        .map(|(_, name, count)| format!("in the {name} of {count}"))
        .collect();
    if told.is_empty() { String::new() } else { format!(": it is off most {}", told.join(", ")) }
}

fn bits(bits: f64) -> String {
    format!("{bits:.3}")
}

/// A bar of eighths of characters.
fn bar(bits: f64) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let (full, width) = BAR;
    let eighths = (bits / full * 8.0 * width as f64).round().clamp(0.0, 8.0 * width as f64);
    let (whole, part) = ((eighths / 8.0).floor(), eighths % 8.0);
    let count = |number: f64| (0..=width).take_while(|count| (*count as f64) < number).count();
    let text = "█".repeat(count(whole)) + PARTS[count(part).min(7)];
    format!("{text:width$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_bits() {
        assert_eq!(bar(0.0), " ".repeat(12));
        assert_eq!(bar(4.0), "█".repeat(12));
        assert_eq!(bar(9.0), "█".repeat(12));
        assert_eq!(bar(1.0), format!("███{}", " ".repeat(9)));
        assert_eq!(bar(2.0 + 1.0 / 6.0), format!("██████▌{}", " ".repeat(5)));
    }
}
