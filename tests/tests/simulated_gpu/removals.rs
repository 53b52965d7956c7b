//! Nothing in a kernel is there for nothing: without any one of its barriers, or of its conditions, the emulator notices,
//! and so does the simulated GPU.

use super::on_simulated_gpu;
use super::parts::Part;
use ecf8_codegen::cuda;
use ecf8_codegen::emulator::{self, Checks};
use ecf8_codegen::ir::Kernel;
use ecf8_codegen::launch::{ALIGNMENT, Arg, Gather, Launch};
use ecf8_codegen::strategy::{Coding, Strategy, strategies};
use ecf8_core::Encoded;
use ecf8_core::corpus::{Case, Tier, corpus};
use ecf8_simcuda::cubin::Cubin;
use ecf8_simcuda::gpu::{self, Gpu, Memory, Random};
use ecf8_simcuda::ptx::Module;
use ecf8_tune::nvrtc::{Arch, CompileRequest, Nvrtc};
use rand::SeedableRng;
use rayon::prelude::*;
use std::collections::{BTreeSet, HashMap};

/// What is not missed: in which strategies, what its text begins with, and why that is so.
const NOT_MISSED: [(&[&str], &str, &str); 9] = [
    (
        &["gap-wide"],
        "if lane_idx() == WARP - 1",
        "the other lanes would load what their neighbours have loaded",
    ),
    (
        &["gap-wide"],
        "&& next >= decoder.word(length + code_at)",
        "no 15 bits reach the bound of the longest codewords, unless a stream is broken",
    ),
    (
        &["lanes-quad", "lanes-triple", "lanes-pair", "lanes-pair6", "lanes-ans"],
        "&& bit + need > staged * WORD",
        "lanes that have ended are no further ahead than the ring has room for; those of lanes-byte are",
    ),
    (
        &["lanes-quad", "lanes-triple", "lanes-pair", "lanes-pair6", "lanes-ans"],
        "if row + BATCH <= columns.count",
        "what is loaded from behind the rows is not used, and packed bits follow, so it is there; not so in lanes-byte",
    ),
    (
        &["lanes-pair6"],
        "&& (self.job.elements & ((VECTOR - 1) as u64)) != 0",
        "a whole last vector would be stored byte by byte; only numbers of several bytes have another order then",
    ),
    (
        &["lanes-ans"],
        "if left > (2 * ahead) as i32",
        "what is loaded from behind packed bits is not used, and a table of at least 2^10 states follows, so it is there",
    ),
    (
        &["lanes-ans"],
        "sync_warp(); let slot",
        "no tensor of the corpus fills a ring that has room for 13 bits of each byte; the same line is missed in lanes-byte",
    ),
    (&["lanes-pair6"], "(if last_is_part { 1u32 } else { 0u32 })", "the same"),
    (&LANES, "if self.tail.extra > bit", "what follows a lane's stream is of no consequence"),
];

const LANES: [&str; 7] =
    ["lanes-quad", "lanes-triple", "lanes-pair", "lanes-pair6", "lanes-byte", "lanes-two-bytes", "lanes-ans"];

/// Most kernels that are compiled to see one part missed.
const MOST_KERNELS: usize = 8;

/// A tensor as one strategy decodes it.
struct Trial<'a> {
    case: &'a Case,
    kernel: Kernel,
    launch: Launch<Gather<'a>>,
}

/// The tensors of the corpus that a strategy decodes, the small ones first, by its default variant; and with no chunk cut,
/// which is the same kernel.
fn trials<'a>(strategy: &dyn Strategy, tensors: &'a [(&'a Case, Encoded<'a>)]) -> Vec<Trial<'a>> {
    let suited = tensors.iter().filter(|(_, encoded)| strategy.schemes().contains(&encoded.scheme.name()));
    let whole = strategy.params(&[("warps_at_once".to_owned(), "1".to_owned())]).ok();
    let variants = [strategy.params(&[]).ok(), whole];
    let mut trials: Vec<Trial<'a>> = suited
        .flat_map(|(case, encoded)| {
            variants.iter().flatten().map(move |params| {
                let kernel = strategy.kernel(params, &Coding::of(encoded)).unwrap();
                Trial { case, kernel, launch: strategy.launch(params, &[encoded]).unwrap() }
            })
        })
        .collect();
    trials.sort_by_key(|trial| trial.case.bytes.len());
    trials
}

/// All tensors of the quick corpus that have elements, under all schemes.
fn tensors(cases: &[Case]) -> Vec<(&Case, Encoded<'_>)> {
    let with = |case| move |scheme: &&'static dyn ecf8_core::Scheme| Case::suits(case, *scheme);
    let pairs = cases.iter().filter(|case| !case.bytes.is_empty()).flat_map(|case| {
        ecf8_core::schemes()
            .iter()
            .copied()
            .filter(with(case))
            .map(move |scheme| (case, case.encode(scheme).unwrap()))
    });
    pairs.collect()
}

/// Has `notices` look at each strategy's kernels without each of their parts: it has to miss all but those listed above, and
/// none of these.
fn assert_missed(notices: impl Fn(&Part, &[Trial<'_>]) -> bool + Sync) {
    let cases = corpus(Tier::Quick);
    let tensors = tensors(&cases);
    let mut wrong = Vec::new();
    let mut known = BTreeSet::new();
    for strategy in strategies() {
        let trials = trials(*strategy, &tensors);
        let mut parts = Vec::new();
        trials.iter().for_each(|trial| Part::add_all(&trial.kernel, &mut parts));
        assert!(parts.len() > 10, "{}", strategy.name());
        let missed: Vec<bool> = parts.par_iter().map(|part| notices(part, &trials)).collect();
        for (part, _) in parts.iter().zip(missed).filter(|(_, missed)| !missed) {
            let listed = NOT_MISSED.iter().position(|(strategies, text, _)| {
                strategies.contains(&strategy.name()) && part.text().starts_with(text)
            });
            match listed {
                Some(listed) => drop(known.insert((listed, strategy.name()))),
                None => wrong.push(format!("{}: {part} is not missed", strategy.name())),
            }
        }
    }
    for (listed, (strategies, text, _)) in NOT_MISSED.iter().enumerate() {
        let missed = strategies.iter().filter(|name| !known.contains(&(listed, **name)));
        wrong.extend(missed.map(|name| format!("{name}: `{text}` is missed, and listed as not")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether the emulator decodes a tensor exactly and sees nothing wrong.
fn is_well_emulated(kernel: &Kernel, trial: &Trial<'_>) -> bool {
    emulator::run(kernel, &trial.launch, Checks::Full).is_ok_and(|out| out.concat() == trial.case.bytes)
}

#[test]
fn the_emulator_notices_any_barrier_and_any_condition_that_is_missing() {
    assert_missed(|part, trials| {
        trials
            .iter()
            .filter_map(|trial| Some((trial, part.removed_from(&trial.kernel)?)))
            .any(|(trial, kernel)| !is_well_emulated(&kernel, trial))
    });
}

/// The PTX of a kernel, as NVRTC and the simulated driver have it.
fn ptx(nvrtc: &Nvrtc, kernel: &Kernel) -> String {
    let source = cuda::source(kernel);
    let arch = Arch::from_capability(9, 0).unwrap();
    let request = CompileRequest { name: "removed.cu", source: &source, arch, options: &[] };
    let image = nvrtc.compile(&request).unwrap().image;
    Cubin::read(&image).unwrap().ptx.unwrap().to_owned()
}

/// Whether the simulated GPU decodes a tensor exactly and sees nothing wrong.
fn is_well_simulated(ptx: &str, name: &str, threads: u32, trial: &Trial<'_>) -> bool {
    let mut memory = Memory::default();
    let module = Module::parse(ptx).unwrap();
    let tables: HashMap<&str, u64> =
        module.globals.iter().map(|table| (table.name, memory.table(table.bytes.clone()))).collect();
    let kernels = module.kernels(&tables).unwrap();
    let kernel = kernels.iter().find(|kernel| kernel.name == name).unwrap();
    let outputs: Vec<u64> = trial
        .launch
        .outputs
        .iter()
        .map(|slot| memory.allocate(usize::try_from(slot.bytes).unwrap()))
        .collect();
    let mut values = Vec::new();
    for arg in &trial.launch.args {
        values.push(match arg {
            Arg::Input(bytes) => {
                let mut content = bytes.copied();
                content.resize(content.len().next_multiple_of(ALIGNMENT), 0);
                let at = memory.allocate(content.len());
                let (into, set) = memory.get_mut(at, content.len()).unwrap();
                into.copy_from_slice(&content);
                set.fill(true);
                at
            }
            Arg::Output(index) => outputs[*index],
            Arg::U32(value) => u64::from(*value),
            Arg::U64(value) => *value,
        });
    }
    let mut parameters = Vec::new();
    for ((start, size), value) in kernel.parameters.iter().zip(values) {
        parameters.resize(*start, 0);
        parameters.extend_from_slice(&value.to_le_bytes()[..*size]);
    }
    let launch = gpu::Launch {
        kernel,
        grid: trial.launch.grid,
        threads,
        dynamic_shared: trial.launch.dynamic_shared_bytes as usize,
        parameters: &parameters,
    };
    let mut gpu = Gpu::new(memory);
    if gpu.run(&launch, &mut Random::seed_from_u64(1)).is_err() {
        return false;
    }
    let slot = &trial.launch.outputs[0];
    let (found, set) = gpu.memory.get(outputs[0], usize::try_from(slot.bytes).unwrap()).unwrap();
    let written = slot.written_of(found.len());
    let mut bytes = Vec::new();
    for range in written {
        if !set[range.clone()].iter().all(|is_set| *is_set) {
            return false;
        }
        bytes.extend_from_slice(&found[range]);
    }
    bytes == trial.case.bytes
}

#[test]
fn the_simulated_gpu_notices_any_barrier_and_any_condition_that_is_missing() {
    const TEST: &str = "removals::the_simulated_gpu_notices_any_barrier_and_any_condition_that_is_missing";
    if !on_simulated_gpu(TEST, &[]) {
        return;
    }
    let nvrtc = Nvrtc::find().unwrap();
    assert_missed(|part, trials| {
        let mut changed: Vec<(&Trial<'_>, Kernel)> =
            trials.iter().filter_map(|trial| Some((trial, part.removed_from(&trial.kernel)?))).collect();
        // That in which the emulator misses it comes first.
        if let Some(at) = changed.iter().position(|(trial, kernel)| !is_well_emulated(kernel, trial)) {
            changed[..=at].rotate_right(1);
        }
        let mut compiled: HashMap<u64, String> = HashMap::new();
        changed.iter().any(|(trial, kernel)| {
            let (hash, count) = (cuda::source_hash(kernel), compiled.len());
            if count == MOST_KERNELS && !compiled.contains_key(&hash) {
                return false;
            }
            let ptx = compiled.entry(hash).or_insert_with(|| ptx(&nvrtc, kernel));
            !is_well_simulated(ptx, &kernel.name, kernel.threads, trial)
        })
    });
}
