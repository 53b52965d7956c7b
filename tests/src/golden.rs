//! Reviewed files: what a test produces must be what somebody once looked at and committed.

use similar::TextDiff;
use std::path::Path;

/// Compares texts with the files of a folder, all at once, and panics with the differences.
///
/// With `ECF8_ACCEPT=1` the files are written instead, for review in the next `git diff`; nothing else ever writes them. A
/// missing file is a failure as much as a different one, and so is a file that no text belongs to.
pub fn assert_golden(folder: &Path, texts: &[(String, String)]) {
    if crate::is_required("ECF8_ACCEPT") {
        for (name, text) in texts {
            std::fs::write(folder.join(name), text).unwrap();
        }
    }
    let mut failures = Vec::new();
    for (name, text) in texts {
        match std::fs::read_to_string(folder.join(name)) {
            Ok(golden) if golden == *text => {}
            Ok(golden) => {
                let diff = TextDiff::from_lines(&golden, text);
                failures.push(diff.unified_diff().header(name, "emitted now").to_string());
            }
            Err(error) => failures.push(format!("{name}: {error}\n")),
        }
    }
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name();
        if !texts.iter().any(|(known, _)| name == known.as_str()) {
            failures.push(format!("{}: nothing emits this file any more: delete it\n", name.display()));
        }
    }
    assert!(
        failures.is_empty(),
        "emitted text differs from {}:\n\n{}\nIf that is intended, run this test with ECF8_ACCEPT=1 and review `git diff`.",
        folder.display(),
        failures.join("\n")
    );
}
