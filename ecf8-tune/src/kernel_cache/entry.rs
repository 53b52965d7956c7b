//! One compiled kernel as three files in a folder of its own: source, cubin (or PTX), and a report with the checksums of both.

use super::KernelRequest;
use super::key::code;
use crate::nvrtc::{Arch, CompileReport, Compiled, image};
use ecf8_core::checksum::{checksum, to_hex};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

const SOURCE: &str = "kernel.cu";
const IMAGE: &str = "kernel.cubin";
/// Also the file whose time tells when the entry was last used.
pub(super) const REPORT: &str = "report.json";

/// The version of the files' layout.
const LAYOUT: u32 = 2;

/// The largest file that is read: far more than any kernel, little enough to read by mistake.
const LARGEST: u64 = 64 << 20;

/// What `report.json` holds.
#[derive(Debug, Serialize, Deserialize)]
struct Envelope {
    /// Of `entry` as compact JSON.
    checksum: String,
    entry: Entry,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    layout: u32,
    arch: Arch,
    options: Vec<String>,
    nvrtc: String,
    image_checksum: String,
    report: CompileReport,
}

impl Entry {
    fn checksum(&self) -> io::Result<String> {
        Ok(to_hex(checksum(&serde_json::to_vec(self)?)))
    }
}

/// Writes the files of an entry into `folder`, down to the disk.
pub(super) fn write(
    folder: &Path,
    request: &KernelRequest<'_>,
    nvrtc: &str,
    kernel: &Compiled,
) -> io::Result<()> {
    let entry = Entry {
        layout: LAYOUT,
        arch: request.arch,
        options: request.all_options().map(str::to_owned).collect(),
        nvrtc: nvrtc.to_owned(),
        image_checksum: to_hex(checksum(&kernel.image)),
        report: kernel.report.clone(),
    };
    let envelope = Envelope { checksum: entry.checksum()?, entry };
    let report = serde_json::to_vec_pretty(&envelope)?;
    for (name, bytes) in [(SOURCE, request.source.as_bytes()), (IMAGE, &kernel.image), (REPORT, &report)] {
        let mut file = File::create_new(folder.join(name))?;
        file.write_all(bytes)?;
        file.sync_all()?;
    }
    sync_folder(folder)
}

/// Has the names in a folder written to the disk, where the system can.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Reads an entry and checks that it is whole and what was asked for.
///
/// # Errors
/// `None` if a file is not there, so that the entry is being removed or never was; else what is wrong with it.
pub(super) fn read(
    folder: &Path,
    request: &KernelRequest<'_>,
    nvrtc: &str,
) -> Result<Compiled, Option<String>> {
    let report = file(folder, REPORT)?;
    let envelope: Envelope =
        serde_json::from_slice(&report).map_err(|error| Some(format!("{REPORT} is damaged ({error})")))?;
    let entry = envelope.entry;
    let wrong = |what: &str| Err(Some(what.to_owned()));
    if entry.checksum().ok() != Some(envelope.checksum) {
        return wrong("report.json does not agree with its checksum");
    }
    if entry.layout != LAYOUT || entry.nvrtc != nvrtc || !request.all_options().eq(&entry.options) {
        return wrong("it is another kernel's entry");
    }
    if entry.arch != request.arch {
        return Err(Some(format!("it is for {}, not {}", entry.arch, request.arch)));
    }
    let source = file(folder, SOURCE)?;
    if std::str::from_utf8(&source).map(code) != Ok(code(request.source)) {
        return wrong("kernel.cu is another kernel's source");
    }
    let image = file(folder, IMAGE)?;
    if to_hex(checksum(&image)) != entry.image_checksum {
        return wrong("kernel.cubin does not agree with its checksum");
    }
    // The driver believes the image's header.
    image::check(&image).map_err(|reason| Some(format!("{IMAGE}: {reason}")))?;
    Ok(Compiled { image, report: entry.report })
}

fn file(folder: &Path, name: &str) -> Result<Vec<u8>, Option<String>> {
    let path = folder.join(name);
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => None,
        _ => Some(format!("{name} cannot be read ({error})")),
    };
    // Asked before it is opened, since opening a pipe would wait for its writer.
    let metadata = fs::metadata(&path).map_err(unreadable)?;
    if !metadata.is_file() || metadata.len() > LARGEST {
        return Err(Some(format!("{name} is no file of a sensible size")));
    }
    fs::read(&path).map_err(unreadable)
}
