//! Tensors of a base that have been decoded last: several streams of a tensor are made one after the other.

use super::base::{Base, Place};
use crate::error::Result;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of decoded tensors of a base that are kept for a moment: several streams of a tensor are made one after the other.
const RECENT_BYTES: usize = 256 << 20;

/// What of the base has been decoded last.
#[derive(Default)]
pub(super) struct Recent(Mutex<VecDeque<(Place, Arc<Vec<u8>>)>>);

/// Bytes of a tensor of the base.
pub(super) enum BaseBytes<'a> {
    Mapped(&'a [u8]),
    Decoded(Arc<Vec<u8>>),
}

impl AsRef<[u8]> for BaseBytes<'_> {
    fn as_ref(&self) -> &[u8] {
        match self {
            BaseBytes::Mapped(bytes) => bytes,
            BaseBytes::Decoded(bytes) => bytes,
        }
    }
}

impl Recent {
    pub(super) fn read<'b>(&self, base: &'b Base, place: Place) -> Result<BaseBytes<'b>> {
        let list = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, bytes)) = list().iter().find(|(other, _)| *other == place) {
            return Ok(BaseBytes::Decoded(bytes.clone()));
        }
        let bytes = match base.read(place)? {
            Cow::Borrowed(bytes) => return Ok(BaseBytes::Mapped(bytes)),
            Cow::Owned(bytes) => Arc::new(bytes),
        };
        let mut list = list();
        list.push_back((place, bytes.clone()));
        while list.len() > 1 && list.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > RECENT_BYTES {
            list.pop_front();
        }
        Ok(BaseBytes::Decoded(bytes))
    }
}
