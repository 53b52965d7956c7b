use super::*;
use crate::nvrtc::CompileReport;
use std::fs;

/// Makes the emptiest cubin that passes for one, its constants as large as the source.
pub(crate) struct Fake(pub(crate) &'static str);

impl Compiler for Fake {
    fn version(&self) -> String {
        self.0.to_owned()
    }

    fn compile(&self, request: &KernelRequest<'_>) -> Result<Compiled, NvrtcError> {
        let mut cubin = vec![0; 64];
        cubin[..6].copy_from_slice(b"\x7fELF\x02\x01");
        cubin[18] = 190;
        cubin.extend(request.arch.to_string().bytes());
        let constant_bytes = request.source.len() as u64;
        Ok(Compiled { image: cubin, report: CompileReport { constant_bytes, ..CompileReport::default() } })
    }
}

fn cache(root: &Path, version: &'static str) -> KernelCache {
    on_any_driver(root, DEFAULT_LIMIT).with_compiler(move || Ok(Arc::new(Fake(version))))
}

/// A cache for which it does not matter what driver the machine has that the tests run on.
fn on_any_driver(root: &Path, limit: u64) -> KernelCache {
    KernelCache::at(root, limit).with_driver(None)
}

fn without_nvrtc(root: &Path) -> KernelCache {
    on_any_driver(root, DEFAULT_LIMIT)
        .with_compiler(|| Err(NvrtcError::NotFound { attempts: Vec::new(), package: "" }))
}

fn request<'a>(source: &'a str, arch: &str) -> KernelRequest<'a> {
    KernelRequest { name: "k.cu", source, arch: arch.parse().unwrap(), options: &[] }
}

/// The only entry in a cache's folder.
fn only_entry(root: &Path) -> PathBuf {
    let entries: Vec<_> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries[0].clone()
}

#[test]
fn a_warm_cache_needs_no_compiler() {
    let root = tempfile::tempdir().unwrap();
    let made = cache(root.path(), "13.0").get(&request("int a;", "sm_90")).unwrap();
    let warm = without_nvrtc(root.path());
    assert_eq!(warm.get(&request("// another codebook\nint a;", "sm_90")).unwrap(), made);
    assert_eq!((warm.compiled(), warm.take_warnings()), (0, vec![]));
    assert!(matches!(warm.get(&request("int b;", "sm_90")), Err(NvrtcError::NotFound { .. })));
    assert!(matches!(warm.get(&request("int a;", "sm_80")), Err(NvrtcError::NotFound { .. })));
}

#[test]
fn once_the_compiler_is_known_only_kernels_of_its_version_serve() {
    let root = tempfile::tempdir().unwrap();
    cache(root.path(), "12.9").get(&request("int a;", "sm_90")).unwrap();
    let later = cache(root.path(), "13.0");
    assert_eq!(later.compiler_version(Arch::SM_90).unwrap(), "13.0");
    later.get(&request("int a;", "sm_90")).unwrap();
    assert_eq!((later.compiled(), later.usage().0), (1, 2));
}

#[test]
fn a_kernel_whose_code_the_driver_does_not_load_is_left_to_machines_that_do() {
    let root = tempfile::tempdir().unwrap();
    cache(root.path(), "13.5").get(&request("int a;", "sm_90")).unwrap();
    let on = |driver: &str| cache(root.path(), "12.9").with_driver(Some(driver.parse().unwrap()));
    let old = on("12.4");
    old.get(&request("int a;", "sm_90")).unwrap();
    assert_eq!((old.compiled(), old.usage().0, old.take_warnings()), (1, 2, vec![]));
    for driver in ["12.4", "13.0"] {
        let warm = on(driver);
        warm.get(&request("int a;", "sm_90")).unwrap();
        assert_eq!(warm.compiled(), 0, "{driver}");
    }
}

#[test]
fn an_entry_tells_all_options_that_it_was_compiled_with_and_serves_no_others() {
    let root = tempfile::tempdir().unwrap();
    let [request, other] = ["-a", "-b"].map(|option| {
        let options: &'static [&'static str] = if option == "-a" { &["-a"] } else { &["-b"] };
        KernelRequest { options, ..request("int a;", "sm_90") }
    });
    cache(root.path(), "13.0").get(&request).unwrap();
    let path = only_entry(root.path());
    let report: serde_json::Value =
        serde_json::from_slice(&fs::read(path.join("report.json")).unwrap()).unwrap();
    assert_eq!(report["entry"]["options"], serde_json::json!(["--std=c++17", "--ptxas-options=-v", "-a"]));
    fs::rename(&path, root.path().join(format!("{}-13.0", Key::of(&other).name()))).unwrap();
    let cache = cache(root.path(), "13.0");
    cache.get(&other).unwrap();
    assert_eq!((cache.compiled(), cache.take_warnings().len()), (1, 1));
}

#[test]
fn a_damaged_entry_is_told_of_though_another_version_serves() {
    let root = tempfile::tempdir().unwrap();
    cache(root.path(), "12.9").get(&request("int a;", "sm_90")).unwrap();
    let path = only_entry(root.path());
    let later = cache(root.path(), "13.0");
    later.compiler_version(Arch::SM_90).unwrap();
    later.get(&request("int a;", "sm_90")).unwrap();
    let newest = path.with_file_name(path.file_name().unwrap().to_str().unwrap().replace("12.9", "13.0"));
    fs::write(newest.join("kernel.cubin"), "damaged").unwrap();
    let warm = without_nvrtc(root.path());
    warm.get(&request("int a;", "sm_90")).unwrap();
    let warnings = warm.take_warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("another version's is taken"), "{warnings:?}");
    assert_eq!((warm.compiled(), warm.usage().0), (0, 1));
}

#[test]
fn equal_requests_compile_once_and_all_are_answered_in_order() {
    let root = tempfile::tempdir().unwrap();
    let cache = cache(root.path(), "13.0");
    let sources: Vec<String> = (0..20).map(|i| format!("int a{};", "x".repeat(i % 5))).collect();
    let requests: Vec<_> = sources.iter().map(|source| request(source, "sm_90")).collect();
    let kernels = cache.get_all(&requests);
    assert_eq!(cache.compiled(), 5);
    for (kernel, source) in kernels.iter().zip(&sources) {
        assert_eq!(kernel.as_ref().unwrap().report.constant_bytes, source.len() as u64);
    }
}

#[test]
fn every_truncation_and_bit_flip_is_noticed_and_rebuilt_with_a_warning() {
    for name in ["kernel.cu", "kernel.cubin", "report.json"] {
        let root = tempfile::tempdir().unwrap();
        let good = cache(root.path(), "13.0").get(&request("int a;", "sm_90")).unwrap();
        let path = only_entry(root.path()).join(name);
        let whole = fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(7) {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x10;
            for damaged in [&whole[..at], &flipped] {
                fs::write(&path, damaged).unwrap();
                let damaged = cache(root.path(), "13.0");
                assert_eq!(damaged.get(&request("int a;", "sm_90")).unwrap(), good, "{name} {at}");
                let (warnings, compiled) = (damaged.take_warnings(), damaged.compiled());
                // White space in the JSON may change with no harm.
                assert_eq!(warnings.len(), compiled, "{name} {at}: {warnings:?}");
                assert!(compiled == 1 || name == "report.json", "{name} {at}");
                assert_eq!(without_nvrtc(root.path()).get(&request("int a;", "sm_90")).unwrap(), good);
            }
        }
    }
}

#[test]
fn an_entry_for_another_architecture_is_never_taken() {
    let root = tempfile::tempdir().unwrap();
    let cache_80 = cache(root.path(), "13.0");
    cache_80.get(&request("int a;", "sm_80")).unwrap();
    let key = Key::of(&request("int a;", "sm_90"));
    fs::rename(only_entry(root.path()), root.path().join(format!("{}-13.0", key.name()))).unwrap();
    let cache = cache(root.path(), "13.0");
    let kernel = cache.get(&request("int a;", "sm_90")).unwrap();
    assert!(kernel.image.ends_with(b"sm_90"));
    let warnings = cache.take_warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("it is for sm_80, not sm_90"), "{warnings:?}");
}

#[test]
fn hostile_entries_are_refused_without_harm() {
    let request = request("int a;", "sm_90");
    let name = format!("{}-13.0", Key::of(&request).name());
    let deep = "[".repeat(100_000);
    let huge = r#"{"checksum":"x","entry":{"layout":1e400}}"#;
    for report in [deep.as_str(), huge, "null", "", "{\"entry\":{\"arch\":\"../../x\"}}"] {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join(&name)).unwrap();
        fs::write(root.path().join(&name).join("report.json"), report).unwrap();
        let cache = cache(root.path(), "13.0");
        assert!(cache.get(&request).is_ok());
        assert_eq!(cache.take_warnings().len(), 1, "{report:.20}");
        assert!(without_nvrtc(root.path()).get(&request).is_ok());
    }
    // A file, or an endless device, where a folder and a file are expected.
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join(&name), "").unwrap();
    assert!(cache(root.path(), "13.0").get(&request).is_ok());
    assert!(without_nvrtc(root.path()).get(&request).is_ok());
    #[cfg(unix)]
    {
        let cubin = root.path().join(&name).join("kernel.cubin");
        fs::remove_file(&cubin).unwrap();
        std::os::unix::fs::symlink("/dev/zero", cubin).unwrap();
        let cache = cache(root.path(), "13.0");
        assert!(cache.get(&request).is_ok());
        assert_eq!(cache.take_warnings().len(), 1);
    }
}

#[test]
fn a_folder_that_cannot_be_made_costs_a_warning_only() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    let cache = cache(&file.join("below"), "13.0");
    assert!(cache.get(&request("int a;", "sm_90")).is_ok());
    assert!(cache.path().is_none());
    let warnings = cache.take_warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("ECF8_CACHE"), "{warnings:?}");
    cache.get(&request("int a;", "sm_90")).unwrap();
    assert_eq!((cache.compiled(), cache.take_warnings().len()), (1, 0));
}

#[test]
fn a_folder_that_disappears_is_made_again() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("kernels");
    let cache = cache(&folder, "13.0");
    fs::remove_dir(&folder).unwrap();
    cache.get(&request("int a;", "sm_90")).unwrap();
    assert_eq!((cache.usage().0, cache.take_warnings()), (1, vec![]));
}

#[test]
fn the_least_recently_used_are_removed_beyond_the_limit() {
    let root = tempfile::tempdir().unwrap();
    cache(root.path(), "13.0").get(&request("int a;", "sm_90")).unwrap();
    let (_, bytes) = cache(root.path(), "13.0").usage();
    let age = |path: &Path, hours: u64| {
        let then = std::time::SystemTime::now() - std::time::Duration::from_secs(3600 * hours);
        fs::File::open(path.join("report.json")).unwrap().set_modified(then).unwrap();
    };
    age(&only_entry(root.path()), 9);
    let open = || on_any_driver(root.path(), 2 * bytes + 10).with_compiler(|| Ok(Arc::new(Fake("13.0"))));
    open().get(&request("int b;", "sm_90")).unwrap();
    age(&root.path().join(format!("{}-13.0", Key::of(&request("int b;", "sm_90")).name())), 5);
    // Used again, the oldest becomes the youngest.
    open().get(&request("int a;", "sm_90")).unwrap();
    let third = open();
    third.get(&request("int c;", "sm_90")).unwrap();
    assert_eq!(third.usage().0, 2);
    let warm = without_nvrtc(root.path());
    assert!(warm.get(&request("int a;", "sm_90")).is_ok());
    assert!(warm.get(&request("int b;", "sm_90")).is_err());
    assert!(warm.get(&request("int c;", "sm_90")).is_ok());
}

#[test]
fn what_a_gpu_refused_is_compiled_again() {
    let root = tempfile::tempdir().unwrap();
    let cache = cache(root.path(), "13.0");
    cache.get(&request("int a;", "sm_90")).unwrap();
    cache.renew(&request("int a;", "sm_90"), "the driver refused it").unwrap();
    assert_eq!((cache.compiled(), cache.usage().0, cache.take_warnings().len()), (2, 1, 1));
}

#[test]
fn many_threads_and_caches_on_one_folder_get_the_same_kernels() {
    let root = tempfile::tempdir().unwrap();
    let sources: Vec<String> = (0..40).map(|i| format!("int a{};", "x".repeat(i))).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let cache = on_any_driver(root.path(), 4000).with_compiler(|| Ok(Arc::new(Fake("13.0"))));
                for source in sources.iter().chain(&sources) {
                    let kernel = cache.get(&request(source, "sm_90")).unwrap();
                    assert_eq!(kernel.report.constant_bytes, source.len() as u64);
                }
                assert_eq!(cache.take_warnings(), Vec::<String>::new());
            });
        }
    });
    let left: Vec<_> = fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with(".tmp-")), "{left:?}");
}
