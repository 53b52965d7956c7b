//! A line of comma-separated values per tensor (RFC 4180), for spreadsheets.

use ecf8_analysis::report::{Analysis, BitFieldEntropies, TensorAnalysis, Verdict};
use ecf8_core::schemes;

/// All tensors, after a line with the names of columns. What a tensor does not have is empty.
pub(super) fn lines(analysis: &Analysis) -> String {
    let names = schemes().iter().map(|scheme| format!("bytes by {}", scheme.name()));
    let head = HEAD.iter().map(|name| (*name).to_owned()).chain(names);
    let rows = analysis.tensors.iter().map(row);
    std::iter::once(line(head)).chain(rows.map(line)).collect()
}

const HEAD: [&str; 35] = [
    "file",
    "tensor",
    "dtype",
    "shape",
    "elements",
    "bytes",
    "stored bytes",
    "layer",
    "kind",
    "sign",
    "exponent",
    "mantissa",
    "sign and mantissa",
    "element",
    "exponent given previous",
    "exponent given above",
    "mutual information of exponent and mantissa",
    "elements transformed",
    "exponent of these",
    "exponent after Hadamard",
    "sign and mantissa of these",
    "sign and mantissa after Hadamard",
    "alpha",
    "alpha least",
    "alpha most",
    "scale",
    "location",
    "distance from law",
    "law",
    "lower bound",
    "upper bound",
    "closed form",
    "two-sided geometric",
    "exponent of law",
    "exponent of law in dtype",
];

fn row(tensor: &TensorAnalysis) -> Vec<String> {
    let shape: Vec<String> = tensor.shape.iter().map(u64::to_string).collect();
    let mut row = vec![
        tensor.file.clone(),
        tensor.name.clone(),
        tensor.dtype.clone(),
        shape.join("x"),
        tensor.elements.to_string(),
        tensor.bytes.to_string(),
        tensor.stored_bytes.to_string(),
        tensor.layer.map_or(String::new(), |layer| layer.to_string()),
        tensor.kind.clone(),
    ];
    let entropy = |of: fn(&BitFieldEntropies) -> f64| figure(tensor.entropy.as_ref().map(of));
    row.extend([
        entropy(|own| own.sign),
        entropy(|own| own.exponent),
        entropy(|own| own.mantissa),
        entropy(|own| own.sign_mantissa),
        entropy(|own| own.element),
        entropy(|own| own.exponent_given_previous),
        entropy(|own| own.exponent_given_above),
        entropy(|own| own.mutual_information_exponent_mantissa),
    ]);
    let effect = tensor.hadamard.as_ref();
    row.extend([
        effect.map_or(String::new(), |effect| effect.elements.to_string()),
        figure(effect.map(|effect| effect.before.exponent)),
        figure(effect.map(|effect| effect.after.exponent)),
        figure(effect.map(|effect| effect.before.sign_mantissa)),
        figure(effect.map(|effect| effect.after.sign_mantissa)),
    ]);
    let law = tensor.law.as_ref();
    row.extend([
        figure(law.map(|law| law.alpha)),
        figure(law.map(|law| law.alpha_interval[0])),
        figure(law.map(|law| law.alpha_interval[1])),
        law.map_or(String::new(), |law| format!("{:e}", law.scale)),
        law.map_or(String::new(), |law| format!("{:e}", law.location)),
        figure(law.map(|law| law.goodness.distance)),
        law.map_or(String::new(), |law| word(law.goodness.verdict).to_owned()),
    ]);
    let theory = tensor.theory.as_ref();
    row.extend([
        figure(theory.map(|theory| theory.lower_bound)),
        figure(theory.map(|theory| theory.upper_bound)),
        figure(theory.map(|theory| theory.closed_form)),
        figure(theory.map(|theory| theory.two_sided_geometric)),
        figure(theory.map(|theory| theory.law)),
        figure(theory.map(|theory| theory.law_rounded)),
    ]);
    row.extend(schemes().iter().map(|scheme| {
        let size = tensor.sizes.iter().find(|size| size.scheme == scheme.name());
        size.map_or(String::new(), |size| size.bytes.to_string())
    }));
    row
}

/// What is said of a law.
pub(super) fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "holds",
        Verdict::Nearly => "nearly",
        Verdict::DoesNotHold => "no",
    }
}

fn figure(value: Option<f64>) -> String {
    value.map_or(String::new(), |value| format!("{value:.6}"))
}

fn line(fields: impl IntoIterator<Item = String>) -> String {
    let quoted = fields.into_iter().map(|field| {
        if field.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", field.replace('"', "\"\""))
        } else {
            field
        }
    });
    quoted.collect::<Vec<_>>().join(",") + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_with_commas_and_quotes_are_quoted() {
        let fields = ["a", "b,c", "d\"e"].map(str::to_owned);
        assert_eq!(line(fields), "a,\"b,c\",\"d\"\"e\"\r\n");
    }
}
