//! The NVRTC layer against a real NVRTC, where there is one, and against broken ones made from it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;

pub(crate) mod choice;

const KERNEL: &str = r#"
__constant__ unsigned char table[256] = {1, 2, 3};
extern "C" __global__ void __launch_bounds__(256)
copy(const unsigned char* in, unsigned char* out, unsigned long long n) {
    __shared__ unsigned char staged[512];
    const unsigned long long i = blockIdx.x * 256ull + threadIdx.x;
    staged[threadIdx.x] = i < n ? in[i] : 0;
    __syncthreads();
    if (i < n) out[i] = table[staged[threadIdx.x ^ 1]];
}
"#;

/// NVRTC, or `None` after saying aloud that the test is skipped; with `ECF8_REQUIRE_NVRTC=1` that is a failure.
fn nvrtc() -> Option<Nvrtc> {
    match Nvrtc::find() {
        Ok(nvrtc) => Some(nvrtc),
        Err(error) if std::env::var_os("ECF8_REQUIRE_NVRTC").is_some_and(|value| value == "1") => {
            panic!("{error}")
        }
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}

/// The library file behind `nvrtc()`, unless the loader found it by name.
fn library() -> Option<PathBuf> {
    let path = PathBuf::from(nvrtc()?.origin());
    if !path.is_file() {
        eprintln!("skipped: NVRTC came from the loader's path, so its file is not known");
        return None;
    }
    Some(path)
}

fn request<'a>(source: &'a str, arch: &str) -> CompileRequest<'a> {
    CompileRequest { name: "test.cu", source, arch: arch.parse().unwrap(), options: &[] }
}

fn explicit(path: &Path) -> SearchPath {
    SearchPath { explicit: Some(path.to_owned()), ..SearchPath::default() }
}

/// Runs the named test of this file in a process of its own, with `ECF8_TEST_CHILD` and the loader's path
/// set to `path`.
///
/// Within one process a library already loaded would serve for a broken one of the same name.
fn in_child(test: &str, path: &Path) -> String {
    let test = format!("nvrtc::tests::{test}");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &test, "--nocapture"]).env("ECF8_TEST_CHILD", path);
    command.env("LD_LIBRARY_PATH", path);
    let output = command.output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{test}: {}\n{text}", output.status);
    text
}

fn child() -> Option<PathBuf> {
    std::env::var_os("ECF8_TEST_CHILD").map(PathBuf::from)
}

#[test]
fn a_small_kernel_compiles_for_every_generation_without_spills() {
    let Some(nvrtc) = nvrtc() else { return };
    for arch in ["sm_75", "sm_80", "sm_90", "sm_90a", "sm_120"] {
        let compiled = nvrtc.compile(&request(KERNEL, arch)).unwrap();
        let report = &compiled.report;
        assert!(report.registers > 0, "{arch}: {report:?}");
        assert_eq!((report.spill_stores, report.spill_loads, report.stack_bytes), (0, 0, 0), "{arch}");
        assert_eq!((report.shared_bytes, report.constant_bytes), (512, 256), "{arch}: {}", report.log);
        assert_eq!(report.cubin_bytes, compiled.image.len() as u64);
        assert_eq!(elf::check_cubin(&compiled.image), Ok(()), "{arch}");
        assert_eq!(
            elf::parameter_bytes(&compiled.image, "copy"),
            Some(24),
            "{arch}: two pointers and a number"
        );
        assert_eq!(elf::parameter_bytes(&compiled.image, "cop"), None, "{arch}");
        assert!(elf::check_cubin(&compiled.image[..compiled.image.len() - 1]).is_err(), "{arch}");
    }
}

#[test]
fn the_size_of_any_parameter_list_is_read_from_the_cubin() {
    let Some(nvrtc) = nvrtc() else { return };
    let source = r#"
    extern "C" __global__ void none() {}
    extern "C" __global__ void odd(unsigned long long* out, unsigned int a) { out[a] = 1; }
    extern "C" __global__ void gap(unsigned int a, unsigned long long* out, unsigned int b) { out[a] = b; }
    "#;
    for arch in ["sm_75", "sm_80", "sm_90", "sm_100", "sm_120"] {
        let cubin = nvrtc.compile(&request(source, arch)).unwrap().image;
        let bytes = ["none", "odd", "gap"].map(|entry| elf::parameter_bytes(&cubin, entry));
        assert_eq!(bytes[1..], [Some(12), Some(20)], "{arch}");
        assert!(matches!(bytes[0], None | Some(0)), "{arch}: {bytes:?}");
    }
}

#[test]
fn spills_and_warnings_are_reported() {
    let Some(nvrtc) = nvrtc() else { return };
    let source = r#"extern "C" __global__ void hungry(const float* in, float* out) {
        float held[64];
        int unused;
        for (int i = 0; i < 64; i++) held[i] = in[i * 32 + threadIdx.x];
        __syncthreads();
        for (int i = 0; i < 64; i++) out[i * 32 + threadIdx.x] = held[i] * held[63 - i];
    }"#;
    let options = ["--maxrregcount=24"];
    let report =
        nvrtc.compile(&CompileRequest { options: &options, ..request(source, "sm_90") }).unwrap().report;
    assert!(report.spill_stores > 0 && report.spill_loads > 0, "{}", report.log);
    assert!(report.warnings.iter().any(|warning| warning.contains("unused")), "{:?}", report.warnings);
}

#[test]
fn a_syntax_error_comes_back_with_its_line_and_the_log() {
    let Some(nvrtc) = nvrtc() else { return };
    let source = "extern \"C\" __global__ void k() {\n  int x = ;\n}\n";
    let error = nvrtc.compile(&request(source, "sm_90")).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("test.cu(2): error"), "{text}");
    assert_eq!(text.lines().count(), 1);
    assert!(matches!(error, NvrtcError::Compile { log, .. } if log.contains("int x = ;")));
}

#[test]
fn an_unsupported_architecture_gives_the_list_of_supported_ones() {
    let Some(nvrtc) = nvrtc() else { return };
    for arch in ["sm_30", "sm_99", "sm_80a"] {
        let text = nvrtc.compile(&request(KERNEL, arch)).unwrap_err().to_string();
        assert!(text.contains(&format!("can't compile for {arch}")) && text.contains("sm_90"), "{text}");
    }
}

#[test]
fn an_unknown_option_and_a_zero_byte_are_errors() {
    let Some(nvrtc) = nvrtc() else { return };
    let text =
        nvrtc.compile(&CompileRequest { options: &["--no-such"], ..request(KERNEL, "sm_90") }).unwrap_err();
    assert!(text.to_string().contains("--no-such"), "{text}");
    let text = nvrtc.compile(&request("int x;\0", "sm_90")).unwrap_err();
    assert!(text.to_string().contains("the source of test.cu has a zero byte"), "{text}");
}

#[test]
fn threads_compile_at_once_and_get_what_one_thread_gets() {
    let Some(nvrtc) = nvrtc() else { return };
    let archs = ["sm_75", "sm_80", "sm_90", "sm_120"];
    let compile = |arch: &str| nvrtc.compile(&request(KERNEL, arch)).unwrap().image;
    let alone = archs.map(compile);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (alone, compile) = (&alone, &compile);
            scope.spawn(move || {
                for round in 0..8 {
                    let pick = (thread + round) % archs.len();
                    assert!(compile(archs[pick]) == alone[pick], "{}", archs[pick]);
                }
            });
        }
    });
}

#[test]
fn the_folder_and_the_file_of_nvrtc_both_serve_as_ecf8_nvrtc() {
    let Some(library) = library() else { return };
    for path in [library.as_path(), library.parent().unwrap()] {
        let nvrtc = Nvrtc::find_in(&explicit(path), None).unwrap();
        assert!(
            nvrtc.origin().starts_with(library.parent().unwrap().to_str().unwrap()),
            "{}",
            nvrtc.origin()
        );
    }
}

#[test]
fn a_python_environment_serves_and_what_was_passed_over_is_remembered() {
    let Some(library) = library() else { return };
    let folder = library.parent().unwrap();
    let root = tempfile::tempdir().unwrap();
    let package = root.path().join("nvidia/cu13");
    std::fs::create_dir_all(&package).unwrap();
    std::os::unix::fs::symlink(folder, package.join("lib")).unwrap();
    let broken = root.path().join("libnvrtc.so");
    std::fs::write(&broken, "not a library").unwrap();
    let search = SearchPath {
        folders: vec![root.path().join("nowhere"), root.path().to_owned()],
        site_packages: vec![root.path().to_owned()],
        ..SearchPath::default()
    };
    let nvrtc = Nvrtc::find_in(&search, None).unwrap();
    assert!(nvrtc.origin().starts_with(package.to_str().unwrap()), "{}", nvrtc.origin());
    let passed: Vec<String> = nvrtc.passed_over().iter().map(Attempt::to_string).collect();
    assert_eq!(passed.len(), 2, "{passed:?}");
    assert!(passed[0].ends_with("nowhere: not there"), "{passed:?}");
    assert!(passed[1].ends_with("it is not a 64-bit ELF shared library"), "{passed:?}");
}

#[test]
fn nothing_anywhere_is_one_line_with_the_remedy() {
    let search = SearchPath { folders: vec!["/nowhere".into()], ..SearchPath::default() };
    let text = Nvrtc::find_in(&search, None).unwrap_err().to_string();
    assert!(text.contains("tried /nowhere") && text.contains("pip install nvidia-cuda-nvrtc"), "{text}");
    assert_eq!(text.lines().count(), 1);
}

#[test]
fn a_wrong_ecf8_nvrtc_is_an_error_that_says_so() {
    let root = tempfile::tempdir().unwrap();
    let text_file = root.path().join("notes.txt");
    std::fs::write(&text_file, "buy milk").unwrap();
    let cases = [
        (PathBuf::from("/nowhere/libnvrtc.so"), "no such file or folder"),
        (text_file, "not a 64-bit ELF shared library"),
        (root.path().to_owned(), "there is no libnvrtc.so in it"),
        (std::env::current_exe().unwrap(), ""),
    ];
    for (path, reason) in cases {
        let text = Nvrtc::find_in(&explicit(&path), None).unwrap_err().to_string();
        assert!(text.starts_with(&format!("ECF8_NVRTC is {}, but", path.display())), "{text}");
        assert!(text.contains(reason) && text.ends_with("or unset it"), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

#[test]
fn a_truncated_library_is_an_error_and_no_crash() {
    if let Some(path) = child() {
        eprintln!("child: {}", Nvrtc::find_in(&explicit(&path), None).unwrap_err());
        return;
    }
    let Some(library) = library() else { return };
    let bytes = std::fs::read(library).unwrap();
    let root = tempfile::tempdir().unwrap();
    let copy = root.path().join("libnvrtc.so");
    for length in [0, 40, 64, 4096, bytes.len() / 2, bytes.len() * 99 / 100] {
        std::fs::write(&copy, &bytes[..length]).unwrap();
        let text = in_child("a_truncated_library_is_an_error_and_no_crash", &copy);
        assert!(text.contains("child: ECF8_NVRTC is"), "{length} of {} bytes: {text}", bytes.len());
    }
}

#[test]
fn a_truncated_library_on_the_loaders_path_is_passed_over_too() {
    if child().is_some() {
        let search = SearchPath { loader: true, ..SearchPath::from_environment() };
        let nothing_else =
            SearchPath { folders: vec![], site_packages: vec![], python: None, explicit: None, ..search };
        eprintln!("child: {:?}", Nvrtc::find_in(&nothing_else, None).map_err(|error| error.to_string()));
        return;
    }
    let Some(library) = library() else { return };
    let bytes = std::fs::read(library).unwrap();
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("libnvrtc.so"), &bytes[..bytes.len() / 2]).unwrap();
    let text = in_child("a_truncated_library_on_the_loaders_path_is_passed_over_too", root.path());
    assert!(text.contains("libnvrtc.so: it is cut short") || text.contains("Ok(NVRTC"), "{text}");
}

#[test]
fn a_folder_without_builtins_is_an_error_that_names_them() {
    if let Some(path) = child() {
        eprintln!("child: {}", Nvrtc::find_in(&explicit(&path), None).unwrap_err());
        return;
    }
    let Some(library) = library() else { return };
    let root = tempfile::tempdir().unwrap();
    std::fs::copy(library, root.path().join("libnvrtc.so")).unwrap();
    let text = in_child("a_folder_without_builtins_is_an_error_that_names_them", root.path());
    assert!(text.contains("child: ECF8_NVRTC is") && text.contains("libnvrtc-builtins"), "{text}");
}
