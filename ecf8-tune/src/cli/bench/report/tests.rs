use super::*;
use crate::device::tests::nvcomp::{LIBRARY, VARIABLE, library};
use crate::device::tests::{fake, is_child};
use crate::kernel_cache::KernelRequest;
use crate::kernel_cache::tests::Fake;
use crate::nvrtc::{Compiled, NvrtcError};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

/// A compiler that interrupts the run when it is asked for the first kernel.
struct Interrupting(Arc<AtomicBool>);

impl Compiler for Interrupting {
    fn version(&self) -> String {
        Fake("13.0").version()
    }

    fn compile(&self, request: &KernelRequest<'_>) -> Result<Compiled, NvrtcError> {
        self.0.store(true, Ordering::Relaxed);
        Fake("13.0").compile(request)
    }
}

fn bench(folder: &Path) -> Bench {
    Bench {
        device: Device::Cuda(0),
        sizes: vec![4096],
        strategies: vec!["lanes-pair".to_owned()],
        optimize: None,
        runs: 2,
        budget: Duration::from_secs(5),
        report: Some(folder.to_owned()),
        minutes: 10,
        quick: true,
        nvcomp: std::env::var_os(VARIABLE).map(PathBuf::from),
        json: true,
    }
}

fn go_on(bench: &Bench, compiler: Arc<dyn Compiler>, interrupt: Arc<AtomicBool>) -> Result<Answer, Failure> {
    let folder = bench.report.clone().unwrap();
    let device = CudaDevice::open(0).unwrap();
    on_device(bench, &folder, &device, compiler, KernelCache::in_memory(), interrupt)
}

/// A run to the end.
fn finish(bench: &Bench) -> Result<Answer, Failure> {
    go_on(bench, Arc::new(Fake("13.0")), Arc::default())
}

/// Name, state and tries of each step.
fn steps(json: &Value) -> Vec<(String, String, u64)> {
    let steps = json["steps"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    steps.map(|step| (text(&step["name"]), text(&step["state"]), step["tries"].as_u64().unwrap())).collect()
}

const NAMES: [&str; 9] = [
    "selftest of lanes-pair, default",
    "lanes-pair on 4 KiB",
    "tuner for pair-lanes on 4 KiB beside a search of all",
    "loading a model",
    "pages of K/V caches in F8_E4M3",
    "pages of K/V caches in F8_E5M2",
    "pages of K/V caches in BF16",
    "updating a layer",
    "nvCOMP on 4 KiB",
];

/// The place of the only step that decodes nothing by a kernel of ours, and that of loading.
const NVCOMP: usize = NAMES.len() - 1;
const LOADING: usize = 3;

/// All steps in one state, but for that of nvCOMP.
fn expected(state: (&str, u64), nvcomp: (&str, u64)) -> Vec<(String, String, u64)> {
    let states = NAMES.iter().enumerate().map(|(at, name)| (name, if at == NVCOMP { nvcomp } else { state }));
    states.map(|(name, (state, tries))| ((*name).to_owned(), state.to_owned(), tries)).collect()
}

#[test]
fn what_a_run_has_found_is_kept_and_the_next_one_does_only_what_is_missing() {
    const TEST: &str =
        "cli::bench::report::tests::what_a_run_has_found_is_kept_and_the_next_one_does_only_what_is_missing";
    if !is_child() {
        let Some(folder) = library(&[]) else { return };
        return fake::run_with(TEST, "any kernel", &[(VARIABLE, &folder.path().join(LIBRARY))]);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let kept = || -> Value { serde_json::from_slice(&fs::read(&path).unwrap()).unwrap() };
    let bench = bench(folder.path());

    // With no time at all everything is left out, which is no failure.
    let answer = finish(&Bench { minutes: 0, ..self::bench(folder.path()) }).unwrap();
    assert!(answer.failure.is_none());
    assert_eq!(steps(&kept()), expected(("left_out", 0), ("left_out", 0)));
    assert_eq!(kept()["steps"][0]["why"], "the time was up");

    // Interrupted within the first step, whatever it has found by then counts for nothing.
    let interrupt = Arc::new(AtomicBool::new(false));
    let answer = go_on(&bench, Arc::new(Interrupting(interrupt.clone())), interrupt).unwrap();
    assert!(answer.failure.unwrap().message().starts_with("interrupted; what was found is kept"));
    assert_eq!(steps(&kept()), expected(("left_out", 0), ("left_out", 0)));
    assert_eq!(kept()["steps"][LOADING]["why"], "interrupted");
    assert!(answer.text.contains("loading a model"), "{}", answer.text);

    // The kernels of this driver write nothing, so all that decodes fails, and the rest goes on.
    let answer = finish(&bench).unwrap();
    assert_eq!(answer.failure.unwrap().message(), "8 of 9 steps failed; they say why");
    assert_eq!(steps(&kept()), expected(("failed", 1), ("done", 1)));
    assert_eq!(answer.json, kept());
    let loads = &kept()["steps"][LOADING]["found"]["loads"];
    assert!(loads[0]["kernels_compiled"].as_u64() > Some(0) && loads[1]["kernels_compiled"] == 0, "{loads}");

    // What is done stays as it is. What has failed is tried again.
    let done = kept()["steps"][NVCOMP].clone();
    finish(&bench).unwrap();
    assert_eq!(steps(&kept()), expected(("failed", 2), ("done", 1)));
    assert_eq!(kept()["steps"][NVCOMP], done);
    assert_eq!(kept()["runs"].as_array().unwrap().len(), 4);
    assert!(kept()["runs"][2]["copy_after"]["gb_per_s"].as_f64() > Some(0.0));

    // A process that was killed has left its last step begun.
    let mut killed = kept();
    killed["steps"][NVCOMP]["state"] = "begun".into();
    killed["steps"][NVCOMP]["found"] = Value::Null;
    fs::write(&path, killed.to_string()).unwrap();
    finish(&bench).unwrap();
    assert_eq!(steps(&kept())[NVCOMP], expected(("done", 2), ("done", 2))[NVCOMP]);

    // Nothing else is mixed with it, or replaced.
    let refused = |bench: &Bench, why: &str| {
        let before = fs::read(&path).unwrap();
        let failure = finish(bench).unwrap_err();
        assert!(failure.message().contains(why), "{}", failure.message());
        assert_eq!(fs::read(&path).unwrap(), before);
    };
    refused(&Bench { quick: false, ..self::bench(folder.path()) }, "made with --quick");
    let mut other = kept();
    other["machine"]["gpu"]["name"] = "NVIDIA H100 PCIe".into();
    fs::write(&path, other.to_string()).unwrap();
    refused(&bench, "this report is of NVIDIA H100 PCIe with driver");
    fs::write(&path, "[1]").unwrap();
    refused(&bench, "this is no report");
}

#[test]
fn a_report_for_people_has_a_table_of_each_kind_of_step_and_of_what_is_missing() {
    const TEST: &str = "cli::bench::report::tests::a_report_for_people_has_a_table_of_each_kind_of_step_and_of_what_is_missing";
    if !is_child() {
        let Some(folder) = library(&["WRONG"]) else { return };
        return fake::run_with(TEST, "any kernel", &[(VARIABLE, &folder.path().join(LIBRARY))]);
    }
    let folder = tempfile::tempdir().unwrap();
    let answer = finish(&bench(folder.path())).unwrap();
    let text = fs::read_to_string(folder.path().join("report.md")).unwrap();
    assert_eq!(answer.text, text);
    // Every line of a table has as many cells as its head.
    let mut widths: Vec<usize> = Vec::new();
    for line in text.lines() {
        if line.starts_with('|') {
            widths.push(line.matches('|').count());
        } else {
            assert!(widths.windows(2).all(|pair| pair[0] == pair[1]), "{text}");
            widths.clear();
        }
    }
    let cells = |first: &str| -> Vec<String> {
        let line = text.lines().find(|line| line.starts_with(&format!("| {first} ")));
        let line = line.unwrap_or_else(|| panic!("{first}: {text}"));
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    assert_eq!(cells("GPU"), ["GPU", "cuda:0 Fake H1 (sm_90)"]);
    assert_eq!(cells("NVRTC"), ["NVRTC", "13.0"]);
    let proof = cells("lanes-pair");
    assert_eq!((&proof[1], proof[5].parse::<u32>().unwrap() > 0), (&"1".to_owned(), true));
    assert_eq!(cells("Gaussian, 128x128 blocks")[1..4], ["4,096", "1", "lanes-pair"]);
    assert_eq!(cells("pair-lanes")[1..4], ["4,095", "7", "3"]);
    assert_eq!(cells("empty")[1], "500");
    assert_eq!(cells("full")[4], "0", "kernels compiled");
    assert!(
        cells("nvCOMP 6.0.0 ANS, FLOAT8_E4M3")[5].starts_with("failed: nvCOMP decompresses byte 0 as 0x")
    );
    assert_eq!(cells("selftest of lanes-pair, default")[1], "failed");
}

#[test]
fn without_a_library_that_was_named_its_steps_fail_and_say_what_to_name() {
    const TEST: &str =
        "cli::bench::report::tests::without_a_library_that_was_named_its_steps_fail_and_say_what_to_name";
    if !is_child() {
        return fake::run_with(TEST, "any kernel", &[(VARIABLE, "/nowhere/libnvcomp.so.6".as_ref())]);
    }
    let folder = tempfile::tempdir().unwrap();
    let answer = finish(&bench(folder.path())).unwrap();
    let why = answer.json["steps"][NVCOMP]["why"].as_str().unwrap();
    assert!(why.contains("/nowhere/libnvcomp.so.6") && why.contains("pip install"), "{why}");
    // The others were tried.
    assert!(steps(&answer.json).iter().all(|(_, _, tries)| *tries == 1));
}

#[test]
fn a_report_measures_what_is_worth_most_first_and_every_variant_last() {
    let bench = Bench {
        sizes: Vec::new(),
        strategies: vec!["lanes-pair".to_owned(), "gap-wide".to_owned()],
        quick: false,
        nvcomp: Some("x".into()),
        ..bench(Path::new(""))
    };
    let plan = steps::plan(&bench).map_err(|_| "no plan").unwrap();
    let names: Vec<String> = plan.iter().map(|step| step.name()).collect();
    // The paper's scheme comes last, since nothing is compressed in it by default.
    assert_eq!(names[..2], ["selftest of lanes-pair, default", "selftest of gap-wide, default"]);
    assert_eq!(names[2..4], ["lanes-pair on 8 MiB", "gap-wide on 8 MiB"]);
    assert_eq!(
        names[9..12],
        [
            "gap-wide on 512 MiB",
            "tuner for pair-lanes on 218 MiB beside a search of all",
            "tuner for exponent-gap on 218 MiB beside a search of all"
        ]
    );
    assert_eq!(names[12..14], ["loading a model", "pages of K/V caches in F8_E4M3"]);
    assert_eq!(names[16..18], ["updating a layer", "nvCOMP on 8 MiB"]);
    assert_eq!(names[21..], ["selftest of lanes-pair, all variants", "selftest of gap-wide, all variants"]);
    let kinds = plan.iter().filter(|step| step.kind() == kept::Kind::Nvcomp).count();
    assert_eq!((kinds, plan.len()), (4, 23));
}
