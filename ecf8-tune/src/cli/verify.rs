//! `ecf8 verify`: does everything come back, byte for byte?

use super::answer::{Answer, Failure, grouped};
use super::compress::some;
use super::damage;
use super::device::{Device, DeviceParser};
use super::foreign;
use super::kernel::{find_strategy, pair, strategy_names};
use super::progress::Bars;
use crate::cache::{self, Fits, NoPlan, Rung, TuningCache};
use crate::executor::{CudaExecutor, EmulatorExecutor, Executor, ExecutorError, Fingerprint, Timing};
use crate::model;
use crate::tuner::Problem;
use clap::Args;
use ecf8_codegen::emulator::Checks;
use ecf8_codegen::strategy::{Params, Strategy, strategies_for};
use ecf8_core::container::{
    self, Base, BaseNeeded, Check, CompressedFile, CompressedModel, CompressedTensor, OtherFiles, Progress,
};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// Check that a compressed file or folder is intact and that every tensor decodes to the bytes it was made from
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ecf8 verify model.ecf8.safetensors --against model.safetensors\n  \
    ecf8 verify model.ecf8.safetensors --device emulator --all-variants\n  \
    ecf8 verify model.ecf8.safetensors --device cuda:0 --strategy gap-cascade --set bytes_per_thread=16\n  \
    ecf8 verify step-2000.ecf8.safetensors --base step-1000.safetensors\n\n\
    Of what is damaged, everything is told, not only the first: which tensors, in which bytes, and which are good all the\n\
    same. `ecf8 decompress --partial` saves those.")]
pub(super) struct Verify {
    /// Compressed file or folder
    input: PathBuf,
    /// Also compare with the original, byte for byte
    #[arg(long, value_name = "ORIGINAL")]
    against: Option<PathBuf>,
    /// Also restore everything with BASE, which the input was compressed as the difference from; if that is a difference itself, give
    /// its own base behind it by another --base, and so on
    #[arg(long, value_name = "BASE")]
    base: Vec<PathBuf>,
    /// Where to decode: cpu, emulator, or a GPU as cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "cpu", value_parser = DeviceParser, hide_possible_values = true)]
    device: Device,
    /// Decode with this strategy (default: what the tuning cache says, else the first that decodes the tensor's scheme)
    #[arg(long, value_name = "NAME", value_parser = strategy_names())]
    strategy: Option<String>,
    /// Set a tunable of the strategy
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair, requires = "strategy", conflicts_with = "all_variants")]
    set: Vec<(String, String)>,
    /// Decode with every variant of the strategy, or of every strategy
    #[arg(long)]
    all_variants: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// What was done, for the answer.
#[derive(Default)]
struct Tally {
    tensors: u64,
    bytes: u64,
    launches: u64,
    variants: BTreeSet<String>,
    /// Tensors by where their plans came from.
    rungs: BTreeMap<Rung, u64>,
    /// Why records of the tuning cache were not used.
    ignored: BTreeSet<String>,
    /// Tensors that are stored as they were.
    kept: usize,
    /// What is known of the folder's other files.
    others: OtherFiles,
    /// The base that was not looked at, of what is the difference from one.
    needed: Option<BaseNeeded>,
}

/// What is needed to look plans up.
struct Planner {
    cache: TuningCache,
    fingerprint: Fingerprint,
    timing: Timing,
    /// The shape of the launch that decodes a tensor with others of its layer, by the tensor's name.
    problems: HashMap<String, Problem>,
}

impl Planner {
    fn new(input: &Path, executor: &dyn Executor) -> Self {
        let mut cache = TuningCache::open(input);
        super::warn(std::mem::take(&mut cache.warnings));
        let (fingerprint, timing) = (executor.fingerprint(), executor.timing());
        Self { cache, fingerprint, timing, problems: problems(input) }
    }

    /// The variant that the tuning cache has for a tensor, among those that fit; `None` if the tensor has no elements.
    fn plan(
        &self,
        tensor: &CompressedTensor<'_>,
        fits: &mut Fits<'_>,
    ) -> Option<Result<cache::ChosenVariant, NoPlan>> {
        let own = Problem::of(&[&tensor.encoded()])?;
        let problem = self.problems.get(tensor.name()).unwrap_or(&own);
        let (records, bundled) = (&self.cache.records, cache::bundled());
        Some(cache::plan(records, bundled, &self.fingerprint, self.timing, problem, fits))
    }
}

/// What loading the model would launch for each of its tensors; nothing if it is not one model that can be loaded, but for
/// example a folder of several.
fn problems(input: &Path) -> HashMap<String, Problem> {
    let Ok(model) = model::Model::open(input) else { return HashMap::new() };
    let batches = (0..model.layers().len()).flat_map(|layer| model.batches(layer));
    let named = batches.filter_map(|batch| {
        let problem = model.problem(&batch)?;
        Some(batch.into_iter().map(move |index| (index, problem.clone())).collect::<Vec<_>>())
    });
    named.flatten().map(|(index, problem)| (model.tensors()[index].name.clone(), problem)).collect()
}

impl Verify {
    pub(super) fn run(&self) -> Result<Answer, Failure> {
        let mut executor: Option<Box<dyn Executor>> = match self.device {
            Device::Cpu => None,
            Device::Emulator => Some(Box::new(EmulatorExecutor { checks: Checks::Full })),
            Device::Cuda(ordinal) => {
                let hint = |error| Failure::request(format!("{error}; `--device emulator` needs no GPU"));
                Some(Box::new(CudaExecutor::open(ordinal).map_err(hint)?))
            }
        };
        if executor.is_none() && (self.strategy.is_some() || self.all_variants) {
            return Err(Failure::request(
                "the cpu runs no kernels: add `--device emulator` or `--device cuda:0`",
            ));
        }
        let bars = Bars::default();
        let against = self.against.as_deref();
        if let Some(answer) = foreign::verify(&self.input, against, self.device, executor.as_deref_mut())? {
            return Ok(answer);
        }
        let check = container::check(&self.input, &bars)?;
        if !check.is_right() {
            return damage::answer(&self.input, check);
        }
        let Check { model, others, .. } = check;
        let mut tally = Tally { others, ..Tally::default() };
        tally.tensors = model.files.iter().map(|file| file.tensors().len() as u64).sum();
        tally.bytes = tensors(&model).fold(0, |sum, tensor| sum.saturating_add(tensor.original_bytes()));
        if let Some(executor) = &mut executor {
            self.decode_all(&mut **executor, &model, &mut tally, &bars)?;
        }
        let base = if self.base.is_empty() { None } else { Some(Base::open(&self.base)?) };
        match (&base, &self.against) {
            (Some(base), Some(original)) => {
                container::verify_against_beside(&model, base, original, &bars)?;
            }
            (Some(base), None) => container::verify_beside(&model, base, &bars)?,
            (None, Some(original)) => container::verify_against(&model, original, &bars)?,
            (None, None) => {
                tally.needed = model.base_needed();
            }
        }
        tally.kept = model.files.iter().map(|file| file.kept().len()).sum();
        model.check_unchanged()?;
        Ok(self.answer(&executor.map_or_else(|| "cpu".to_owned(), |executor| executor.describe()), &tally))
    }

    /// Decodes all tensors by kernels.
    fn decode_all(
        &self,
        executor: &mut dyn Executor,
        model: &CompressedModel,
        tally: &mut Tally,
        bars: &Bars,
    ) -> Result<(), Failure> {
        let is_planned = self.strategy.is_none() && !self.all_variants;
        let planner = is_planned.then(|| Planner::new(&self.input, executor));
        bars.start("decoding by kernels", tally.bytes);
        for tensor in tensors(model) {
            // The CPU's result was compared with the checksum of the original; the kernels' is with the CPU's.
            let expected = tensor.decode()?;
            let decoded = self.decode_tensor(executor, planner.as_ref(), &tensor, &expected, tally);
            // A kernel is not to blame for a file that changes.
            decoded.map_err(|failure| model.check_unchanged().err().map_or(failure, Failure::from))?;
            bars.advance(tensor.original_bytes());
        }
        bars.finish();
        Ok(())
    }

    /// Decodes a tensor by what was asked for, or by what the tuning cache has for it that fits.
    fn decode_tensor(
        &self,
        executor: &mut dyn Executor,
        planner: Option<&Planner>,
        tensor: &CompressedTensor<'_>,
        expected: &[u8],
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        let mut unfit: BTreeMap<String, String> = BTreeMap::new();
        loop {
            let fits = &mut |strategy: &'static dyn Strategy, params: &Params| match unfit
                .get(&name(strategy, params))
            {
                Some(why) => Err(why.clone()),
                None => Ok(()),
            };
            let plan = planner.and_then(|planner| planner.plan(tensor, fits)).transpose();
            let Some(plan) = plan.map_err(Failure::request)? else { break };
            let decoded = executor.decode(plan.strategy, &plan.params, &tensor.encoded());
            if let Err(ExecutorError::Misfit(misfit)) = decoded {
                unfit.insert(name(plan.strategy, &plan.params), misfit.to_string());
                continue;
            }
            *tally.rungs.entry(plan.rung).or_default() += 1;
            tally.ignored.extend(plan.ignored);
            return self.compare(decoded, tensor, plan.strategy, &plan.params, expected, tally);
        }
        for (strategy, params) in self.variants(tensor)? {
            let decoded = executor.decode(strategy, &params, &tensor.encoded());
            self.compare(decoded, tensor, strategy, &params, expected, tally)?;
        }
        Ok(())
    }

    /// The variants to decode a tensor with.
    fn variants(
        &self,
        tensor: &CompressedTensor<'_>,
    ) -> Result<Vec<(&'static dyn Strategy, Params)>, Failure> {
        let scheme = tensor.scheme().name();
        let mut candidates: Vec<&'static dyn Strategy> = match &self.strategy {
            Some(name) => vec![find_strategy(name)?],
            None => strategies_for(scheme).collect(),
        };
        if candidates.is_empty() {
            return Err(Failure::request(format!("no strategy decodes scheme {scheme}; update the program")));
        }
        if !self.all_variants {
            candidates.truncate(1);
        }
        let mut variants = Vec::new();
        for strategy in candidates {
            if self.all_variants {
                variants.extend(strategy.variants().into_iter().map(|params| (strategy, params)));
            } else {
                variants.push((strategy, strategy.params(&self.set).map_err(Failure::request)?));
            }
        }
        Ok(variants)
    }

    /// Compares what a variant has made of a tensor with what it should be.
    fn compare(
        &self,
        decoded: Result<Vec<u8>, ExecutorError>,
        tensor: &CompressedTensor<'_>,
        strategy: &dyn Strategy,
        params: &Params,
        expected: &[u8],
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        let place = || {
            let device = self.device.to_string();
            format!(
                "{}: tensor `{}` on {device} by {}",
                self.input.display(),
                tensor.name(),
                name(strategy, params)
            )
        };
        let decoded = decoded.map_err(|error| {
            let message = format!("{}: {error}", place());
            match error {
                ExecutorError::Emulator(_) | ExecutorError::Unstable { .. } => Failure::data(message),
                _ => Failure::request(message),
            }
        })?;
        if decoded.len() != expected.len() {
            let (found, wanted) = (decoded.len(), expected.len());
            return Err(Failure::data(format!(
                "{}: {found} bytes instead of {wanted}; report this",
                place()
            )));
        }
        match decoded.iter().zip(expected).position(|(found, wanted)| found != wanted) {
            Some(offset) => Err(Failure::data(format!(
                "{}: byte {offset} is {:#04x} instead of {:#04x}; report this",
                place(),
                decoded[offset],
                expected[offset]
            ))),
            None => {
                tally.launches += 1;
                tally.variants.insert(name(strategy, params));
                Ok(())
            }
        }
    }

    fn answer(&self, device: &str, tally: &Tally) -> Answer {
        let compared = self.against.as_ref();
        let mut text = match tally.tensors {
            0 => format!(
                "{}: intact; no tensor is compressed, the checksums of all {} agree",
                self.input.display(),
                tally.kept
            ),
            tensors => format!(
                "{}: intact; {tensors} tensors ({} bytes) decode exactly on {device}",
                self.input.display(),
                grouped(tally.bytes),
            ),
        };
        if !tally.variants.is_empty() {
            text += &format!(", variants: {}, launches: {}", tally.variants.len(), tally.launches);
        }
        let tuned = tally.rungs.keys().any(|rung| *rung != Rung::Default);
        if tuned {
            let rungs: Vec<_> =
                tally.rungs.iter().map(|(rung, tensors)| format!("{rung}: {tensors}")).collect();
            text += &format!(", tensors by rung of the tuning cache: {}", rungs.join(", "));
        }
        if let Some(base) = self.base.first() {
            text += &format!("; everything is restored with {}", base.display());
        }
        if let Some(original) = compared {
            text += &format!("; identical to {}", original.display());
        }
        match tally.others.checked {
            0 => {}
            1 => text += "; 1 other file is as it was when the folder was compressed",
            checked => {
                text += &format!("; {checked} other files are as they were when the folder was compressed");
            }
        }
        text.push('\n');
        if !tally.others.unknown.is_empty() {
            text += &format!("not checked, no checksum is known: {}\n", some(&tally.others.unknown));
        }
        if let Some(BaseNeeded { name, checksum, .. }) = &tally.needed {
            text += &format!(
                "it is the difference from {name} (checksum {checksum}): `ecf8 verify --base` restores all with that\n"
            );
        }
        for reason in &tally.ignored {
            text += &format!("note: {reason}\n");
        }
        let json = json!({
            "input": self.input.display().to_string(),
            "device": device,
            "tensors": tally.tensors,
            "bytes": tally.bytes,
            "launches": tally.launches,
            "variants": tally.variants,
            "rungs": tally.rungs,
            "ignored": tally.ignored,
            "other_files": tally.others,
            "base": self.base.first().map(|base| base.display().to_string()),
            "base_needed": tally.needed.as_ref().map(|needed| &needed.name),
            "identical_to": compared.map(|original| original.display().to_string()),
            "exact": true,
        });
        Answer { text, json, failure: None }
    }
}

/// The compressed tensors of all files.
fn tensors(model: &CompressedModel) -> impl Iterator<Item = CompressedTensor<'_>> {
    model.files.iter().flat_map(CompressedFile::tensors)
}

/// A variant, for people.
fn name(strategy: &dyn Strategy, params: &Params) -> String {
    format!("{} {params}", strategy.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::logged::Logged;
    use ecf8_core::container::CompressOptions;
    use ecf8_core::synthetic;

    #[test]
    fn a_default_that_does_not_fit_the_device_gives_way_to_a_variant_that_does() {
        let folder = tempfile::tempdir().unwrap();
        let [input, output] = ["m.safetensors", "m.ecf8.safetensors"].map(|name| folder.path().join(name));
        let model = synthetic::demo_model(1, 1, 64);
        std::fs::write(&input, synthetic::safetensors_bytes(&[], &model).unwrap()).unwrap();
        let scheme = ecf8_core::scheme("pair-lanes");
        container::compress(&input, &output, &CompressOptions { scheme, ..Default::default() }, &()).unwrap();
        let verify = Verify {
            input: output.clone(),
            against: None,
            base: Vec::new(),
            device: Device::Emulator,
            strategy: None,
            set: Vec::new(),
            all_variants: false,
            json: false,
        };
        let model = CompressedModel::open(&output).unwrap();
        let tensor = model.files.iter().flat_map(CompressedFile::tensors).next().unwrap();
        let expected = tensor.decode().unwrap();
        let decode = |shared_bytes: u32| {
            let mut target = Logged::with_shared_bytes(shared_bytes);
            let (planner, mut tally) = (Planner::new(&output, &target), Tally::default());
            let done = verify.decode_tensor(&mut target, Some(&planner), &tensor, &expected, &mut tally);
            done.map(|()| tally)
        };
        let variant = |tally: &Tally| tally.variants.iter().next().unwrap().clone();
        let roomy = decode(200 << 10).unwrap();
        assert!(variant(&roomy).contains("warps_per_block=16") && roomy.ignored.is_empty());
        let tight = decode(32 << 10).unwrap();
        assert!(
            variant(&tight).contains("table=argument") && !variant(&tight).contains("warps_per_block=16")
        );
        assert!(tight.ignored.iter().any(|line| line.contains(&variant(&tight))), "{:?}", tight.ignored);
        assert!(decode(64).is_err());
    }
}
