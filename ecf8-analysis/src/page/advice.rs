//! What to do, by what was found.

use super::text::{bytes, ends, escaped, grouped};
use crate::report::{Analysis, GroupAnalysis, SchemeSize};

/// Bits that neighbours must tell of an exponent to be worth a word.
const TOLD: f64 = 0.05;

/// The share of bytes that must be gained to be worth it.
const WORTH: f64 = 0.02;

/// Schemes whose kernels wait for memory only, as `ecf8 compress --optimize speed` chooses among.
const FAST: [&str; 4] = ["quad-lanes", "triple-lanes", "pair-lanes", "pair6-lanes"];

/// What a group takes by the scheme by which it takes least.
pub(super) fn smallest(group: &GroupAnalysis) -> Option<&SchemeSize> {
    group.sizes.iter().min_by_key(|size| size.bytes)
}

/// An argument as a shell takes it.
fn quoted(argument: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+:@%".contains(c);
    if !argument.is_empty() && argument.chars().all(is_plain) && !argument.starts_with('-') {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', "'\\''"))
    }
}

/// A sentence, and the command that does it.
struct Step {
    text: String,
    command: Option<String>,
}

pub(super) fn html(analysis: &Analysis) -> String {
    let item = |step: Step| {
        let command = step
            .command
            .map_or_else(String::new, |line| format!("<pre><code>{}</code></pre>", escaped(&line)));
        format!("<li>{}{command}</li>\n", escaped(&step.text))
    };
    let items: String = steps(analysis).into_iter().map(item).collect();
    format!("<h2>What to do</h2>\n<ul id=\"advice\">\n{items}</ul>\n")
}

fn steps(analysis: &Analysis) -> Vec<Step> {
    let total = &analysis.total;
    let mut steps = compressing(analysis);
    if let Some(fast) =
        total.sizes.iter().filter(|size| FAST.contains(&size.scheme.as_str())).min_by_key(|size| size.bytes)
        && let Some(best) = smallest(total)
        && fast.scheme != best.scheme
    {
        steps.push(Step {
            text: format!(
                "Where decoding speed counts more than size, {} takes {:.1} % of the original instead of {:.1} %, and its kernel waits for memory only.",
                fast.scheme,
                100.0 * fast.ratio,
                100.0 * best.ratio
            ),
            command: first_source(analysis).map(|source| format!("ecf8 compress {source} -o OUT --optimize speed")),
        });
    }
    let entropy = &total.entropy;
    let told = entropy.exponent - entropy.exponent_given_previous.min(entropy.exponent_given_above);
    if told > TOLD {
        steps.push(Step {
            text: format!(
                "Neighbours tell {told:.2} bits of an exponent: scales differ along tensors. Compressing follows them by several codebooks for one \
                 tensor where that pays; inspecting the result shows by how much."
            ),
            command: Some("ecf8 inspect OUT --costs".to_owned()),
        });
    }
    let apart = total.pooled_exponent_entropy - entropy.exponent;
    if apart > TOLD {
        steps.push(Step {
            text: format!(
                "Tensors differ: one code for all would take {apart:.2} bits per exponent more than each tensor's own. Leave --codebooks at its default, \
                 which lets tensors share where it costs next to nothing."
            ),
            command: None,
        });
    }
    steps.extend(laws(total));
    steps
}

/// Where the input is, as a shell takes it, if it is one.
fn first_source(analysis: &Analysis) -> Option<String> {
    let [source] = &analysis.sources[..] else { return None };
    Some(quoted(source))
}

fn compressing(analysis: &Analysis) -> Vec<Step> {
    let total = &analysis.total;
    let is_compressed = analysis.tensors.iter().any(|tensor| tensor.stored_bytes < tensor.bytes);
    let source = first_source(analysis);
    if is_compressed {
        return vec![Step {
            text: format!(
                "It is compressed: the float tensors take {} instead of {}. Proving that every byte comes back takes the original.",
                bytes(total.stored_bytes),
                bytes(total.bytes)
            ),
            command: source.map(|source| format!("ecf8 verify {source} --against ORIGINAL")),
        }];
    }
    match smallest(total) {
        Some(best) if best.ratio < 1.0 - WORTH => vec![Step {
            text: format!(
                "Compress it: {} of {} are saved by {}, and every byte comes back. A trial run without output says it dtype by dtype.",
                bytes(total.bytes.saturating_sub(best.bytes)),
                bytes(total.bytes),
                best.scheme
            ),
            command: source
                .map(|source| format!("ecf8 compress {source} --dry-run\necf8 compress {source} -o OUT")),
        }],
        Some(best) => vec![Step {
            text: format!(
                "Leave it as it is: the smallest scheme, {}, takes {:.1} % of it.",
                best.scheme,
                100.0 * best.ratio
            ),
            command: None,
        }],
        None => vec![Step {
            text: "There is no float tensor in it that a scheme takes.".to_owned(),
            command: None,
        }],
    }
}

/// Whether to believe the laws.
fn laws(total: &GroupAnalysis) -> Option<Step> {
    let fitted = total.fitted;
    (fitted > 0).then(|| {
        let held = total.law_holds + total.law_nearly_holds;
        let range = total.alpha.map_or_else(String::new, |alpha| format!(", with α from {:.2} to {:.2}", alpha.least, alpha.most));
        Step {
            text: format!(
                "The paper's law holds, or nearly, of {} of {} tensors{}. Compression does not rest on it: codes are made for the counts.",
                grouped(held),
                grouped(fitted),
                ends(&range, 60)
            ),
            command: None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_can_be_pasted_whatever_a_file_is_called() {
        assert_eq!(
            ["a/b-1.safetensors", "-x", "a b", "it's", ""].map(quoted),
            ["a/b-1.safetensors", "'-x'", "'a b'", "'it'\\''s'", "''"]
        );
    }
}
