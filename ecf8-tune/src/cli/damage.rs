//! What is said of damaged files: where the damage is, and what is good all the same.

use super::answer::{Answer, Failure, printable};
use super::compress::some;
use ecf8_core::container::{Check, Damage, FileCheck};
use serde_json::{Value, json};
use std::fmt::Write;
use std::ops::Range;
use std::path::Path;

/// The places that are told of one tensor.
const PLACES: usize = 4;

/// The answer of `verify` about what is wrong: only an error where a line says it all.
pub(super) fn answer(input: &Path, check: Check) -> Result<Answer, Failure> {
    let wrong = check.files.iter().filter(|file| !file.is_right()).count();
    let is_one = wrong + check.problems.len() + check.others.damaged.len() <= 1;
    let is_told_by_error =
        check.model.files.is_empty() || is_one && check.files.iter().all(|file| file.damage.is_none());
    let (mut text, files) = (String::new(), check.files.iter().map(described).collect::<Vec<_>>());
    for file in check.files.iter().filter(|file| !file.is_right()) {
        text += &lines(file);
    }
    let problems: Vec<String> =
        check.problems.iter().chain(&check.others.damaged).map(ToString::to_string).collect();
    for problem in &problems {
        let _ = writeln!(text, "{}", printable(problem));
    }
    if check.files.len() > 1 {
        let right = check.files.iter().filter(|file| file.is_right());
        let right: Vec<String> = right.map(|file| file.name.display().to_string()).collect();
        if !right.is_empty() {
            let (count, all, names) = (right.len(), files.len(), some(&right));
            let _ = writeln!(text, "nothing is wrong with {count} of {all} containers: {names}");
        }
    }
    let json = json!({
        "input": input.display().to_string(),
        "exact": false,
        "files": files,
        "problems": problems,
        "other_files": check.others,
    });
    let error = check.into_model().err().map(Failure::from);
    match error {
        Some(error) if is_told_by_error => Err(error),
        failure => Ok(Answer { text, json, failure }),
    }
}

/// What is wrong with a file and what is not, for scripts.
fn described(file: &FileCheck) -> Value {
    let mut described = json!(file.damage);
    described["name"] = file.name.display().to_string().into();
    described["refusal"] = file.refusal.as_ref().map(ToString::to_string).into();
    described["exact"] = file.is_right().into();
    described
}

/// The same for people.
fn lines(file: &FileCheck) -> String {
    let Damage { metadata, tensors, unused, good, .. } = &file.damage;
    let name = printable(&file.name.display().to_string());
    let mut text = String::new();
    if let Some(refusal) = &file.refusal {
        let _ = writeln!(text, "{}", printable(&refusal.to_string()));
        if file.damage.is_none() {
            return text;
        }
    }
    for one in metadata.iter().chain(unused) {
        let _ =
            writeln!(text, "{name}: {} is damaged: {} of the file", printable(&one.what), bytes(&one.bytes));
    }
    for tensor in tensors {
        let _ = write!(
            text,
            "{name}: tensor `{}` is damaged: {}",
            printable(&tensor.name),
            printable(&tensor.why)
        );
        for place in tensor.places.iter().take(PLACES) {
            let (part, in_file, in_part) =
                (printable(&place.part), bytes(&place.in_file), bytes(&place.in_part));
            let _ = write!(text, "; in {in_file} of the file, {in_part} of `{part}`");
        }
        if tensor.places.len() > PLACES {
            let _ = write!(text, "; and in {} more places", tensor.places.len() - PLACES);
        }
        let affected: u64 = tensor.affected.iter().map(|bytes| bytes.end - bytes.start).sum();
        if let [one] = &*tensor.affected
            && affected < tensor.bytes
        {
            let _ = write!(text, "; at most {} of its {} depend on it", bytes(one), tensor.bytes);
        } else if affected < tensor.bytes {
            let _ = write!(text, "; at most {affected} of its {} bytes depend on it", tensor.bytes);
        }
        text.push('\n');
    }
    let _ = match good.len() {
        0 => writeln!(text, "{name}: no tensor is good"),
        1 => writeln!(text, "{name}: 1 tensor is good: {}", some(good)),
        count => writeln!(text, "{name}: {count} tensors are good: {}", some(good)),
    };
    text
}

/// A range, with the last byte that is in it.
fn bytes(range: &Range<u64>) -> String {
    if range.end.saturating_sub(range.start) <= 1 {
        return format!("byte {}", range.start);
    }
    format!("bytes {} to {}", range.start, range.end - 1)
}
