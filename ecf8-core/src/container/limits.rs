//! The limits that readers of a container enforce, and how a writer keeps within them: before anything is encoded, and
//! once more by opening what was written.
//!
//! | limit | where it is enforced | how it is kept |
//! |---|---|---|
//! | 100,000,000 bytes of header | every reader of safetensors | [`fit`] |
//! | 100,000,000 bytes of original header | `validate` | the input was read under the same limit |
//! | bytes of a manifest that goes on, see [`most_continuation`] | `validate` | [`fit`] |
//! | values in it, see [`has_few_values`] | `validate` | a tensor has fewer than its parts have bytes |
//! | names that differ; offsets without holes; alignment; numbers below 2^64 | `Header::of_file`, `validate` | by construction |
//! | everything above, in what was really written | | [`prove_readable`] |

use super::CompressedFile;
use super::output::PendingFile;
use super::write::file_header::{Description, data_start};
use super::write::plan::OutputPlan;
use crate::error::{Error, IoContext, Result};
use crate::header::{LENGTH_BYTES, MAX_HEADER};
use std::path::Path;

/// The most bytes that a manifest may take behind the original header, inflated.
const MAX_CONTINUATION: u64 = 1_000_000_000;

/// Bytes of such a manifest for each byte of the file, beyond what any file may have. A tensor in the pool takes over a
/// hundred bytes there and some hundred in the manifest, so that a file which claims more than this is not one of ours.
const CONTINUATION_PER_BYTE: u64 = 16;

/// The most bytes that a manifest may take behind the original header of a container of this size. Readers inflate so
/// much before they know more of a file, so a small file may not ask for much.
pub(super) fn most_continuation(file_bytes: u64) -> u64 {
    MAX_CONTINUATION.min(MAX_HEADER.saturating_add(file_bytes.saturating_mul(CONTINUATION_PER_BYTE)))
}

/// Values of such a manifest that any file may have.
const FEW_VALUES: u64 = 1000;

/// Whether the JSON of a manifest that goes on has no more values than a container of this size, made of a file with this
/// header, can need: shapes are in both, and the smallest compressed tensor takes some 60 bytes and has some 30 other values. A
/// text without end that says nothing deflates to little, and read as lists it would take many times its own memory.
pub(super) fn has_few_values(json: &[u8], original: &[u8], file_bytes: u64) -> bool {
    values(json) <= file_bytes.saturating_add(FEW_VALUES).saturating_add(values(original))
}

/// How many values a text of JSON has, about: each but the first of a list or an object has a comma before it.
fn values(json: &[u8]) -> u64 {
    let (mut values, mut is_text, mut is_escaped) = (0, false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_text,
            b'"' => is_text = !is_text,
            b',' | b'[' | b'{' if !is_text => values += 1,
            _ => {}
        }
    }
    values
}

/// Changes a plan, if it must be, such that its container keeps within the limits; gives the most that its header may
/// be.
///
/// The user's metadata go first: they are in the original header, too, which is stored deflated. Then the parts' names.
pub(super) fn fit(plan: &mut OutputPlan<'_>, input: &Path) -> Result<Description> {
    let describe = |plan: &OutputPlan<'_>| Description::at_most(plan).at(input, "describe what becomes of");
    let header = |plan: &OutputPlan<'_>, room: &Description| data_start(plan, &room.json) - LENGTH_BYTES;
    let mut room = describe(plan)?;
    if header(plan, &room) > MAX_HEADER && !plan.metadata.is_empty() {
        plan.metadata.clear();
        room = describe(plan)?;
    }
    if header(plan, &room) > MAX_HEADER && !plan.tensors.is_empty() {
        plan.pool_all();
        room = describe(plan)?;
    }
    let over = |what, bytes, most| {
        let remedy = "save its tensors as several files, or under shorter names";
        Err(Error::OverLimit { path: input.to_owned(), what, bytes, most, remedy })
    };
    if header(plan, &room) > MAX_HEADER {
        return over("the header of its container", header(plan, &room), MAX_HEADER);
    }
    if room.continuation > MAX_CONTINUATION {
        return over("the list of its compressed tensors", room.continuation, MAX_CONTINUATION);
    }
    Ok(room)
}

/// Opens a finished container before it gets its name. So none can ever be promised that our own reader refuses.
pub(super) fn prove_readable(output: &PendingFile, input: &Path) -> Result<()> {
    let proof = CompressedFile::open(output.path()).and_then(|file| file.original_layout().map(|_| ()));
    proof.map_err(|source| Error::Unreadable { path: input.to_owned(), source: Box::new(source) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_outside_of_texts() {
        // The object, the list, and the text after its first.
        let json = br#"{"codebooks":["a,[{\\","\",,"]}"#;
        assert_eq!(values(json), 3);
        let many = ",".repeat(1002);
        assert!(has_few_values(many.as_bytes(), b"[1]", 1) && !has_few_values(many.as_bytes(), b"1", 1));
    }

    #[test]
    fn a_manifest_may_go_on_for_as_long_as_the_file_is_large_enough_to_need_it() {
        assert_eq!(most_continuation(0), MAX_HEADER);
        // A million tensors of a KiB, with about 350 bytes about each.
        assert!(most_continuation(1_000_000 * 700) > 350_000_000);
        assert_eq!(most_continuation(u64::MAX), MAX_CONTINUATION);
    }
}
