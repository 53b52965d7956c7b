//! nvCOMP, on one that copies: every call in its place, and what is told when something is wrong.

use super::*;
use crate::device::{Nvcomp, NvcompError};

/// The name of the library in its folder.
pub(crate) const LIBRARY: &str = "libnvcomp.so.6";

/// The variable that tells a child where it is.
pub(crate) const VARIABLE: &str = "ECF8_TEST_NVCOMP";

/// The folder of one that is made with these definitions, or `None` after saying that there is no C compiler.
pub(crate) fn library(definitions: &[&str]) -> Option<tempfile::TempDir> {
    let defined: String = definitions.iter().map(|definition| format!("#define {definition}\n")).collect();
    fake::compile(&(defined + include_str!("fake_nvcomp.c")), LIBRARY)
}

fn open(definitions: &[&str]) -> Option<Result<Nvcomp, NvcompError>> {
    library(definitions).map(|folder| Nvcomp::open(&folder.path().join(LIBRARY)))
}

#[test]
fn a_library_that_is_none_or_another_is_refused_by_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(LIBRARY);
    let told = |error: NvcompError| {
        let text = error.to_string();
        assert!(text.lines().count() == 1 && text.contains("pip install nvidia-libnvcomp-cu12"), "{text}");
        text
    };
    assert!(told(Nvcomp::open(&path).unwrap_err()).contains("can't be opened"));
    std::fs::write(&path, "not a library").unwrap();
    assert!(matches!(Nvcomp::open(&path), Err(NvcompError::NotLoaded { .. })));
    let Some(old) = open(&["OLD"]) else { return };
    assert!(told(old.unwrap_err()).contains("it lacks nvcompBatchedANSCompressGetTempSize"));
    // Data types have other numbers there.
    assert!(told(open(&["VERSION 5102"]).unwrap().unwrap_err()).contains("its version is 5.1.2"));
    assert_eq!(open(&["VERSION 6112"]).unwrap().unwrap().version(), "6.1.12");
}

#[test]
fn chunks_come_back_and_the_first_that_does_not_is_named() {
    const TEST: &str = "device::tests::nvcomp::chunks_come_back_and_the_first_that_does_not_is_named";
    if !is_child() {
        for definitions in [&[][..], &["BROKEN"]] {
            let Some(folder) = library(definitions) else { return };
            let trouble = definitions.join(",");
            fake::run_with(TEST, &trouble, &[(VARIABLE, &folder.path().join(LIBRARY))]);
        }
        return;
    }
    let nvcomp = Nvcomp::open(&PathBuf::from(std::env::var_os(VARIABLE).unwrap())).unwrap();
    let device = CudaDevice::open(0).unwrap();
    let bytes: Vec<u8> = (0..100_000u32).map(|at| (at.wrapping_mul(at) >> 7).to_le_bytes()[0]).collect();
    let source = device.upload(&bytes).unwrap();
    // The last chunk is shorter.
    let packed = nvcomp.pack(&device, &source, 1 << 16).unwrap();
    assert_eq!(packed.encoded_bytes, 100_000);
    nvcomp.unpack(&device, &packed).unwrap();
    let checked = nvcomp.check_unpacked(&device, &packed);
    let mut back = vec![0; bytes.len()];
    device.download(packed.output(), &mut back).unwrap();
    assert_eq!(back, bytes);
    if trouble() == "BROKEN" {
        let text = checked.unwrap_err().to_string();
        assert!(text.contains("at chunk 1") && text.contains("status 12, cannot decompress"), "{text}");
    } else {
        checked.unwrap();
    }
}
