//! What makes two kernels the same.

use super::KernelRequest;
use crate::nvrtc::Arch;
use ecf8_core::checksum::{checksum, to_hex};

/// A kernel's source, all its options and its architecture, hashed. The version of NVRTC is kept beside it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    arch: Arch,
    hash: u64,
}

impl Key {
    pub(super) fn of(request: &KernelRequest<'_>) -> Self {
        let arch = request.arch.to_string();
        let mut bytes = Vec::new();
        // Lengths in front, so that no two lists of strings give the same bytes.
        for part in [code(request.source), &arch].into_iter().chain(request.all_options()) {
            bytes.extend((part.len() as u64).to_le_bytes());
            bytes.extend(part.as_bytes());
        }
        Self { arch: request.arch, hash: checksum(&bytes) }
    }

    /// What the folders of this kernel's entries begin with.
    pub(super) fn name(&self) -> String {
        format!("{}-{}", self.arch, to_hex(self.hash))
    }
}

/// A source without the comments in front, which name the strategy and the codebook: kernels of two codebooks that pass
/// their tables as arguments are one kernel.
pub(super) fn code(source: &str) -> &str {
    let mut rest = source;
    while let Some((line, after)) = rest.split_once('\n') {
        if !line.trim().is_empty() && !line.starts_with("//") {
            break;
        }
        rest = after;
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(source: &str, arch: &str, options: &[&str]) -> Key {
        Key::of(&KernelRequest { name: "k.cu", source, arch: arch.parse().unwrap(), options })
    }

    #[test]
    fn everything_that_changes_the_machine_code_changes_the_key() {
        let same = key("int a;\n", "sm_90", &["-a"]);
        assert_eq!(same, key("// codebook 1234\n\nint a;\n", "sm_90", &["-a"]));
        for other in [
            key("int b;\n", "sm_90", &["-a"]),
            key("int a;\n", "sm_90a", &["-a"]),
            key("int a;\n", "sm_90", &[]),
            key("int a;\n", "sm_90", &["-", "a"]),
            key("int a;\n// end\n", "sm_90", &["-a"]),
        ] {
            assert_ne!(same, other);
        }
    }

    #[test]
    fn only_comments_in_front_are_left_out() {
        assert_eq!(code("// a\n//\n\nint a; // b\n// c\n"), "int a; // b\n// c\n");
        assert_eq!(code("int a;"), "int a;");
        assert_eq!(code(""), "");
    }
}
