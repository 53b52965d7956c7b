//! `ecf8 tune merge`: tuning caches joined into one.

use crate::cache;
use crate::cli::answer::{Answer, Failure};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Join tuning caches into one; nothing that is in any of them is lost
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ecf8 tune merge a.tuning.json b.tuning.json -o c.tuning.json")]
pub(super) struct Merge {
    /// The tuning caches to join
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// The tuning cache to make, or to add to
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl Merge {
    pub(super) fn run(&self) -> Result<Answer, Failure> {
        let mut records = Vec::new();
        let mut warnings = Vec::new();
        for input in &self.inputs {
            if !input.exists() {
                return Err(Failure::request(format!("there is no file {}", input.display())));
            }
            let loaded = cache::load(input);
            require_cache(&loaded)?;
            warnings.extend(loaded.warning);
            records = cache::merge(records, loaded.records);
        }
        if self.output.is_dir() {
            return Err(Failure::request(format!(
                "{} is a folder; give the name of a tuning cache to make or to add to",
                self.output.display()
            )));
        }
        require_cache(&cache::load(&self.output))?;
        cache::save(&self.output, &records).map_err(Failure::request)?;
        crate::cli::warn(warnings.clone());
        let (count, output) = (records.len(), self.output.display());
        let json = json!({ "output": output.to_string(), "records": count, "warnings": warnings });
        Ok(Answer { text: format!("{output}: {count} records joined\n"), json, failure: None })
    }
}

/// Refuses what is no tuning cache at all, as an input or as something to write over. Of a damaged one, what is whole
/// is taken.
fn require_cache(loaded: &cache::Loaded) -> Result<(), Failure> {
    match &loaded.warning {
        Some(warning) if loaded.is_no_cache => {
            Err(Failure::data(format!("{warning}; give the file that `ecf8 tune` wrote")))
        }
        _ => Ok(()),
    }
}
