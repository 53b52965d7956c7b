//! Writing what ECF8's authors write.

use super::huffman::Code;
use super::{ExportFormat, Stored, split_positions};
use crate::codebook::cascade::{CascadeTables, ROW};
use crate::element::Numbers;
use crate::foreign::ecf8_paper::{EXPONENTS, PARTS};
use crate::layout::Scheme;
use crate::layout::exponent_gap::{ENCODED, EXPONENT_GAP, GAPS, MAX_LEN, OUTPUT_POSITIONS, PACKED};
use safetensors::Dtype;
use serde_json::{Map, Value, json};

/// The version of the authors' package.
const VERSION: &str = "0.2.0";

/// Their kernel counts elements in 31 bits.
const MOST_ELEMENTS: usize = (1 << 31) - 1;

pub(super) struct Ecf8Paper;

impl ExportFormat for Ecf8Paper {
    fn name(&self) -> &'static str {
        "ecf8-paper"
    }

    fn dtype(&self) -> Dtype {
        Dtype::F8_E4M3
    }

    fn file_name(&self, block: &str) -> String {
        format!("{block}.safetensors")
    }

    fn encode(&self, block: &str, bytes: &[u8], ends: &[u64]) -> Result<Vec<Stored>, String> {
        if !bytes.len().is_multiple_of(2) || bytes.len() > MOST_ELEMENTS {
            return Err(format!(
                "it has {} elements, and the format takes an even number below 2^31",
                bytes.len()
            ));
        }
        let numbers = Numbers::e4m3(bytes);
        let code = Code::new(EXPONENT_GAP.symbol_histogram(numbers).present(), MAX_LEN);
        let codebook = code.codebook(EXPONENTS).map_err(|error| error.to_string())?;
        let mut encoded = EXPONENT_GAP.encode(numbers, &codebook).map_err(|error| error.to_string())?;
        if encoded.decode().map_err(|error| error.to_string())? != bytes {
            return Err("it does not come back, please report this".to_owned());
        }
        let tables = CascadeTables::of_codewords(&code.symbols).map_err(|error| error.to_string())?;
        let bits = codebook.cost_bits(&EXPONENT_GAP.symbol_histogram(numbers));
        let mut part = |name: &str| {
            let own = encoded.parts.iter_mut().find(|part| part.name == name);
            own.map(|part| std::mem::take(&mut part.bytes).into_owned()).unwrap_or_default()
        };
        let mut stream = part(ENCODED);
        code.end(&mut stream, bits);
        let rows = tables.rows as u64;
        Ok(vec![
            split_positions(block, PARTS.splits, ends),
            Stored { shape: vec![rows, ROW as u64], ..Stored::bytes(block, PARTS.luts, tables.lut) },
            Stored::bytes(block, PARTS.encoded, stream),
            Stored::bytes(block, PARTS.raw, part(PACKED)),
            Stored::bytes(block, PARTS.gaps, part(GAPS)),
            Stored::bytes(block, PARTS.positions, part(OUTPUT_POSITIONS)),
        ])
    }

    fn config(&self, _patterns: &Map<String, Value>) -> (&'static str, Value) {
        let (bytes_per_thread, threads_per_block) =
            (EXPONENT_GAP.bytes_per_thread, EXPONENT_GAP.threads_per_block);
        let config = json!({
            "version": VERSION,
            "threads_per_block": threads_per_block,
            "bytes_per_thread": bytes_per_thread,
        });
        ("dfloat_config", config)
    }

    fn beside(&self, patterns: &Map<String, Value>) -> Option<(&'static str, Value)> {
        Some(("pattern_dict.json", json!({ "fp8": patterns, "bf16": {} })))
    }

    fn config_file(&self) -> Option<&'static str> {
        Some("dfloat_config.json")
    }
}
