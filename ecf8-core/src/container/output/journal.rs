//! What is told of a file while it is written, in case that its writer is killed: how far it came, in lines of text beside it. The
//! same command, given again, goes on from there.
//!
//! Beside the output `.ecf8-XXXXXX.tmp` it is `.ecf8-XXXXXX.journal`; in an output that is a folder, `.ecf8.journal`. Its first line says
//! of what it tells: by which command the output is made, or which file of the folder it is.

use super::TEMPORARY;
use crate::error::{IoContext, Result};
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// What the journal of an output that is a file ends with, instead of what the output itself does.
pub(super) const SUFFIX: &str = ".journal";

/// The journal of the file of a folder that is being written.
pub(super) const OF_FOLDER: &str = ".ecf8.journal";

/// Where the journal of an output is that is a file; removed when dropped.
pub(super) struct Place(PathBuf);

impl Place {
    pub(super) fn beside(temporary: &Path) -> Self {
        Self(beside(temporary))
    }

    pub(super) fn path(&self) -> PathBuf {
        self.0.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What stays is removed by the next run.
        let _ = fs::remove_file(&self.0);
    }
}

/// Where the journal of an output is that is a file.
pub(super) fn beside(temporary: &Path) -> PathBuf {
    temporary.with_extension(&SUFFIX[1..])
}

/// Whether something that has a temporary's name is the journal of an output that is a file.
pub(super) fn is_one(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == &SUFFIX[1..])
}

/// Where the output is of which this is the journal.
pub(super) fn output_of(journal: &Path) -> PathBuf {
    journal.with_extension(&TEMPORARY.1[1..])
}

/// What a journal says that was left: its first line, and those after it. A line that was not ended says nothing.
pub(super) fn read(path: &Path) -> Option<(String, VecDeque<String>)> {
    let text = fs::read_to_string(path).ok()?;
    let (ended, _) = text.rsplit_once('\n')?;
    let mut lines: VecDeque<String> = ended.lines().map(str::to_owned).collect();
    Some((lines.pop_front()?, lines))
}

/// The journal of one file.
pub(in crate::container) struct Journal {
    path: PathBuf,
    /// The file, for messages.
    shown: PathBuf,
    /// Lines that hold.
    held: String,
    /// Lines that a killed run wrote, the next one first.
    left: VecDeque<String>,
    /// It, once something was noted.
    file: Option<File>,
}

impl Journal {
    /// The journal at `path` of what `about` says.
    pub(super) fn new(path: PathBuf, shown: PathBuf, about: &str) -> Self {
        Self { path, shown, held: format!("{about}\n"), left: VecDeque::new(), file: None }
    }

    /// The same where a killed run has noted some lines in it.
    pub(super) fn after(self, left: VecDeque<String>) -> Self {
        Self { left, ..self }
    }

    /// The next line that a killed run noted.
    pub(in crate::container) fn next(&self) -> Option<&str> {
        self.left.front().map(String::as_str)
    }

    /// Keeps that line.
    pub(in crate::container) fn keep(&mut self) {
        if let Some(line) = self.left.pop_front() {
            self.held += &line;
            self.held.push('\n');
        }
    }

    /// Notes a line behind those that were kept. What else a killed run noted does not hold any more.
    pub(in crate::container) fn note(&mut self, line: &str) -> Result<()> {
        self.left.clear();
        let write = |file: &mut Option<File>| {
            let file = match file {
                Some(file) => file,
                None => {
                    let mut own =
                        File::options().write(true).create(true).truncate(false).open(&self.path)?;
                    own.write_all(self.held.as_bytes())?;
                    own.set_len(self.held.len() as u64)?;
                    own.seek(SeekFrom::End(0))?;
                    file.insert(own)
                }
            };
            file.write_all(format!("{line}\n").as_bytes())
        };
        write(&mut self.file).at(&self.shown, "note how far it is with")
    }
}
