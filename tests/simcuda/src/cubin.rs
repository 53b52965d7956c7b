//! Cubins, which are ELF files, and the PTX that one carries here in a section of its own.
//!
//! So wherever a cubin goes, into a kernel cache on disk and out of it again in another process, its PTX goes with it.

/// `EM_CUDA`.
const MACHINE: u16 = 190;

const HEADER: usize = 64;
const SECTION: usize = 64;
const SEGMENT: usize = 56;

/// The type of the section with the PTX, one of those that anybody may give a meaning to: `SHT_LOUSER` and a name.
const PTX_SECTION: u32 = 0x8000_0000 + 0xecf8;

/// Notes about kernels, and a section that has a size but no bytes.
const NOTES: u32 = 0x7000_0000;
const NO_BYTES: u32 = 8;

/// What a driver looks at before it loads a cubin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cubin<'a> {
    /// The architecture that it is for: 90 for `sm_90`.
    pub arch: u32,
    /// Whether it runs on exactly that one, as `sm_90a` does.
    pub is_exact: bool,
    /// The version of its format: 8 since CUDA 13, 7 before.
    pub abi: u8,
    /// Registers per thread of each kernel, where it tells.
    pub registers: Option<u32>,
    /// What it was made from.
    pub ptx: Option<&'a str>,
}

impl<'a> Cubin<'a> {
    /// Looks at a whole cubin; nothing if it is none.
    #[must_use]
    pub fn read(image: &'a [u8]) -> Option<Self> {
        if !is_cubin(image) {
            return None;
        }
        let (abi, flags) = (*image.get(8)?, word(image, 48)?);
        // The number moved when the format changed.
        let (arch, is_exact) =
            if abi >= 8 { (flags >> 8 & 0xff, flags & 8 != 0) } else { (flags & 0xff, flags & 0x800 != 0) };
        let content = |section: &&[u8]| {
            let (start, size) = (wide(section, 24)?, wide(section, 32)?);
            image.get(start..start.checked_add(size)?)
        };
        let of_type = |wanted: u32| sections(image).filter(move |section| word(section, 4) == Some(wanted));
        let ptx =
            of_type(PTX_SECTION).next().and_then(|section| std::str::from_utf8(content(&section)?).ok());
        let registers = of_type(NOTES).filter_map(|section| registers(content(&section)?)).max();
        Some(Self { arch, is_exact, abi, registers, ptx })
    }
}

/// How long the cubin is whose first bytes these are, by what they say of its tables; and then, if it has all of them,
/// by what the tables say. Ask again with that many bytes until the number stays.
#[must_use]
pub fn length(image: &[u8]) -> usize {
    if !is_cubin(image) {
        return HEADER;
    }
    let table = |at: usize, count: usize, size: usize| {
        let count = half(image, count).map_or(0, usize::from);
        wide(image, at).unwrap_or(0).saturating_add(count * size)
    };
    let tables = table(40, 60, SECTION).max(table(32, 56, SEGMENT));
    let end = |section: &[u8]| match word(section, 4) {
        Some(NO_BYTES) | None => 0,
        _ => wide(section, 24).unwrap_or(0).saturating_add(wide(section, 32).unwrap_or(0)),
    };
    sections(image).map(end).max().unwrap_or(0).max(tables).max(HEADER)
}

/// The cubin with its PTX. Its table of sections moves behind that, with one more of them.
#[must_use]
pub fn with_ptx(cubin: &[u8], ptx: &str) -> Vec<u8> {
    let mut whole = cubin.to_vec();
    let start = whole.len() as u64;
    whole.extend_from_slice(ptx.as_bytes());
    whole.resize(whole.len().next_multiple_of(8), 0);
    let table = whole.len() as u64;
    let mut count = 0_u16;
    for section in sections(cubin) {
        whole.extend_from_slice(section);
        count += 1;
    }
    let mut section = [0; SECTION];
    section[4..8].copy_from_slice(&PTX_SECTION.to_le_bytes());
    section[24..32].copy_from_slice(&start.to_le_bytes());
    section[32..40].copy_from_slice(&(ptx.len() as u64).to_le_bytes());
    section[48..56].copy_from_slice(&1_u64.to_le_bytes());
    whole.extend_from_slice(&section);
    whole[40..48].copy_from_slice(&table.to_le_bytes());
    whole[60..62].copy_from_slice(&(count + 1).to_le_bytes());
    whole
}

fn is_cubin(image: &[u8]) -> bool {
    image.len() >= HEADER && image.starts_with(b"\x7fELF\x02\x01") && half(image, 18) == Some(MACHINE)
}

/// The headers of the sections, as far as they are there.
fn sections(image: &[u8]) -> impl Iterator<Item = &[u8]> {
    let start = wide(image, 40).unwrap_or(0);
    let count = half(image, 60).map_or(0, usize::from);
    image.get(start..).unwrap_or_default().chunks_exact(SECTION).take(count)
}

/// The most registers that notes about kernels tell of.
fn registers(mut notes: &[u8]) -> Option<u32> {
    /// A note whose value has a length of its own; all other kinds are four bytes in all.
    const WITH_LENGTH: u8 = 4;
    /// `EIATTR_REGCOUNT`: a symbol, then the number.
    const REGISTERS: u8 = 0x2f;
    let mut most = None;
    while let [kind, attribute, rest @ ..] = notes {
        let length = if *kind == WITH_LENGTH { usize::from(half(rest, 0)?) } else { 0 };
        let value = rest.get(2..2 + length)?;
        if (*kind, *attribute) == (WITH_LENGTH, REGISTERS) {
            most = most.max(word(value, 4));
        }
        notes = rest.get(2 + length..)?;
    }
    most
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

fn wide(bytes: &[u8], at: usize) -> Option<usize> {
    let number = bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes)?;
    usize::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use super::*;

    /// A header without tables.
    fn bare(abi: u8, flags: u32) -> Vec<u8> {
        let mut image = vec![0; HEADER];
        image[..6].copy_from_slice(b"\x7fELF\x02\x01");
        image[8] = abi;
        image[18] = 190;
        image[48..52].copy_from_slice(&flags.to_le_bytes());
        image
    }

    #[test]
    fn a_cubin_carries_its_ptx_and_knows_its_length() {
        let cubin = with_ptx(&bare(8, 90 << 8), ".version 9.0");
        let read = Cubin::read(&cubin).unwrap();
        assert_eq!(
            read,
            Cubin { arch: 90, is_exact: false, abi: 8, registers: None, ptx: Some(".version 9.0") }
        );
        assert_eq!((length(&cubin[..HEADER]), length(&cubin)), (cubin.len(), cubin.len()));
        let again = with_ptx(&cubin, "other");
        assert_eq!(Cubin::read(&again).unwrap().ptx, Some(".version 9.0"), "the first stays the first");
    }

    #[test]
    fn both_formats_tell_their_architecture() {
        let of = |abi, flags| Cubin::read(&bare(abi, flags)).map(|cubin| (cubin.arch, cubin.is_exact));
        assert_eq!(of(7, 0x55_0500 | 90), Some((90, false)));
        assert_eq!(of(8, 120 << 8), Some((120, false)));
        assert_eq!(Cubin::read(b"\x7fELF"), None);
    }
}
