//! A container as a source: of what becomes of its tensors elsewhere.

use crate::container::CompressedFile;
use crate::error::Result;
use crate::header::{Header, TensorRecord};
use crate::source::Source;
use std::borrow::Cow;
use std::path::Path;

/// The tensors that a container stands for.
pub(in crate::container) struct ContainerSource<'f> {
    file: &'f CompressedFile,
    header: Header,
    json: Vec<u8>,
}

impl<'f> ContainerSource<'f> {
    pub(in crate::container) fn new(file: &'f CompressedFile) -> Result<Self> {
        let (json, header) = file.original_layout()?;
        Ok(Self { file, header, json })
    }
}

impl Source for ContainerSource<'_> {
    fn path(&self) -> &Path {
        self.file.path()
    }

    fn header(&self) -> &Header {
        &self.header
    }

    fn json(&self) -> &[u8] {
        &self.json
    }

    fn bytes(&self, record: &TensorRecord) -> Result<Cow<'_, [u8]>> {
        self.file.read_tensor(&record.name)
    }

    fn check_unchanged(&self) -> Result<()> {
        self.file.check_unchanged()
    }
}
