//! The list of the files of a compressed folder that are no containers, `ecf8.files.json`: copies have no checksums of
//! their own, and nobody would notice one that is changed or missing. FORMAT.md specifies it.

use super::list::Found;
use crate::checksum::{Checksum, from_hex, to_hex};
use crate::container::output::PendingFile;
use crate::error::{Error, IoContext, Result};
use crate::map::Seen;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::path::{Component, Path, PathBuf};

/// The version of the list that is written and read here.
const VERSION: u64 = 1;

/// Its name, in front of as many `~` as make it unused and of the extension.
const NAME: (&str, &str) = ("ecf8.files", ".json");

/// The longest list that is read, in bytes: a hundred thousand names.
const LARGEST: u64 = 64 << 20;

/// Bytes that are copied at once.
const PIECE: usize = 1 << 20;

/// The list as it is read and written.
#[derive(Debug, Clone, Default)]
pub(in crate::container) struct FileList {
    /// Where it is, within the folder.
    pub(super) name: PathBuf,
    /// The containers.
    pub(in crate::container) containers: Vec<PathBuf>,
    /// What was copied.
    pub(in crate::container) files: Vec<Copied>,
    /// Folders that held nothing.
    pub(in crate::container) empty_folders: Vec<PathBuf>,
    /// Shards that an index named and that were not there when the folder was compressed.
    pub(in crate::container) absent: Vec<PathBuf>,
}

/// A file that was copied as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::container) struct Copied {
    /// Its path within the folder.
    pub(in crate::container) name: PathBuf,
    /// Its bytes.
    pub(in crate::container) bytes: u64,
    /// Of its bytes.
    pub(in crate::container) checksum: u64,
}

/// A path in JSON: a text, or the bytes of a name that is none.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Name {
    Text(String),
    Bytes(Vec<u8>),
}

#[derive(Serialize, Deserialize)]
struct Document {
    ecf8_files: u64,
    containers: Vec<Name>,
    files: Vec<Entry>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    empty_folders: Vec<Name>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    absent: Vec<Name>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    name: Name,
    bytes: u64,
    checksum: String,
}

/// How many `~` a name of a list has; `None` if it is no such name.
fn tildes(name: &Path) -> Option<usize> {
    let middle = name.to_str()?.strip_prefix(NAME.0)?.strip_suffix(NAME.1)?;
    middle.bytes().all(|byte| byte == b'~').then_some(middle.len())
}

fn with_tildes(tildes: usize) -> PathBuf {
    format!("{}{}{}", NAME.0, "~".repeat(tildes), NAME.1).into()
}

impl FileList {
    /// An empty list for a folder with these files, under a name after all that are there.
    pub(in crate::container) fn for_folder(files: &[Found]) -> Self {
        let most = files.iter().filter_map(|found| tildes(&found.name)).max();
        Self { name: with_tildes(most.map_or(0, |most| most + 1)), ..Self::default() }
    }

    /// The name of the list of a folder with these files, if it has one.
    pub(super) fn name_among(files: &[Found]) -> Option<PathBuf> {
        files.iter().filter_map(|found| tildes(&found.name)).max().map(with_tildes)
    }

    /// The list of this name.
    ///
    /// # Errors
    /// If it is damaged.
    pub(super) fn read(root: &Path, name: PathBuf) -> Result<Self> {
        let path = root.join(&name);
        let damaged = |why: String| Error::FileList { path: path.clone(), why };
        let length = fs::metadata(&path).at(&path, "examine")?.len();
        if length > LARGEST {
            return Err(damaged(format!("it has {length} bytes, more than can be meant")));
        }
        let json = fs::read(&path).at(&path, "read")?;
        let document: Document = serde_json::from_slice(&json).map_err(|error| damaged(error.to_string()))?;
        if document.ecf8_files != VERSION {
            return Err(Error::Version { path, found: document.ecf8_files, known: VERSION });
        }
        let names = |names: Vec<Name>| names.into_iter().map(Name::path).collect::<Option<Vec<_>>>();
        let outside = || damaged("it names something outside the folder".to_owned());
        let files = document.files.into_iter().map(|entry| {
            let checksum = from_hex(&entry.checksum)
                .ok_or_else(|| damaged("a checksum is not 16 hexadecimal digits".to_owned()))?;
            Ok(Copied { name: entry.name.path().ok_or_else(outside)?, bytes: entry.bytes, checksum })
        });
        Ok(Self {
            name,
            files: files.collect::<Result<_>>()?,
            containers: names(document.containers).ok_or_else(outside)?,
            empty_folders: names(document.empty_folders).ok_or_else(outside)?,
            absent: names(document.absent).ok_or_else(outside)?,
        })
    }

    /// Writes it as its file.
    pub(in crate::container) fn write(&self, mut output: PendingFile) -> Result<()> {
        let names = |names: &[PathBuf]| names.iter().map(|name| Name::of(name)).collect();
        let entry = |copied: &Copied| Entry {
            name: Name::of(&copied.name),
            bytes: copied.bytes,
            checksum: to_hex(copied.checksum),
        };
        let document = Document {
            ecf8_files: VERSION,
            containers: names(&self.containers),
            files: self.files.iter().map(entry).collect(),
            empty_folders: names(&self.empty_folders),
            absent: names(&self.absent),
        };
        let target = output.target().to_owned();
        let mut json =
            serde_json::to_vec_pretty(&document).map_err(std::io::Error::from).at(&target, "write")?;
        json.push(b'\n');
        output.file().write_all(&json).at(&target, "write")
    }

    /// Its name within the folder.
    pub(in crate::container) fn name(&self) -> &Path {
        &self.name
    }

    /// The files that it names and that are not there, among these paths within the folder.
    pub(in crate::container) fn missing(&self, there: &[&Path]) -> impl Iterator<Item = &Path> {
        let there: HashSet<PathBuf> = there.iter().map(|path| (*path).to_owned()).collect();
        let named = self.containers.iter().chain(self.files.iter().map(|copied| &copied.name));
        named.map(PathBuf::as_path).filter(move |name| !there.contains(*name))
    }

    /// Whether a file was there when the folder was compressed.
    pub(in crate::container) fn has(&self, name: &Path) -> bool {
        self.files.iter().any(|copied| copied.name == name) || self.containers.iter().any(|one| one == name)
    }

    /// The entry of a file that was copied.
    pub(in crate::container) fn copied(&self, name: &Path) -> Option<&Copied> {
        self.files.iter().find(|copied| copied.name == name)
    }
}

impl Name {
    fn of(path: &Path) -> Self {
        match path.to_str() {
            Some(text) => Self::Text(text.to_owned()),
            None => Self::Bytes(path.as_os_str().as_encoded_bytes().to_owned()),
        }
    }

    /// The path, if it lies within a folder.
    fn path(self) -> Option<PathBuf> {
        let path = PathBuf::from(match self {
            Self::Text(text) => OsString::from(text),
            Self::Bytes(bytes) => os_string(bytes)?,
        });
        let is_within = path.components().all(|part| matches!(part, Component::Normal(_)));
        (is_within && path.file_name().is_some()).then_some(path)
    }
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere not every name is possible")]
fn os_string(bytes: Vec<u8>) -> Option<OsString> {
    Some(std::os::unix::ffi::OsStringExt::from_vec(bytes))
}

#[cfg(not(unix))]
fn os_string(bytes: Vec<u8>) -> Option<OsString> {
    String::from_utf8(bytes).ok().map(OsString::from)
}

/// Copies a file, or only reads it if there is no output; gives its entry for the list, from the bytes that were
/// written.
///
/// # Errors
/// If it cannot be read or written, or changes meanwhile.
pub(in crate::container) fn copy_file(
    from: &Path,
    name: &Path,
    mut output: Option<PendingFile>,
) -> Result<Copied> {
    let seen = Seen::open(from)?;
    let Some(mut input) = seen.file() else { return Err(Error::NotAFile { path: from.to_owned() }) };
    let (mut piece, mut sum, mut bytes) = (vec![0; PIECE], Checksum::default(), 0u64);
    loop {
        let read = match input.read(&mut piece) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            read => read.at(from, "copy")?,
        };
        if read == 0 {
            seen.check()?;
            return Ok(Copied { name: name.to_owned(), bytes, checksum: sum.finish() });
        }
        sum.add(&piece[..read]);
        bytes += read as u64;
        if let Some(output) = &mut output {
            output.file().write_all(&piece[..read]).at(from, "copy")?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_a_name_after_all_that_are_there() {
        let found = |name: &str| Found {
            name: name.into(),
            bytes: 0,
            is_weights: false,
            is_no_weights_after_all: false,
        };
        let name = |files: &[&str]| {
            FileList::for_folder(&files.iter().map(|name| found(name)).collect::<Vec<_>>()).name
        };
        assert_eq!(name(&["a", "sub/ecf8.files.json"]), Path::new("ecf8.files.json"));
        assert_eq!(name(&["ecf8.files.json"]), Path::new("ecf8.files~.json"));
        assert_eq!(name(&["ecf8.files~~.json"]), Path::new("ecf8.files~~~.json"));
    }

    #[test]
    fn names_outside_the_folder_are_refused() {
        for name in ["", "/etc/passwd", "../a", "a/../../b", "."] {
            assert_eq!(Name::Text(name.to_owned()).path(), None, "{name}");
        }
        assert_eq!(Name::Text("a/b".to_owned()).path(), Some("a/b".into()));
        let odd = Name::of(Path::new("a"));
        assert!(matches!(odd, Name::Text(_)));
    }
}
