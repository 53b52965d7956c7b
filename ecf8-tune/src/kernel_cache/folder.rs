//! Many compiled kernels: looked up by key, stored whole or not at all, the least recently used removed.

use super::key::Key;
use super::{KernelRequest, entry, lock};
use crate::nvrtc::{Compiled, CudaVersion};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

/// What temporary names begin with; no entry's does.
const TEMPORARY: &str = ".tmp-";

/// After this long a temporary folder's writer is taken to be dead.
const ABANDONED: Duration = Duration::from_secs(3600);

/// What was found under a key.
pub(super) struct Lookup {
    pub(super) kernel: Option<Compiled>,
    /// Damaged entries, now removed, and what was wrong with them.
    pub(super) damaged: Vec<(PathBuf, String)>,
}

/// The folder of a cache: one folder per entry, named by key and version of NVRTC.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    limit: u64,
    /// Bytes as far as known: counted once, then added up. `None` before the first entry is stored.
    bytes: Mutex<Option<u64>>,
}

/// An entry, as far as removing it goes.
struct Stored {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

impl Folder {
    pub(super) fn open(root: &Path, limit: u64) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        Ok(Self { root: root.to_owned(), limit, bytes: Mutex::new(None) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.root
    }

    /// Entries and their bytes.
    pub(super) fn usage(&self) -> (usize, u64) {
        let stored = self.stored();
        (stored.len(), stored.iter().map(|entry| entry.bytes).sum())
    }

    /// The kernel under `key` by this version of NVRTC, or by the newest there is whose code a driver loads.
    pub(super) fn look_up(
        &self,
        key: &Key,
        request: &KernelRequest<'_>,
        version: Option<&str>,
        driver: Option<CudaVersion>,
    ) -> Lookup {
        // Machines of a cluster may share the folder and have different drivers.
        let is_loaded = |version: &String| match (driver, version.parse::<CudaVersion>()) {
            (Some(driver), Ok(version)) => driver.loads_code_of(version),
            _ => true,
        };
        let versions = match version {
            Some(version) => vec![version.to_owned()],
            None => self.versions(key).into_iter().filter(is_loaded).collect(),
        };
        let mut damaged = Vec::new();
        for version in versions {
            let path = self.entry(key, &version);
            match entry::read(&path, request, &version) {
                Ok(kernel) => {
                    // Best effort: where it cannot be noted, entries are removed in the order in which they were made.
                    let _ = File::open(path.join(entry::REPORT))
                        .and_then(|file| file.set_modified(SystemTime::now()));
                    return Lookup { kernel: Some(kernel), damaged };
                }
                Err(Some(reason)) => {
                    self.remove(&path);
                    damaged.push((path, reason));
                }
                Err(None) => {}
            }
        }
        Lookup { kernel: None, damaged }
    }

    /// Stores a kernel, unless the same is there by now.
    pub(super) fn store(
        &self,
        key: &Key,
        request: &KernelRequest<'_>,
        version: &str,
        kernel: &Compiled,
    ) -> io::Result<()> {
        fs::create_dir_all(&self.root)?;
        let temporary = tempfile::Builder::new().prefix(TEMPORARY).tempdir_in(&self.root)?;
        entry::write(temporary.path(), request, version, kernel)?;
        let path = self.entry(key, version);
        if let Err(error) = fs::rename(temporary.path(), &path) {
            if entry::read(&path, request, version).is_ok() {
                return Ok(());
            }
            if !path.exists() {
                return Err(error);
            }
            self.remove(&path);
            fs::rename(temporary.path(), &path)?;
        }
        entry::sync_folder(&self.root)?;
        self.make_room(&path);
        Ok(())
    }

    /// Removes the entries of all versions under a key.
    pub(super) fn remove_all(&self, key: &Key) {
        for version in self.versions(key) {
            self.remove(&self.entry(key, &version));
        }
    }

    fn entry(&self, key: &Key, version: &str) -> PathBuf {
        self.root.join(format!("{}-{version}", key.name()))
    }

    /// The versions of NVRTC that there are entries by, the newest first.
    fn versions(&self, key: &Key) -> Vec<String> {
        let start = format!("{}-", key.name());
        let names = fs::read_dir(&self.root).into_iter().flatten().flatten().map(|found| found.file_name());
        let mut versions: Vec<String> = names
            .filter_map(|name| name.to_str().and_then(|name| name.strip_prefix(&start)).map(str::to_owned))
            .collect();
        let numbers = |version: &str| {
            version.split('.').map(|part| part.parse::<u32>().unwrap_or(0)).collect::<Vec<_>>()
        };
        versions.sort_by_key(|version| std::cmp::Reverse(numbers(version)));
        versions
    }

    /// Takes an entry out of sight at once, then away. Another process may do the same.
    fn remove(&self, path: &Path) {
        let Ok(trash) = tempfile::Builder::new().prefix(TEMPORARY).tempdir_in(&self.root) else { return };
        let _ = fs::rename(path, trash.path().join("entry"));
    }

    /// Removes what was used least recently until the rest is within the limit; never the entry `keep`.
    fn make_room(&self, keep: &Path) {
        let mut bytes = lock(&self.bytes);
        let known = bytes.map(|bytes| bytes + stored(keep).map_or(0, |entry| entry.bytes));
        if let Some(known) = known
            && known <= self.limit
        {
            *bytes = Some(known);
            return;
        }
        self.sweep();
        let mut entries = self.stored();
        entries.sort_by_key(|entry| entry.used);
        let mut total: u64 = entries.iter().map(|entry| entry.bytes).sum();
        for entry in entries.iter().filter(|entry| entry.path != keep) {
            if total <= self.limit {
                break;
            }
            self.remove(&entry.path);
            total -= entry.bytes;
        }
        *bytes = Some(total);
    }

    /// Removes what killed processes left.
    fn sweep(&self) {
        for found in fs::read_dir(&self.root).into_iter().flatten().flatten() {
            let is_old = || {
                let changed = found.metadata().and_then(|metadata| metadata.modified()).ok()?;
                Some(SystemTime::now().duration_since(changed).ok()? > ABANDONED)
            };
            if found.file_name().to_string_lossy().starts_with(TEMPORARY) && is_old() == Some(true) {
                let _ = fs::remove_dir_all(found.path());
            }
        }
    }

    fn stored(&self) -> Vec<Stored> {
        let found = fs::read_dir(&self.root).into_iter().flatten().flatten();
        found
            .filter(|entry| !entry.file_name().to_string_lossy().starts_with(TEMPORARY))
            .filter_map(|entry| stored(&entry.path()))
            .collect()
    }
}

fn stored(path: &Path) -> Option<Stored> {
    let files = fs::read_dir(path).ok()?.flatten().filter_map(|file| file.metadata().ok());
    let used = fs::metadata(path.join(entry::REPORT)).and_then(|metadata| metadata.modified());
    Some(Stored {
        path: path.to_owned(),
        bytes: files.map(|metadata| metadata.len()).sum(),
        used: used.unwrap_or(SystemTime::UNIX_EPOCH),
    })
}
