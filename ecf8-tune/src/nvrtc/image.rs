//! What a driver loads kernels from: machine code, which is an ELF file called cubin, or PTX, a text that ends with a
//! zero byte.

use super::elf;

/// What is wrong with a supposed image, or nothing.
///
/// # Errors
/// The reason in words: neither kind, or not whole.
pub(crate) fn check(image: &[u8]) -> Result<(), String> {
    if !is_ptx(image) {
        return elf::check_cubin(image);
    }
    match image.iter().position(|byte| *byte == 0) {
        Some(end) if end + 1 == image.len() => Ok(()),
        _ => Err("it is PTX that does not end with its only zero byte".to_owned()),
    }
}

/// Bytes of the parameters of the kernel `entry`, where the image tells.
pub(crate) fn parameter_bytes(image: &[u8], entry: &str) -> Option<usize> {
    if is_ptx(image) { None } else { elf::parameter_bytes(image, entry) }
}

/// Whether it is text: PTX begins with comments and its version.
fn is_ptx(image: &[u8]) -> bool {
    let start = image.trim_ascii_start();
    start.starts_with(b"//") || start.starts_with(b".version")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ptx_is_whole_when_its_only_zero_byte_is_its_last() {
        assert_eq!(check(b"//\n// Generated\n.version 8.4\n\0"), Ok(()));
        assert_eq!(parameter_bytes(b".version 8.4\n\0", "k"), None);
        for broken in [&b".version 8.4\n"[..], b".version 8.4\n\0.target\0", b"\0", b"text\0"] {
            assert!(check(broken).is_err(), "{broken:?}");
        }
    }
}
