//! What became of files and folders.

use super::look::dtypes::{self, DtypeSummary};
use serde::Serialize;

/// What became of one `.safetensors` file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileReport {
    /// Its path within the folder, or its name.
    pub name: String,
    /// Bytes read.
    pub input_bytes: u64,
    /// Bytes written.
    pub output_bytes: u64,
    /// Tensors that are compressed in the container.
    pub compressed_tensors: usize,
    /// Tensors that are stored as they were.
    pub kept_tensors: usize,
    /// Those by dtype, and why they are kept.
    pub kept: Vec<DtypeSummary>,
    /// Of a damaged file, what could not be restored.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<Lost>,
}

/// Something that could not be restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// The tensor, if it is one.
    pub tensor: Option<String>,
    /// Why not, or what else it is.
    pub why: String,
}

/// What became of a file or folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The `.safetensors` files, by name.
    pub files: Vec<FileReport>,
    /// Other files, copied as they are, by name.
    pub copied: Vec<String>,
    /// Their bytes.
    pub copied_bytes: u64,
    /// Of a decompressed folder, those of them that were not there when it was compressed, or of which nothing is known.
    pub unchecked: Vec<String>,
    /// Of a damaged folder, files that could not be restored at all, as sentences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<String>,
    /// Tuning caches, which were made beside the compressed weights and are not restored, by name.
    pub skipped: Vec<String>,
}

impl Report {
    /// Whether everything was restored.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.lost.is_empty() && self.files.iter().all(|file| file.lost.is_empty())
    }

    /// What was not restored, a sentence each.
    #[must_use]
    pub fn lost_lines(&self) -> Vec<String> {
        let many = self.files.len() > 1;
        let of_file = |file: &FileReport, lost: &Lost| {
            let file = if many { format!("{}: ", file.name) } else { String::new() };
            match &lost.tensor {
                Some(tensor) => format!("{file}tensor `{tensor}`: {}", lost.why),
                None => format!("{file}{}", lost.why),
            }
        };
        let of_files =
            self.files.iter().flat_map(|file| file.lost.iter().map(move |lost| of_file(file, lost)));
        of_files.chain(self.lost.iter().cloned()).collect()
    }

    /// Tensors that are stored as they were, by dtype, and why.
    #[must_use]
    pub fn kept(&self) -> Vec<DtypeSummary> {
        dtypes::merged(self.files.iter().flat_map(|file| file.kept.iter().cloned()))
    }

    /// Bytes of all `.safetensors` files read.
    #[must_use]
    pub fn input_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.input_bytes).sum()
    }

    /// Bytes of all `.safetensors` files written.
    #[must_use]
    pub fn output_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.output_bytes).sum()
    }
}
