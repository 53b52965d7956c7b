//! What a tensor gains by codebooks that follow its data: several for its runs, instead of one for all of it.

use super::costs::{BySchemes, Symbols};
use crate::container::{CompressedFile, CompressedTensor, write};
use serde::Serialize;

/// What the several codebooks of one tensor gain, beside one for all of it under the same scheme.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Following {
    /// Its file, within the model's folder.
    pub file: String,
    /// Its name.
    pub name: String,
    /// Its scheme.
    pub scheme: &'static str,
    /// How many runs of elements name a codebook.
    pub runs: usize,
    /// How many codebooks they name.
    pub codebooks: usize,
    /// Bytes in the original.
    pub original_bytes: u64,
    /// Bytes of codewords, patches and raw bits with these codebooks.
    pub bytes: u64,
    /// Bytes of the same with one codebook, the best in the scheme's own judgement.
    pub one_bytes: u64,
    /// What storing the codebooks takes, about, in bytes, and what naming one for each run does; tensors that have the same
    /// codebook share its bytes equally.
    pub codebook_bytes: u64,
    /// What storing the one would take, about, in bytes; at most `codebook_bytes`, since it might be shared, too.
    pub one_codebook_bytes: u64,
    /// Bytes by which it is smaller, codebooks included; below zero where it is larger.
    pub gain_bytes: i64,
    /// That, in percent of the original's bytes.
    pub gain_percent: f64,
}

/// What storing each codebook of a file takes, in bytes, for each of the tensors that have it.
pub(super) fn shares_of_codebooks(file: &CompressedFile) -> Vec<u64> {
    let codebooks = file.codebooks();
    let mut sharers = vec![0u64; codebooks.len()];
    for index in file.tensors().flat_map(|tensor| tensor.codebook_indices()) {
        sharers[*index] += 1;
    }
    let shares = codebooks.iter().zip(sharers);
    shares.map(|(codebook, sharers)| write::codebook_bytes(codebook) / sharers.max(1)).collect()
}

impl Following {
    /// What a tensor gains whose symbols are counted for each of its codebooks; `None` if it has only one. `shares` are
    /// those of its file's codebooks.
    pub(super) fn of(
        file: &str,
        tensor: &CompressedTensor<'_>,
        counted: &[BySchemes],
        shares: &[u64],
    ) -> Option<Self> {
        let (codebooks, scheme) = (tensor.codebooks(), tensor.scheme());
        if codebooks.only().is_some() {
            return None;
        }
        let by_its_own = |symbols: &BySchemes| {
            symbols
                .iter()
                .find(|(other, _)| other.name() == scheme.name())
                .map(|(_, symbols)| symbols.clone())
        };
        // A codebook that no run names has no symbols.
        let mut bytes = 0u64;
        let mut all: Option<Symbols> = None;
        for (symbols, codebook) in counted.iter().zip(codebooks.list()) {
            let Some(symbols) = by_its_own(symbols) else { continue };
            bytes = bytes.saturating_add(symbols.bytes(scheme, codebook));
            match &mut all {
                Some(all) => all.add(&symbols),
                None => all = Some(symbols),
            }
        }
        let all = all?;
        let one = scheme.codebook(&all.histogram);
        let one_bytes = all.bytes(scheme, &one);
        let shares = tensor.codebook_indices().iter().filter_map(|index| shares.get(*index));
        // A run's number takes about a byte in the manifest, which is deflated.
        let codebook_bytes = shares.fold(codebooks.runs() as u64, |sum, share| sum.saturating_add(*share));
        let one_codebook_bytes = write::codebook_bytes(&one).min(codebook_bytes);
        let gain_bytes = 0i64
            .saturating_add_unsigned(one_bytes.saturating_add(one_codebook_bytes))
            .saturating_sub_unsigned(bytes.saturating_add(codebook_bytes));
        Some(Self {
            file: file.to_owned(),
            name: tensor.name().to_owned(),
            scheme: scheme.name(),
            runs: codebooks.runs(),
            codebooks: codebooks.list().len(),
            original_bytes: tensor.original_bytes(),
            bytes,
            one_bytes,
            codebook_bytes,
            one_codebook_bytes,
            gain_bytes,
            gain_percent: percent(gain_bytes, tensor.original_bytes()),
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn percent(gain: i64, original: u64) -> f64 {
    gain as f64 * 100.0 / original.max(1) as f64
}
