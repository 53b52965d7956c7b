//! What a container says of the difference that it holds: what that is from, and what tells its tensors.

use super::description::{Change, Description};
use crate::container::CompressedFile;
use crate::error::{Error, Result};
use crate::source::DeltaMark;
use crate::transform::{Form, Stream, Transform};
use std::path::PathBuf;

/// That a container holds a delta, and what it was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseNeeded {
    /// The container.
    pub path: PathBuf,
    /// What its base was called.
    pub name: String,
    /// The base's checksum, 16 hexadecimal digits: of all of its tensors that are needed.
    pub checksum: String,
}

impl BaseNeeded {
    pub(in crate::container) fn into_error(self) -> Error {
        let named = named(&self.name, &self.checksum);
        Error::NeedsBase { path: self.path, named }
    }
}

/// A base as messages call it.
pub(super) fn named(name: &str, checksum: &str) -> String {
    format!("{name} (checksum {checksum})")
}

impl CompressedFile {
    /// What the base is, if this holds the difference from one.
    #[must_use]
    pub fn base_needed(&self) -> Option<BaseNeeded> {
        let needed = |mark: &DeltaMark| BaseNeeded {
            path: self.path().to_owned(),
            name: mark.base.clone(),
            checksum: mark.checksum.clone(),
        };
        self.delta.as_ref().map(needed)
    }

    /// Refuses what is the difference from a base: its tensors are of no use without that.
    ///
    /// # Errors
    /// [`Error::NeedsBase`] if it is.
    pub fn require_no_base(&self) -> Result<()> {
        self.base_needed().map_or(Ok(()), |needed| Err(needed.into_error()))
    }
}

/// What tells a tensor of a model that is a difference from a base.
#[derive(Debug, Clone)]
pub struct ToldTensor {
    /// Its name.
    pub name: String,
    /// The tensor of the same file whose bytes it has, if it is told by that.
    pub same_as: Option<String>,
    /// The tensor of the base that it is told from, if it is.
    pub base: Option<String>,
    /// How it differs from that; `None` if it does not.
    pub change: Option<ToldChange>,
}

/// How a tensor differs from one of the base.
#[derive(Debug, Clone)]
pub struct ToldChange {
    transform: &'static dyn Transform,
    is_sparse: bool,
    prefix: String,
}

impl ToldChange {
    /// The form, for numbers of `width` bytes.
    #[must_use]
    pub fn form(&self, width: usize) -> Form {
        Form { transform: self.transform, is_sparse: self.is_sparse, width }
    }

    /// The container's tensor with a stream of this form.
    #[must_use]
    pub fn tensor(&self, form: &Form, stream: Stream) -> String {
        format!("{}.{}", self.prefix, form.suffix(stream))
    }
}

impl CompressedFile {
    /// What tells the tensors of a difference from a base; none of a container that is no such. Those that are not listed are in
    /// the container themselves.
    ///
    /// # Errors
    /// If the description is damaged.
    pub fn told_tensors(&self) -> Result<Vec<ToldTensor>> {
        let Some(mark) = &self.delta else { return Ok(Vec::new()) };
        let contradiction = |problem: String| Error::Container { path: self.path().to_owned(), problem };
        let told = description(self, mark)?.tensors.into_iter().map(|entry| {
            let change = entry.change.as_ref().map(|change| {
                let form =
                    change.form(1).ok_or_else(|| contradiction(unknown_transform(&entry.name, change)))?;
                let prefix = change.prefix.as_ref().unwrap_or(&entry.name).clone();
                Ok(ToldChange { transform: form.transform, is_sparse: form.is_sparse, prefix })
            });
            let base =
                entry.base_checksum.as_ref().map(|_| entry.base.as_ref().unwrap_or(&entry.name).clone());
            Ok(ToldTensor { change: change.transpose()?, base, same_as: entry.same_as, name: entry.name })
        });
        told.collect()
    }
}

pub(super) fn description(file: &CompressedFile, mark: &DeltaMark) -> Result<Description> {
    let described = file.read_tensor(&mark.description)?;
    Description::inflated(&described, file.bytes()).map_err(|why| Error::Container {
        path: file.path().to_owned(),
        problem: format!("the description of the difference: {why}"),
    })
}

pub(super) fn unknown_transform(name: &str, change: &Change) -> String {
    format!("`{name}` has the unknown transform {}", change.by)
}
