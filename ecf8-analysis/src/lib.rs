//! What the bits of a model's weights hold, and what theory says of them. No GPU.
//!
//! The paper that ecf8 is about explains why weights compress (section 2, appendix C): exponents have little entropy,
//! because weights follow α-stable laws, and Hadamard transforms do not change that. [`analyze`] looks at one's own weights
//! that way; [`report`] is what it finds.
//!
//! | module | what it does |
//! |---|---|
//! | [`numbers`], [`rows`], `counts` | what numbers of a float type are, where rows begin, and how often what occurs |
//! | [`entropy`] | entropies of the fields of bits |
//! | [`hadamard`] | the Hadamard transform in blocks |
//! | [`stable`] | α-stable laws, and how they are fitted |
//! | [`theory`] | theorem 2.1, and what is true |
//! | [`kinds`] | which block of a model a tensor belongs to |
//! | `sizes`, `tensor`, `groups` | what schemes would give; one tensor; tensors together |

#![cfg_attr(test, allow(clippy::cast_possible_truncation, reason = "tests choose their numbers"))]

mod counts;
pub mod entropy;
mod groups;
pub mod hadamard;
pub mod kinds;
pub mod numbers;
pub mod page;
pub mod report;
pub mod rows;
mod sizes;
pub mod stable;
mod tensor;
pub mod theory;

use ecf8_core::Result;
use ecf8_core::container::{Progress, Weights, WeightsFile};
use ecf8_core::header::TensorRecord;
use kinds::Kinds;
use rayon::prelude::*;
use report::{Analysis, Method, TensorAnalysis, VERSION};
use std::cmp::Reverse;
use std::path::{Path, PathBuf};

/// The most elements of a tensor from which sizes are predicted.
pub const SIZE_SAMPLE: u64 = 1 << 20;

/// The most elements of a tensor that are transformed, unless more are asked for.
pub const USUAL_SAMPLE: u64 = 1 << 20;

/// The usual size of blocks of the Hadamard transform.
pub const USUAL_BLOCK: u32 = 128;

/// Bytes of tensors that are looked at side by side; larger ones are looked at one by one, on all threads.
const TOGETHER: u64 = 64 << 20;

/// How an analysis is to be done.
#[derive(Debug, Clone)]
pub struct Options {
    /// Elements in a block of the Hadamard transform, a power of two; 0 for no transform.
    pub hadamard_block: u32,
    /// The most elements of a tensor that are transformed; `None` for all.
    pub sample: Option<u64>,
    /// What names say.
    pub kinds: Kinds,
}

/// Looks at all tensors of files and folders, compressed or not.
///
/// # Errors
/// If one cannot be read, is damaged, is the difference from a base, or changes meanwhile; [`Error::Cancelled`] if nobody wants
/// the result any more.
///
/// [`Error::Cancelled`]: ecf8_core::Error::Cancelled
pub fn analyze(paths: &[PathBuf], options: &Options, progress: &dyn Progress) -> Result<Analysis> {
    let models = paths.iter().map(|path| Ok((path, Weights::open(path)?))).collect::<Result<Vec<_>>>()?;
    let files =
        || models.iter().flat_map(|(path, weights)| weights.files.iter().map(move |file| (*path, file)));
    models.iter().flat_map(|(_, weights)| &weights.notes).for_each(|note| progress.note(note));
    let bytes = files().flat_map(|(_, file)| file.tensors()).map(TensorRecord::bytes);
    progress.start("analysing", bytes.fold(0, u64::saturating_add));
    let mut tensors = Vec::new();
    for (path, file) in files() {
        let name = called(path, file, models.len() > 1);
        of_file(file, &name, options, progress, &mut tensors)?;
        file.check_unchanged()?;
    }
    progress.finish();
    let mut kinds = groups::by(&tensors, |tensor| Some(tensor.kind.clone()), Clone::clone);
    kinds.sort_by_key(|kind| Reverse(kind.bytes));
    Ok(Analysis {
        ecf8_analysis: VERSION,
        sources: paths.iter().map(|path| path.display().to_string()).collect(),
        method: Method { hadamard_block: options.hadamard_block, sample: options.sample },
        kinds,
        layers: groups::by(&tensors, |tensor| tensor.layer, u32::to_string),
        total: groups::total(&tensors),
        tensors,
        gaussian: theory::gaussian(),
    })
}

/// What a file is called: its path within its model, after that of the model if there are several.
fn called(path: &Path, file: &WeightsFile, has_several: bool) -> String {
    let name = if !has_several {
        file.name.clone()
    } else if path.is_dir() {
        path.join(&file.name)
    } else {
        path.to_owned()
    };
    name.display().to_string()
}

/// Looks at a file's tensors: small ones side by side.
fn of_file(
    file: &WeightsFile,
    name: &str,
    options: &Options,
    progress: &dyn Progress,
    tensors: &mut Vec<TensorAnalysis>,
) -> Result<()> {
    let mut rest = file.tensors();
    while !rest.is_empty() {
        let mut together = 0u64;
        let fitting = rest.iter().take_while(|record| {
            together = together.saturating_add(record.bytes());
            together <= TOGETHER
        });
        let (batch, later) = rest.split_at(fitting.count().max(1));
        let of = |record: &TensorRecord| tensor::analyze(file, record, name.to_owned(), options, progress);
        if let [record] = batch {
            tensors.push(of(record)?);
        } else {
            tensors.extend(batch.par_iter().map(of).collect::<Result<Vec<_>>>()?);
        }
        rest = later;
    }
    Ok(())
}
