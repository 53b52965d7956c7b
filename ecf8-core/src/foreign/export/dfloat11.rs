//! Writing what DFloat11 reads.

use super::huffman::Code;
use super::{ExportFormat, Stored, split_positions};
use crate::codebook::cascade::{CascadeTables, FIRST_POINTER, ROW};
use crate::foreign::dfloat11::{MAX_LEN, PARTS, VERSION};
use crate::foreign::gap_stream::{self, BYTES_PER_THREAD, THREADS_PER_BLOCK};
use rayon::prelude::*;
use safetensors::Dtype;
use serde_json::{Map, Value, json};

/// Their kernel counts elements in 31 bits.
const MOST_ELEMENTS: usize = (1 << 31) - 1;

pub(super) struct DFloat11;

/// The exponent of a BF16 number, and its sign and mantissa.
fn split([low, high]: [u8; 2]) -> (u8, u8) {
    (high << 1 | low >> 7, high & 0x80 | low & 0x7f)
}

impl ExportFormat for DFloat11 {
    fn name(&self) -> &'static str {
        "dfloat11"
    }

    fn dtype(&self) -> Dtype {
        Dtype::BF16
    }

    fn file_name(&self, block: &str) -> String {
        format!("{}.safetensors", block.replace('.', "_"))
    }

    fn encode(&self, block: &str, bytes: &[u8], ends: &[u64]) -> Result<Vec<Stored>, String> {
        let numbers = bytes.as_chunks::<2>().0;
        if numbers.len() > MOST_ELEMENTS {
            return Err(format!("it has {} elements, and the format takes fewer than 2^31", numbers.len()));
        }
        let (exponents, raw): (Vec<u8>, Vec<u8>) = numbers.par_iter().map(|number| split(*number)).unzip();
        let mut counts = [0u64; ROW];
        exponents.iter().for_each(|exponent| counts[usize::from(*exponent)] += 1);
        if let Some(exponent) = (FIRST_POINTER..ROW).find(|exponent| counts[*exponent] > 0) {
            return Err(format!(
                "it has numbers of exponent {exponent}, and the format's tables have none from {FIRST_POINTER}"
            ));
        }
        let frequencies: Vec<(usize, u64)> =
            counts.into_iter().enumerate().filter(|(_, count)| *count > 0).collect();
        let code = Code::new(&frequencies, MAX_LEN);
        let codebook = code.codebook(ROW).map_err(|error| error.to_string())?;
        let tables = CascadeTables::of_codewords(&code.symbols).map_err(|error| error.to_string())?;
        let mut stream = gap_stream::encode(&exponents, &codebook);
        code.end(&mut stream.bytes, stream.bits);
        let parts = stream.borrowed(&codebook, exponents.len() as u64);
        let mut decoded = vec![0; exponents.len()];
        parts.and_then(|parts| parts.decode(0, &mut decoded)).map_err(|error| error.to_string())?;
        if decoded != exponents {
            return Err("it does not come back, please report this".to_owned());
        }
        let rows = tables.rows as u64;
        Ok(vec![
            split_positions(block, PARTS.splits, ends),
            Stored { shape: vec![rows, ROW as u64], ..Stored::bytes(block, PARTS.luts, tables.lut) },
            Stored::bytes(block, PARTS.encoded, stream.bytes),
            Stored::bytes(block, PARTS.raw, raw),
            Stored::bytes(block, PARTS.gaps, stream.gaps),
            Stored::bytes(block, PARTS.positions, stream.positions),
        ])
    }

    fn config(&self, patterns: &Map<String, Value>) -> (&'static str, Value) {
        let config = json!({
            "version": VERSION,
            "threads_per_block": [THREADS_PER_BLOCK],
            "bytes_per_thread": BYTES_PER_THREAD,
            "pattern_dict": patterns,
        });
        ("dfloat11_config", config)
    }
}
