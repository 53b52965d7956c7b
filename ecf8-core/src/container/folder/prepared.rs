//! A folder's `config.json` that tells transformers and diffusers to load its weights by ecf8. It has the text that it was before,
//! so that the original comes back.

use super::files::Copied;
use crate::checksum::checksum;
use crate::error::{Error, IoContext, Result};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;

/// The file, within a folder.
pub(in crate::container) const NAME: &str = "config.json";

/// The longest that is looked at, in bytes.
const LARGEST: u64 = 16 << 20;

/// What a file becomes in an output: its bytes there, and the entry of the list, which is of the original's.
pub(in crate::container) struct Changed {
    pub(in crate::container) bytes: Vec<u8>,
    pub(in crate::container) entry: Copied,
}

/// The configuration that has a compressed folder loaded by ecf8, with the model's own quantisation within.
///
/// # Errors
/// If it is not there or no JSON object.
pub(in crate::container) fn prepare(path: &Path, name: &Path) -> Result<Changed> {
    let text = fs::read_to_string(path).at(path, "read")?;
    let wrong = |why: String| Error::Config { path: path.to_owned(), why };
    let mut config: Map<String, Value> =
        serde_json::from_str(&text).map_err(|error| wrong(format!("it is no JSON object: {error}")))?;
    let own = config.get("quantization_config");
    let own = own.or_else(|| config.get("text_config")?.get("quantization_config")).cloned();
    let entry = entry(name, text.as_bytes());
    let quantization = json!({
        "quant_method": "ecf8",
        "inner": own,
        "keep_compressed": true,
        "original_config": text,
    });
    config.insert("quantization_config".to_owned(), quantization);
    let mut bytes = serde_json::to_vec_pretty(&config).map_err(|error| wrong(error.to_string()))?;
    bytes.push(b'\n');
    Ok(Changed { bytes, entry })
}

/// What a file was before it was prepared, if it is what this entry of the list says; `None` for any other file.
///
/// # Errors
/// If it cannot be read.
pub(in crate::container) fn original(path: &Path, expected: &Copied) -> Result<Option<Changed>> {
    if !expected.name.ends_with(NAME) || fs::metadata(path).at(path, "examine")?.len() > LARGEST {
        return Ok(None);
    }
    let json = fs::read(path).at(path, "read")?;
    let config: Option<Value> = serde_json::from_slice(&json).ok();
    let text =
        config.as_ref().and_then(|config| config.pointer("/quantization_config/original_config")?.as_str());
    let found =
        text.map(|text| Changed { bytes: text.into(), entry: entry(&expected.name, text.as_bytes()) });
    Ok(found.filter(|found| found.entry == *expected))
}

fn entry(name: &Path, bytes: &[u8]) -> Copied {
    Copied { name: name.to_owned(), bytes: bytes.len() as u64, checksum: checksum(bytes) }
}
