//! The speed of the processor's codec on one tensor in memory, by the scheme that `compress` would choose for it:
//!
//! ```console
//! $ cargo run --release -p ecf8-core --example codec -- weights.bin F8_E4M3 --threads 1 --rounds 5
//! ```
//!
//! With `--scheme byte-lanes`, by that one. Prints JSON: the scheme, the part of the size that is left, and GB/s of weights encoded and decoded, the best of the rounds.
//! `benches/peers.py` compares it with other compressors.
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use ecf8_core::container::{CompressOptions, encode_source};
use ecf8_core::element::Numbers;
use ecf8_core::source::{Assembled, AssembledTensor};
use safetensors::Dtype;
use std::borrow::Cow;
use std::error::Error;
use std::path::Path;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().collect();
    let told = |name: &str| words.iter().position(|word| word == name).map(|place| words.get(place + 1));
    let option = |name: &str, usual: usize| -> Result<usize, Box<dyn Error>> {
        match told(name).flatten() {
            Some(number) => Ok(number.parse()?),
            None => Ok(usual),
        }
    };
    let [_, path, dtype, ..] = &words[..] else {
        return Err("give a file of little-endian numbers and their dtype, such as BF16".into());
    };
    let rounds = option("--rounds", 5)?;
    rayon::ThreadPoolBuilder::new().num_threads(option("--threads", 1)?).build_global()?;
    let bytes = std::fs::read(path)?;
    let dtype: Dtype = serde_json::from_value(dtype.as_str().into())?;
    let units = bytes.len() * 8 / dtype.bitsize();
    let tensor = AssembledTensor {
        name: "weight".to_owned(),
        dtype,
        shape: vec![units as u64],
        bytes: Cow::Borrowed(&bytes),
    };
    let mut options = CompressOptions::default();
    if let Some(name) = told("--scheme") {
        let scheme = name.and_then(|name| ecf8_core::scheme(name));
        options.scheme = Some(scheme.ok_or("--scheme wants the name of a scheme")?);
    }
    if told("--code-bits").is_some() {
        options.code_bits = Some(u8::try_from(option("--code-bits", 0)?)?);
    }
    let source = Assembled::new(Path::new(path), &[], vec![tensor])?;
    let encoded = encode_source(&source, &options, &())?.pop().flatten();
    let Some(mut encoded) = encoded else { return Err("it would not get smaller".into()) };
    let best = |work: &mut dyn FnMut() -> Result<(), Box<dyn Error>>| -> Result<f64, Box<dyn Error>> {
        let mut best = f64::MAX;
        for _ in 0..rounds {
            let start = Instant::now();
            work()?;
            best = best.min(start.elapsed().as_secs_f64());
        }
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        Ok(bytes.len() as f64 / best / 1e9)
    };
    let (split, codebooks) = (encoded.split.clone(), encoded.codebooks.clone());
    let scheme = encoded.scheme;
    let encode = best(&mut || {
        encoded = scheme.encode_for(Numbers { split: &split, bytes: &bytes }, &codebooks, options.aim)?;
        Ok(())
    })?;
    let mut out = vec![0; bytes.len()];
    let decode = best(&mut || Ok(scheme.decode(&encoded, &mut out)?))?;
    if out != bytes {
        return Err("it did not come back".into());
    }
    let stored: usize = encoded.parts.iter().map(|part| part.bytes.len()).sum();
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let size = stored as f64 / bytes.len() as f64;
    let report =
        serde_json::json!({"scheme": scheme.name(), "size": size, "encode": encode, "decode": decode});
    println!("{report}");
    Ok(())
}
