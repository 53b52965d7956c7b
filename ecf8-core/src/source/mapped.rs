//! A safetensors file, mapped into memory.

use super::Source;
use crate::error::Result;
use crate::header::{Header, TensorRecord};
use crate::int;
use crate::map::MappedFile;
use std::borrow::Cow;
use std::path::Path;

/// A mapped safetensors file, whose header is checked.
pub(crate) struct MappedSource<'m> {
    map: &'m MappedFile,
    header: Header,
    json: Vec<u8>,
}

impl<'m> MappedSource<'m> {
    pub(crate) fn new(map: &'m MappedFile) -> Result<Self> {
        let (header, json) = map.header()?;
        Ok(Self { map, header, json })
    }
}

impl Source for MappedSource<'_> {
    fn path(&self) -> &Path {
        self.map.path()
    }

    fn header(&self) -> &Header {
        &self.header
    }

    fn json(&self) -> &[u8] {
        &self.json
    }

    fn bytes(&self, record: &TensorRecord) -> Result<Cow<'_, [u8]>> {
        let start = self.header.data_start();
        Ok(Cow::Borrowed(&self.map[int::index(start + record.begin)..int::index(start + record.end)]))
    }

    fn check_unchanged(&self) -> Result<()> {
        self.map.check_unchanged()
    }
}
