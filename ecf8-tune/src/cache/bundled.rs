//! The tuning caches that come with the program.

use super::{Record, file};
use std::sync::OnceLock;

/// Name and text of each file in `ecf8-tune/tunings`.
const FILES: &[(&str, &str)] = &[];

/// Their records.
#[must_use]
pub fn bundled() -> &'static [Record] {
    static RECORDS: OnceLock<Vec<Record>> = OnceLock::new();
    RECORDS.get_or_init(|| FILES.iter().flat_map(|(_, text)| file::parse(text.as_bytes()).records).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::Timing;
    use std::collections::BTreeSet;

    #[test]
    fn every_file_is_listed_whole_and_measured() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tunings");
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let there: BTreeSet<String> =
            names.map(|name| name.into_string().unwrap()).filter(|name| name.ends_with(".json")).collect();
        let listed: BTreeSet<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(listed, there);
        for (name, text) in FILES {
            assert_eq!(file::parse(text.as_bytes()).warning, None, "{name}");
        }
        assert!(bundled().iter().all(|record| record.timing == Timing::Measured && record.complete));
    }
}
