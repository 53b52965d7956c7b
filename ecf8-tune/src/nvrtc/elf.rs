//! A bounds check for ELF files before they are handed to someone who trusts them.
//!
//! The dynamic loader maps the segments that a library's header promises and dies with SIGBUS when the file
//! ends before they do; the CUDA driver is handed a cubin without its length. Both take files which a user or
//! a cache supplied, so the promises are checked here first.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

const HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;
const SECTION_HEADER: usize = 64;
const SECTION_WITHOUT_BYTES: u32 = 8;

/// What is wrong with a supposed shared library at `path`, or nothing.
///
/// # Errors
/// The reason in words: unreadable, not 64-bit little-endian ELF, or shorter than its header says.
pub(crate) fn check_library(path: &Path) -> Result<(), String> {
    if cfg!(windows) {
        // Its libraries are no ELF files, and its loader refuses what is cut short.
        return Ok(());
    }
    let mut file = File::open(path).map_err(|error| format!("it can't be opened ({error})"))?;
    let length = file.metadata().map_err(|error| format!("it can't be read ({error})"))?.len();
    let mut header = [0u8; HEADER];
    file.read_exact(&mut header).map_err(|_| NOT_A_LIBRARY.to_owned())?;
    let tables = Tables::read(&header).ok_or(NOT_A_LIBRARY)?;
    let size = tables.program_bytes();
    let mut programs = vec![0u8; usize::try_from(size).map_err(|_| NOT_A_LIBRARY)?];
    file.seek(SeekFrom::Start(tables.program_offset)).map_err(|_| cut(length))?;
    file.read_exact(&mut programs).map_err(|_| cut(length))?;
    tables.check_segments(&programs, length)
}

/// What is wrong with a supposed cubin, or nothing.
///
/// # Errors
/// The reason in words, as for a library, or that it is an ELF file for some other machine than a GPU.
pub(crate) fn check_cubin(image: &[u8]) -> Result<(), String> {
    /// `EM_CUDA`, the machine number of cubins.
    const CUDA: u16 = 190;
    let length = image.len() as u64;
    let tables = image.first_chunk::<HEADER>().and_then(Tables::read).ok_or("it is not an ELF file")?;
    if tables.machine != CUDA {
        return Err(format!("it is machine code for ELF machine {}, not for a GPU", tables.machine));
    }
    let table = |offset: u64, bytes: u64| -> Result<&[u8], String> {
        let end = offset.checked_add(bytes).ok_or_else(|| cut(length))?;
        let range = usize::try_from(offset).ok().zip(usize::try_from(end).ok());
        range.and_then(|(start, end)| image.get(start..end)).ok_or_else(|| cut(length))
    };
    tables.check_segments(table(tables.program_offset, tables.program_bytes())?, length)?;
    tables.check_sections(table(tables.section_offset, tables.section_bytes())?, length)
}

/// Bytes of constant memory that a whole cubin sets up: the sections `.nv.constant3`, `.nv.constant2.…` and so
/// on, without bank 0, which is for parameters and the launch.
///
/// ptxas tells this in its log for older architectures only.
pub(super) fn constant_bytes(image: &[u8]) -> u64 {
    let constant = |name: &[u8]| name.starts_with(b".nv.constant") && !name.starts_with(b".nv.constant0");
    let sections = sections(image).unwrap_or_default();
    sections.iter().filter(|(name, _)| constant(name)).map(|(_, content)| content.len() as u64).sum()
}

/// Bytes of the parameters of the kernel `entry` in a whole cubin, as the compiler noted them in the section
/// `.nv.info.entry`; `None` if there is no such note.
pub(crate) fn parameter_bytes(image: &[u8], entry: &str) -> Option<usize> {
    /// A note whose value has a length of its own; all other kinds are four bytes in all.
    const WITH_LENGTH: u8 = 4;
    /// `EIATTR_PARAM_CBANK`: symbol, then offset and size of the parameters in constant bank 0.
    const PARAMETERS: u8 = 10;
    let sections = sections(image)?;
    let wanted = format!(".nv.info.{entry}");
    let (_, mut notes) = sections.into_iter().find(|(name, _)| *name == wanted.as_bytes())?;
    while let [kind, attribute, rest @ ..] = notes {
        let length = if *kind == WITH_LENGTH { usize::from(half(rest, 0)?) } else { 0 };
        let value = rest.get(2..2 + length)?;
        if (*kind, *attribute) == (WITH_LENGTH, PARAMETERS) {
            return half(value, 6).map(usize::from);
        }
        notes = rest.get(2 + length..)?;
    }
    None
}

/// Names and contents of the sections of a whole ELF image; `None` where it is not whole.
fn sections(image: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let tables = image.first_chunk::<HEADER>().and_then(Tables::read)?;
    let bytes = |offset: u64, size: u64| -> Option<&[u8]> {
        image.get(usize::try_from(offset).ok()?..usize::try_from(offset.checked_add(size)?).ok()?)
    };
    let content = |section: &[u8]| -> Option<&[u8]> {
        if word(section, 4)? == SECTION_WITHOUT_BYTES {
            return Some(&[]);
        }
        bytes(wide(section, 24)?, wide(section, 32)?)
    };
    let table = bytes(tables.section_offset, tables.section_bytes())?;
    let headers: Vec<&[u8]> = table.chunks_exact(SECTION_HEADER).collect();
    let names = content(headers.get(usize::from(tables.section_names))?)?;
    let named = |section: &&[u8]| {
        let name = names.get(usize::try_from(word(section, 0)?).ok()?..)?;
        let name = name.split(|byte| *byte == 0).next()?;
        Some((name, content(section)?))
    };
    headers.iter().map(named).collect()
}

const NOT_A_LIBRARY: &str = "it is not a 64-bit ELF shared library";

fn cut(length: u64) -> String {
    format!("it is cut short: its header promises more than its {length} bytes")
}

/// The parts of the ELF header that say where everything is.
struct Tables {
    machine: u16,
    program_offset: u64,
    programs: u16,
    section_offset: u64,
    sections: u16,
    section_names: u16,
}

impl Tables {
    /// `None` if this is no 64-bit little-endian ELF header with entries of the standard sizes.
    fn read(header: &[u8; HEADER]) -> Option<Self> {
        let ident = header.starts_with(b"\x7fELF\x02\x01");
        let (programs, sections) = (half(header, 56)?, half(header, 60)?);
        let sizes = (programs == 0 || usize::from(half(header, 54)?) == PROGRAM_HEADER)
            && (sections == 0 || usize::from(half(header, 58)?) == SECTION_HEADER);
        (ident && sizes).then_some(Self {
            machine: half(header, 18)?,
            program_offset: wide(header, 32)?,
            programs,
            section_offset: wide(header, 40)?,
            sections,
            section_names: half(header, 62)?,
        })
    }

    fn program_bytes(&self) -> u64 {
        u64::from(self.programs) * PROGRAM_HEADER as u64
    }

    fn section_bytes(&self) -> u64 {
        u64::from(self.sections) * SECTION_HEADER as u64
    }

    /// Every segment of the program header table `table` lies within `length` bytes.
    fn check_segments(&self, table: &[u8], length: u64) -> Result<(), String> {
        for entry in table.chunks_exact(PROGRAM_HEADER) {
            within(wide(entry, 8), wide(entry, 32), length)?;
        }
        Ok(())
    }

    /// Every section of the section header table `table` that has bytes in the file lies within `length`.
    fn check_sections(&self, table: &[u8], length: u64) -> Result<(), String> {
        for entry in table.chunks_exact(SECTION_HEADER) {
            if word(entry, 4) != Some(SECTION_WITHOUT_BYTES) {
                within(wide(entry, 24), wide(entry, 32), length)?;
            }
        }
        Ok(())
    }
}

fn within(offset: Option<u64>, size: Option<u64>, length: u64) -> Result<(), String> {
    let end = offset.zip(size).and_then(|(offset, size)| offset.checked_add(size));
    if end.is_some_and(|end| end <= length) { Ok(()) } else { Err(cut(length)) }
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|b| u16::from_le_bytes(*b))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_le_bytes(*b))
}

fn wide(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|b| u64::from_le_bytes(*b))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This test's own executable: some ELF file that is surely there and surely whole.
    fn whole() -> Vec<u8> {
        std::fs::read(std::env::current_exe().unwrap()).unwrap()
    }

    fn check(bytes: &[u8]) -> Result<(), String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        check_library(file.path())
    }

    #[test]
    fn a_whole_file_passes_and_every_shortened_one_is_refused() {
        let bytes = whole();
        assert_eq!(check(&bytes), Ok(()));
        let tables = Tables::read(bytes.first_chunk().unwrap()).unwrap();
        let start = usize::try_from(tables.program_offset).unwrap();
        let segments = bytes[start..].chunks_exact(56).take(tables.programs.into());
        let end = segments.map(|s| wide(s, 8).unwrap() + wide(s, 32).unwrap()).max().unwrap();
        let end = usize::try_from(end).unwrap();
        for length in [0, 1, 63, 64, 200, end / 2, end - 1] {
            assert!(check(&bytes[..length]).is_err(), "{length} bytes of {}", bytes.len());
        }
    }

    #[test]
    fn text_and_missing_files_are_refused() {
        assert!(check(b"not a library").unwrap_err().contains("not a 64-bit ELF"));
        assert!(check_library(Path::new("/nowhere/libnvrtc.so")).unwrap_err().contains("can't be opened"));
    }

    #[test]
    fn a_program_for_the_cpu_is_no_cubin() {
        assert!(check_cubin(&whole()).unwrap_err().contains("not for a GPU"));
        assert!(check_cubin(b"").unwrap_err().contains("not an ELF file"));
    }
}
