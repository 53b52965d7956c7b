//! A model's compressed tensors, wherever they are: in files that it has mapped, or where its maker holds them.

use ecf8_core::container::{CompressedFile, CompressedTensor};
use ecf8_core::element::Split;
use ecf8_core::layout::{Codebooks, DecodeError, Part};
use ecf8_core::{Encoded, Scheme};
use std::borrow::Cow;
use std::sync::Arc;

/// A compressed tensor that somebody holds.
#[derive(Clone, Debug)]
pub enum HeldTensor {
    /// The one of this name in an opened container.
    File(Arc<CompressedFile>, String),
    /// One that was encoded in memory.
    Memory(Arc<Encoded<'static>>),
}

impl HeldTensor {
    /// The tensor, which messages call `name`; `None` if its file has none.
    pub(super) fn get<'a>(&'a self, name: &'a str) -> Option<Compressed<'a>> {
        match self {
            Self::File(file, name) => file.tensor(name).map(Compressed::File),
            Self::Memory(encoded) => Some(Compressed::Memory(encoded, name)),
        }
    }
}

/// A compressed tensor of a model.
pub(crate) enum Compressed<'a> {
    File(CompressedTensor<'a>),
    /// And its name.
    Memory(&'a Encoded<'static>, &'a str),
}

impl<'a> Compressed<'a> {
    #[cfg(test)]
    pub(crate) fn name(&self) -> &'a str {
        match self {
            Self::File(tensor) => tensor.name(),
            Self::Memory(_, name) => name,
        }
    }

    pub(crate) fn scheme(&self) -> &'static dyn Scheme {
        match self {
            Self::File(tensor) => tensor.scheme(),
            Self::Memory(encoded, _) => encoded.scheme,
        }
    }

    pub(crate) fn codebooks(&self) -> &'a Codebooks {
        match self {
            Self::File(tensor) => tensor.codebooks(),
            Self::Memory(encoded, _) => &encoded.codebooks,
        }
    }

    pub(crate) fn split(&self) -> &'a Split {
        match self {
            Self::File(tensor) => tensor.split(),
            Self::Memory(encoded, _) => &encoded.split,
        }
    }

    /// Numbers in it.
    pub(crate) fn elements(&self) -> u64 {
        match self {
            Self::File(tensor) => tensor.elements(),
            Self::Memory(encoded, _) => encoded.elements,
        }
    }

    /// Its parts, borrowed.
    pub(crate) fn encoded(&self) -> Encoded<'a> {
        match self {
            Self::File(tensor) => tensor.encoded(),
            Self::Memory(encoded, _) => {
                let borrowed = |part: &'a Part<'static>| Part { bytes: Cow::Borrowed(&*part.bytes), ..*part };
                Encoded {
                    scheme: encoded.scheme,
                    split: encoded.split.clone(),
                    elements: encoded.elements,
                    codebooks: encoded.codebooks.clone(),
                    params: encoded.params.clone(),
                    parts: encoded.parts.iter().map(borrowed).collect(),
                }
            }
        }
    }

    /// Its bytes, decoded on the CPU; checked, if there is a checksum of them.
    ///
    /// # Errors
    /// If its parts are damaged.
    pub(crate) fn decode(&self) -> ecf8_core::Result<Vec<u8>> {
        match self {
            Self::File(tensor) => tensor.decode(),
            Self::Memory(encoded, name) => encoded.decode().map_err(|source| undecodable(name, source)),
        }
    }

    /// As many of its bytes as `out` has room for, from the first on.
    ///
    /// # Errors
    /// If its parts are damaged there, or it has fewer.
    pub(crate) fn decode_beginning(&self, out: &mut [u8]) -> ecf8_core::Result<()> {
        match self {
            Self::File(tensor) => tensor.decode_range(0, out),
            Self::Memory(encoded, name) => {
                let decoded = encoded.scheme.decode_range(encoded, 0, out);
                decoded.map_err(|source| undecodable(name, source))
            }
        }
    }

    /// Whether these are its bytes.
    pub(crate) fn is(&self, bytes: &[u8]) -> bool {
        match self {
            Self::File(tensor) => tensor.check(bytes).is_ok(),
            Self::Memory(encoded, _) => encoded.decode().is_ok_and(|decoded| decoded == bytes),
        }
    }
}

fn undecodable(name: &str, source: DecodeError) -> ecf8_core::Error {
    ecf8_core::Error::Decode { path: "memory".into(), tensor: name.to_owned(), source }
}
