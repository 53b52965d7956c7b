//! Which NVRTC is taken for a GPU and its driver, among some that are none.

use std::path::{Path, PathBuf};

use super::super::*;
use crate::device::tests::fake::compile;

/// The folder of an NVRTC of this version that knows architectures up to `newest`; nothing without a C compiler.
pub(crate) fn fake(version: &str, newest: u32) -> Option<tempfile::TempDir> {
    let version: CudaVersion = version.parse().unwrap();
    let CudaVersion { major, minor } = version;
    let defined = format!("#define MAJOR {major}\n#define MINOR {minor}\n#define TARGET \"{newest}\"\n");
    compile(&(defined + include_str!("fake_nvrtc.c")), &format!("libnvrtc.so.{major}"))
}

fn find(folders: &[&tempfile::TempDir], arch: &str, driver: &str) -> Result<Nvrtc, NvrtcError> {
    let folders = folders.iter().map(|folder| folder.path().to_owned()).collect();
    let machine = Machine { arch: arch.parse().unwrap(), driver: driver.parse().unwrap() };
    Nvrtc::find_in(&SearchPath { folders, ..SearchPath::default() }, Some(&machine))
}

#[test]
fn the_first_is_taken_whose_machine_code_the_driver_loads() {
    let (Some(new), Some(old)) = (fake("13.5", 120), fake("12.4", 90)) else { return };
    for (driver, version) in [("12.4", "12.4"), ("12.9", "12.4"), ("13.0", "13.5"), ("14.0", "13.5")] {
        let found = find(&[&new, &old], "sm_90", driver).unwrap();
        assert_eq!(found.version().to_string(), version, "with a driver for CUDA {driver}");
    }
    let found = find(&[&new, &old], "sm_90", "12.4").unwrap();
    let [passed] = found.passed_over() else { panic!("{:?}", found.passed_over()) };
    assert!(matches!(&passed.outcome, Outcome::Unfit(reason) if reason.contains("NVRTC 13.5")), "{passed}");
    assert!(found.origin().starts_with(old.path().to_str().unwrap()), "{}", found.origin());
}

#[test]
fn where_all_are_too_new_the_error_names_the_package_to_install() {
    let Some(new) = fake("13.5", 120) else { return };
    let text = find(&[&new], "sm_90", "12.4").unwrap_err().to_string();
    assert!(text.contains("NVRTC 13.5 makes machine code for drivers of CUDA 13 and later"), "{text}");
    assert!(text.contains("install it with `pip install nvidia-cuda-nvrtc-cu12`"), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    let text = find(&[], "sm_90", "13.0").unwrap_err().to_string();
    assert!(text.contains("install it with `pip install nvidia-cuda-nvrtc` "), "{text}");

    // What the user names is obeyed where it can be, and else said to be what it is.
    let machine = Machine { arch: Arch::SM_90, driver: "12.4".parse().unwrap() };
    let named = |path: PathBuf| SearchPath { explicit: Some(path), ..SearchPath::default() };
    for path in [new.path().to_owned(), new.path().join("libnvrtc.so.13")] {
        let text = Nvrtc::find_in(&named(path.clone()), Some(&machine)).unwrap_err().to_string();
        assert!(text.starts_with("ECF8_NVRTC is") && text.contains("nvidia-cuda-nvrtc-cu12"), "{text}");
        Nvrtc::find_in(&named(path), None).expect("it compiles, if for others");
    }
}

#[test]
fn for_a_gpu_younger_than_nvrtc_another_is_taken_or_else_ptx_is_made() {
    let (Some(old), Some(young)) = (fake("12.4", 90), fake("12.8", 120)) else { return };
    let found = find(&[&old, &young], "sm_120", "12.8").unwrap();
    assert_eq!(found.version().to_string(), "12.8");

    let found = find(&[&old], "sm_120", "12.8").unwrap();
    assert!(!found.knows("sm_120".parse().unwrap()));
    let request = CompileRequest { name: "k.cu", source: "", arch: "sm_120".parse().unwrap(), options: &[] };
    assert!(matches!(found.compile(&request), Err(NvrtcError::UnsupportedArch { .. })));
    let compiled = found.compile_to_ptx(&request).unwrap();
    assert_eq!(image::check(&compiled.image), Ok(()));
    assert!(compiled.image.ends_with(b".target sm_90\n\0"));
    assert_eq!((compiled.report.registers, compiled.report.shared_bytes), (10, 64));

    let text = find(&[&young], "sm_130", "12.4").unwrap_err().to_string();
    assert!(text.contains("does not know sm_130") && text.contains("nvidia-cuda-nvrtc-cu12"), "{text}");
}

#[test]
fn the_kernel_cache_compiles_for_the_driver_and_for_gpus_younger_than_nvrtc() {
    use crate::kernel_cache::{KernelCache, KernelRequest};
    let Some(old) = fake("12.4", 90) else { return };
    let search = SearchPath { folders: vec![old.path().to_owned()], ..SearchPath::default() };
    let machine = Machine { arch: "sm_120".parse().unwrap(), driver: "12.8".parse().unwrap() };
    let root = tempfile::tempdir().unwrap();
    let open = |root: &Path| KernelCache::at(root, 1 << 20).with_driver(Some(machine.driver));
    let cold = open(root.path())
        .with_compiler(move || Ok(std::sync::Arc::new(Nvrtc::find_in(&search, Some(&machine))?)));
    let request = KernelRequest { name: "k.cu", source: "", arch: machine.arch, options: &[] };
    let made = cold.get(&request).unwrap();
    assert!(made.image.ends_with(b".target sm_90\n\0"));
    let warm = open(root.path()).with_compiler(|| panic!("NVRTC was looked for"));
    assert_eq!((warm.get(&request).unwrap(), warm.take_warnings()), (made, vec![]));
}
