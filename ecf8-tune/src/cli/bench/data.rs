//! The weights that are decoded.

use crate::cli::answer::Failure;
use ecf8_core::synthetic;

/// Side of the matrices, where blocks have a scale each.
const COLUMNS: usize = 4096;

/// Bytes after which weights are the same again: making them takes longer than all else that is done with them, and no
/// cache or code finds out.
const REPEATED: usize = 64 << 20;

/// Generated weights of one kind.
#[derive(Clone, Copy)]
pub(super) struct Data {
    pub(super) name: &'static str,
    /// Standard deviation; scaled in blocks if there is none.
    sigma: Option<f32>,
}

pub(super) const DATA: [Data; 3] = [
    Data { name: "Gaussian, 128x128 blocks", sigma: None },
    Data { name: "Gaussian, sigma 0.02, cast", sigma: Some(0.02) },
    Data { name: "Gaussian, sigma 0.03, cast", sigma: Some(0.03) },
];

impl Data {
    /// `count` bytes of it, the same every time.
    pub(super) fn bytes(self, count: u64) -> Result<Vec<u8>, Failure> {
        let count =
            usize::try_from(count).map_err(|_| Failure::request("a size is too large; use smaller ones"))?;
        let made = count.min(REPEATED);
        let bytes = match self.sigma {
            Some(sigma) => synthetic::cast(&synthetic::gaussian(1, made, sigma)),
            None => synthetic::block_scaled(&synthetic::gaussian(1, made, 1.0), COLUMNS).bytes,
        };
        Ok(synthetic::repeated(bytes, count))
    }
}
