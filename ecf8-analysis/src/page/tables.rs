//! Tables of a page: kinds, schemes, and tensors that stand out.

use super::text::{bytes, ends, escaped};
use crate::report::{Analysis, GroupAnalysis, TensorAnalysis, Verdict};

/// Tensors of a table.
const TENSORS: usize = 12;

/// Characters of a name that are shown.
const NAME: usize = 44;

/// What is said of tables of tensors.
const OF_TENSORS: &str = "H: entropy in bits. α: of the law fitted to its values; ~ where that only nearly holds, ✗ where it does not.";

/// Tensors of fewer elements are not called the least or the most compressible: what they take is chance.
const LARGE: u64 = 4096;

pub(super) fn html(analysis: &Analysis) -> String {
    let mut text = String::new();
    text += &section(
        "kinds",
        "Kinds of tensors",
        "",
        &KINDS,
        analysis.kinds.iter().chain([&analysis.total]).map(kind),
    );
    let schemes = analysis.total.sizes.iter().map(|size| {
        let source = if size.is_actual { "as stored" } else { "predicted" };
        vec![size.scheme.clone(), bytes(size.bytes), percent(size.ratio), source.to_owned()]
    });
    text += &section(
        "schemes",
        "What each scheme takes",
        "All float tensors by one scheme, without metadata; those that a scheme does not take count with their bytes.",
        &["scheme", "bytes", "of the original", ""],
        schemes,
    );
    let mut tensors: Vec<&TensorAnalysis> = analysis.tensors.iter().collect();
    tensors.sort_by_key(|tensor| std::cmp::Reverse(tensor.bytes));
    text += &section(
        "largest",
        "Largest tensors",
        OF_TENSORS,
        &TENSOR,
        tensors.iter().take(TENSORS).map(|one| tensor(one)),
    );
    let mut rated: Vec<(f64, &TensorAnalysis)> = tensors
        .iter()
        .filter(|one| one.elements >= LARGE)
        .filter_map(|one| Some((ratio(one)?, *one)))
        .collect();
    rated.sort_by(|a, b| b.0.total_cmp(&a.0));
    let least = rated.iter().take(TENSORS).map(|(_, one)| tensor(one));
    text += &section(
        "least",
        "Least compressible tensors",
        "Of those with 4,096 elements or more.",
        &TENSOR,
        least,
    );
    let most = rated.iter().rev().take(TENSORS).map(|(_, one)| tensor(one));
    text + &section(
        "most",
        "Most compressible tensors",
        "Of those with 4,096 elements or more.",
        &TENSOR,
        most,
    )
}

/// A table under a heading; nothing, if it has no rows.
fn section(
    id: &str,
    title: &str,
    about: &str,
    head: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
) -> String {
    let rows: String = rows
        .map(|row| {
            let cells = row.iter().enumerate().map(|(column, cell)| {
                let whole = escaped(cell);
                // Of long names both ends are shown, and the whole where it is pointed at.
                match column {
                    0 => format!("<td title=\"{whole}\">{}</td>", escaped(&ends(cell, NAME))),
                    _ => format!("<td>{whole}</td>"),
                }
            });
            format!("<tr>{}</tr>\n", cells.collect::<String>())
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let about = if about.is_empty() { String::new() } else { format!("<p class=\"faint\">{about}</p>\n") };
    let head: String = head.iter().map(|name| format!("<th>{name}</th>")).collect();
    format!(
        "<h2>{title}</h2>\n{about}<div class=\"scroll\" tabindex=\"0\"><table id=\"{id}\">\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n"
    )
}

/// Of the schemes' sizes, the smallest by the bytes without compression.
fn ratio(tensor: &TensorAnalysis) -> Option<f64> {
    tensor.sizes.iter().map(|size| size.ratio).min_by(f64::total_cmp)
}

fn percent(ratio: f64) -> String {
    format!("{:.1} %", 100.0 * ratio)
}

fn bits(value: Option<f64>) -> String {
    value.map_or_else(String::new, |bits| format!("{bits:.3}"))
}

const KINDS: [&str; 9] = [
    "kind",
    "tensors",
    "bytes",
    "H(exponent)",
    "after Hadamard",
    "H(number)",
    "α, median",
    "law holds, or nearly",
    "smallest",
];

fn kind(group: &GroupAnalysis) -> Vec<String> {
    vec![
        group.name.clone(),
        group.tensors.to_string(),
        bytes(group.bytes),
        bits(Some(group.entropy.exponent)),
        bits(group.hadamard.filter(|effect| effect.elements > 0).map(|effect| effect.after.exponent)),
        bits(Some(group.entropy.element)),
        group.alpha.map_or_else(String::new, |alpha| format!("{:.2}", alpha.median)),
        if group.fitted == 0 {
            String::new()
        } else {
            format!("{} of {}", group.law_holds + group.law_nearly_holds, group.fitted)
        },
        super::advice::smallest(group).map_or_else(String::new, |size| percent(size.ratio)),
    ]
}

const TENSOR: [&str; 8] = ["tensor", "dtype", "shape", "bytes", "H(exponent)", "H(number)", "α", "smallest"];

fn tensor(tensor: &TensorAnalysis) -> Vec<String> {
    let shape: Vec<String> = tensor.shape.iter().map(u64::to_string).collect();
    let law = tensor.law.as_ref().map_or_else(String::new, |law| {
        let mark = match law.goodness.verdict {
            Verdict::Holds => "",
            Verdict::Nearly => " ~",
            Verdict::DoesNotHold => " ✗",
        };
        format!("{:.2}{mark}", law.alpha)
    });
    vec![
        tensor.name.clone(),
        tensor.dtype.clone(),
        if shape.is_empty() { "scalar".to_owned() } else { shape.join(" × ") },
        bytes(tensor.bytes),
        bits(tensor.entropy.map(|entropy| entropy.exponent)),
        bits(tensor.entropy.map(|entropy| entropy.element)),
        law,
        ratio(tensor).map_or_else(String::new, percent),
    ]
}
