//! A tuning cache as a file: JSON that is never trusted, each record with a checksum of its own.

use super::lock::Lock;
use super::record::{Record, merge};
use ecf8_core::checksum::{checksum, to_hex};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The version of the files that are written and read here.
pub const SCHEMA: u64 = 2;

/// The largest file that is read.
const LARGEST: u64 = 64 << 20;

/// After this long a temporary file's writer is taken to be dead.
const ABANDONED: Duration = Duration::from_secs(3600);

/// What the names of temporary files begin and end with.
const TEMPORARY: (&str, &str) = (".tuning-", ".tmp");

/// What was read from a file.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The records that are whole.
    pub records: Vec<Record>,
    /// What was wrong with the file, on one line.
    pub warning: Option<String>,
    /// The file was made by a later version of this program, or is something that must not be replaced.
    pub foreign: bool,
    /// The file is something else than a tuning cache, or so damaged that this cannot be told.
    pub is_no_cache: bool,
}

/// Why records could not be saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The file is of a later version, which this program would spoil.
    #[error("{}: a later version of ecf8 made this tuning cache; update ecf8, or move the file away", .path.display())]
    Later {
        /// The file.
        path: PathBuf,
    },
    /// The file is something else, which is not ours to replace.
    #[error("{}: this is no tuning cache and is left as it is; move it away, or choose another name", .path.display())]
    NoCache {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be written.
    #[error("cannot write the tuning cache {}: {source}; make the folder writable, or set ECF8_CACHE", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

#[derive(Serialize)]
struct Document<'a> {
    schema: u64,
    records: Vec<Checked<'a>>,
}

#[derive(Serialize)]
struct Checked<'a> {
    checksum: String,
    record: &'a Record,
}

#[derive(Deserialize)]
struct AnyDocument {
    schema: u64,
    records: Vec<Value>,
}

#[derive(Deserialize)]
struct AnyRecord {
    checksum: String,
    record: Record,
}

/// Of the record as compact JSON: it has only whole numbers, texts and ordered maps, so the same record always gives
/// the same.
fn seal(record: &Record) -> String {
    to_hex(checksum(&serde_json::to_vec(record).unwrap_or_default()))
}

/// Reads a file. One that is not there has no records; of one that is damaged, those that are whole are taken.
#[must_use]
pub fn load(path: &Path) -> Loaded {
    let name = path.display();
    match read(path) {
        Ok(None) => Loaded::default(),
        Ok(Some(bytes)) => {
            let mut loaded = parse(&bytes);
            loaded.warning = loaded.warning.map(|what| format!("{name}: {what}"));
            loaded
        }
        Err((what, foreign)) => {
            let warning = Some(format!("{name}: {what}; it is not used"));
            Loaded { warning, foreign, is_no_cache: true, ..Loaded::default() }
        }
    }
}

/// The bytes of a file of sensible size; what is wrong with it, and whether it is something that must stay.
fn read(path: &Path) -> Result<Option<Vec<u8>>, (String, bool)> {
    let unreadable = |error: &io::Error| (format!("this tuning cache cannot be read ({error})"), true);
    // Asked before it is opened, since opening a pipe would wait for its writer.
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(&error)),
    };
    if !metadata.is_file() {
        return Err(("this is no file and so no tuning cache".to_owned(), true));
    }
    if metadata.len() > LARGEST {
        return Err((
            format!("this tuning cache has {} bytes, more than can be meant", metadata.len()),
            false,
        ));
    }
    fs::read(path).map(Some).map_err(|error| unreadable(&error))
}

/// Reads the bytes of a file.
pub(super) fn parse(bytes: &[u8]) -> Loaded {
    let document: AnyDocument = match serde_json::from_slice(bytes) {
        Ok(document) => document,
        Err(error) => {
            // Whole JSON of another form is somebody else's file.
            let foreign = serde_json::from_slice::<IgnoredAny>(bytes).is_ok();
            let warning = if foreign {
                format!("this is no tuning cache ({error})")
            } else {
                format!("this tuning cache is damaged ({error}); it is rebuilt by `ecf8 tune`")
            };
            return Loaded { warning: Some(warning), foreign, is_no_cache: true, ..Loaded::default() };
        }
    };
    if document.schema != SCHEMA {
        let (schema, foreign) = (document.schema, document.schema > SCHEMA);
        let remedy = if foreign { "update ecf8" } else { "`ecf8 tune` makes it anew" };
        let warning =
            format!("this tuning cache has version {schema}, not {SCHEMA}; it is not used, {remedy}");
        return Loaded { warning: Some(warning), foreign, ..Loaded::default() };
    }
    let count = document.records.len();
    let mut reason = None;
    let mut records = Vec::new();
    for value in document.records {
        match whole(value) {
            Ok(record) => records.push(record),
            Err(why) => {
                reason.get_or_insert(why);
            }
        }
    }
    let bad = count - records.len();
    let warning = reason.map(|why| {
        format!("{bad} of {count} records of this tuning cache are damaged ({why}) and not used; `ecf8 tune` makes them again")
    });
    Loaded { records: merge(records, Vec::new()), warning, ..Loaded::default() }
}

fn whole(value: Value) -> Result<Record, String> {
    let AnyRecord { checksum, record } =
        serde_json::from_value(value).map_err(|error| error.to_string().escape_debug().to_string())?;
    if seal(&record) != checksum {
        return Err("a checksum does not agree".to_owned());
    }
    record.check().map(|()| record)
}

/// Adds records to a file: reads it, joins, and replaces it by a whole file, while no other process does the same.
///
/// # Errors
/// If it cannot be written, or is of a later version.
pub fn save(path: &Path, records: &[Record]) -> Result<(), SaveError> {
    let failed = |source: io::Error| SaveError::Io { path: path.to_owned(), source };
    let _lock = Lock::take(path).map_err(failed)?;
    let there = load(path);
    if there.foreign {
        let path = path.to_owned();
        return Err(if there.is_no_cache { SaveError::NoCache { path } } else { SaveError::Later { path } });
    }
    let all = merge(there.records, records.to_vec());
    write(path, &all).map_err(failed)
}

fn write(path: &Path, records: &[Record]) -> io::Result<()> {
    let records = records.iter().map(|record| Checked { checksum: seal(record), record }).collect();
    let mut text = serde_json::to_vec_pretty(&Document { schema: SCHEMA, records })?;
    text.push(b'\n');
    replace(path, &text)
}

/// Puts a file with these bytes in the place of another, whole or not at all, whenever the process or the machine ends.
///
/// # Errors
/// If it cannot be written; then the other is still there.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    sweep(folder);
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY.0).suffix(TEMPORARY.1);
    #[cfg(unix)]
    // As any file that the user makes: weights are shared, and so is what was measured about them.
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Removes what killed processes left.
fn sweep(folder: &Path) {
    for found in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = found.file_name();
        let name = name.to_string_lossy();
        let is_old = || {
            let changed = found.metadata().ok().filter(fs::Metadata::is_file)?.modified().ok()?;
            Some(SystemTime::now().duration_since(changed).ok()? > ABANDONED)
        };
        if name.starts_with(TEMPORARY.0) && name.ends_with(TEMPORARY.1) && is_old() == Some(true) {
            let _ = fs::remove_file(found.path());
        }
    }
}
