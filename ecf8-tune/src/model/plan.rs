//! Which variant decodes which tensor: from the tuning cache, with so few kernels that loading does not wait for them.

use super::fit::Fitting;
use super::{Compressed, Model, ModelError};
use crate::cache::{self, NoPlan, Record, Rung, TuningCache};
use crate::executor::Target;
use crate::tuner::{Problem, nearest_first};
use ecf8_codegen::sink::{Checked, Sink, Store};
use ecf8_codegen::strategy::{Coding, Form, Inlined, Params, Strategy, StrategyError, strategies_for};
use ecf8_codegen::{cuda, ir};
use ecf8_core::Codebook;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The most kernels that a model should need.
pub const MOST_KERNELS: usize = 16;

/// The variant for each tensor of one model on one target, and the kernels that they need.
#[derive(Debug)]
pub struct LoadPlan {
    tensors: Vec<Option<TensorPlan>>,
    /// What is not as one would expect, one line each: damaged caches, records that were not used.
    pub notes: Vec<String>,
    kernels: Vec<ir::Kernel>,
    source: Source,
    /// Variants that were found not to fit the target, and why not.
    unfit: BTreeMap<String, String>,
}

/// What a plan is made from.
#[derive(Clone, Debug)]
struct Source {
    records: Vec<Record>,
    /// What was wrong with the files that they are from.
    warnings: Vec<String>,
    /// Whether kernels tell which tensors are damaged, where they can.
    is_checked: bool,
}

/// The variant for one tensor.
#[derive(Clone, Debug)]
pub struct TensorPlan {
    /// The strategy.
    pub strategy: &'static dyn Strategy,
    /// Its parameters.
    pub params: Params,
    /// Which rung of the tuning cache's ladder it comes from.
    pub rung: Rung,
    /// What that rung would have had it be, where a variant was taken that needs fewer kernels.
    pub instead_of: Option<String>,
    /// Index of its kernel among the plan's.
    pub(super) kernel: usize,
    /// What that kernel does with numbers.
    pub(super) sink: &'static dyn Sink,
}

impl TensorPlan {
    fn new(strategy: &'static dyn Strategy, params: Params, rung: Rung) -> Self {
        Self { strategy, params, rung, instead_of: None, kernel: 0, sink: &Store }
    }

    /// The strategy and its parameters, for people.
    #[must_use]
    pub fn variant(&self) -> String {
        format!("{} {}", self.strategy.name(), self.params)
    }

    /// What of a codebook is compiled into its kernel.
    pub(super) fn inlined(&self) -> Inlined {
        // Parameters in a plan have been checked; if not, the kernel's own error is better than one from here.
        self.strategy.inlined(&self.params).unwrap_or(Inlined::Codebook)
    }

    /// The kernel for a coding, and what it does with numbers: tells of damage, too, if that is wanted and the strategy can.
    fn kernel(
        &self,
        coding: &Coding<'_>,
        is_checked: bool,
    ) -> Result<(ir::Kernel, &'static dyn Sink), StrategyError> {
        if is_checked {
            match self.strategy.kernel_into(&self.params, coding, &Checked) {
                Err(StrategyError::Sink { .. }) => {}
                kernel => return Ok((kernel?, &Checked)),
            }
        }
        Ok((self.strategy.kernel(&self.params, coding)?, &Store))
    }

    /// The same in another variant.
    fn replaced(&self, strategy: &'static dyn Strategy, params: Params) -> Self {
        let instead_of = self.instead_of.clone().unwrap_or_else(|| self.variant());
        let other = Self { strategy, params, ..self.clone() };
        if other.variant() == instead_of {
            return Self { instead_of: None, ..other };
        }
        Self { instead_of: Some(instead_of), ..other }
    }
}

impl LoadPlan {
    /// Plans a model for a target, from the tuning cache beside the model.
    ///
    /// # Errors
    /// If no strategy decodes a tensor, or its kernel cannot be made.
    pub fn new<T: Target>(model: &Model, target: &T) -> Result<Self, ModelError> {
        let mut cache = TuningCache::open(model.path());
        let source = Source {
            warnings: std::mem::take(&mut cache.warnings),
            records: cache.records,
            is_checked: false,
        };
        Self::fitting(model, target, source, Fitting::default())
    }

    /// Plans a model for a target, from these records and those that come with the program.
    ///
    /// What was not measured is decoded by the strategy's default, its tables passed as arguments if it can: then tensors
    /// of several codebooks share a kernel and a launch. If there would be more than [`MOST_KERNELS`] all the same, what was
    /// measured gives way, too.
    ///
    /// # Errors
    /// As [`LoadPlan::new`].
    pub fn from_records<T: Target>(
        model: &Model,
        target: &T,
        records: &[Record],
    ) -> Result<Self, ModelError> {
        let source = Source { records: records.to_vec(), warnings: Vec::new(), is_checked: false };
        Self::fitting(model, target, source, Fitting::default())
    }

    /// The same model planned again after this layer could not be loaded, since the launch of a variant does not fit the
    /// target: without that variant, and without others that would not fit either.
    ///
    /// # Errors
    /// As [`LoadPlan::new`], and if no variant fits.
    pub(super) fn again<T: Target>(
        &self,
        model: &Model,
        target: &T,
        layer: usize,
        variant: String,
        why: String,
    ) -> Result<Self, ModelError> {
        let mut unfit = self.unfit.clone();
        unfit.insert(variant, why);
        let fitting = Fitting::after(unfit, target.limits(), model, layer);
        Self::fitting(model, target, self.source.clone(), fitting)
    }

    /// The same with kernels that say which tensors are [damaged](super::LoadedModel::damaged), where the strategy has such: all but those
    /// for `exponent-gap`, whose codewords are looked at when they are loaded. It takes a few instructions for each warp.
    ///
    /// # Errors
    /// If a kernel cannot be made.
    pub fn checked(mut self, model: &Model) -> Result<Self, ModelError> {
        self.source.is_checked = true;
        self.find_kernels(model)?;
        Ok(self)
    }

    fn fitting<T: Target>(
        model: &Model,
        target: &T,
        source: Source,
        mut fitting: Fitting<'_>,
    ) -> Result<Self, ModelError> {
        let (tensors, ignored) = ladder(model, target, &source.records, &mut fitting)?;
        let notes = source.warnings.iter().cloned().chain(ignored).collect();
        let mut plan = Self { tensors, notes, kernels: Vec::new(), source, unfit: BTreeMap::new() };
        plan.share(model, &mut fitting, |tensor, compressed| {
            tensor.rung == Rung::Default || !tensor.inlined().takes(compressed.codebooks())
        });
        plan.find_kernels(model)?;
        if plan.kernels() > MOST_KERNELS {
            plan.share(model, &mut fitting, |_, _| true);
            plan.find_kernels(model)?;
        }
        if plan.kernels() > MOST_KERNELS {
            plan.unify(model, &mut fitting);
            plan.find_kernels(model)?;
        }
        plan.unfit = fitting.unfit;
        if plan.kernels() > MOST_KERNELS {
            plan.notes.push(format!(
                "{} kernels are needed, more than {MOST_KERNELS}: compress the model with fewer codebooks, or in a scheme \
                 that shares them",
                plan.kernels()
            ));
        }
        Ok(plan)
    }

    /// Per tensor of the model; `None` for those that need no kernel: kept, or without elements.
    #[must_use]
    pub fn tensors(&self) -> &[Option<TensorPlan>] {
        &self.tensors
    }

    /// How many kernels decode the model, whether a layer or a tensor at a time.
    #[must_use]
    pub fn kernels(&self) -> usize {
        self.kernels.len()
    }

    /// Tensors by the rung that their plans come from.
    #[must_use]
    pub fn rungs(&self) -> BTreeMap<Rung, usize> {
        let mut rungs = BTreeMap::new();
        for tensor in self.tensors.iter().flatten() {
            *rungs.entry(tensor.rung).or_default() += 1;
        }
        rungs
    }

    /// Tensors for which a variant was taken that needs fewer kernels than the one from the ladder.
    #[must_use]
    pub fn replaced(&self) -> usize {
        self.tensors.iter().flatten().filter(|tensor| tensor.instead_of.is_some()).count()
    }

    pub(super) fn all_kernels(&self) -> &[ir::Kernel] {
        &self.kernels
    }

    /// Gives tensors the variant next to theirs whose kernel takes any codebook, if there is one.
    fn share(
        &mut self,
        model: &Model,
        fitting: &mut Fitting<'_>,
        which: impl Fn(&TensorPlan, &Compressed<'_>) -> bool,
    ) {
        let mut known: HashMap<(String, &str), Option<Params>> = HashMap::new();
        for (index, tensor) in self.tensors.iter_mut().enumerate() {
            let Some(compressed) = model.compressed(index) else { continue };
            let Some(tensor) = tensor.as_mut().filter(|tensor| which(tensor, &compressed)) else { continue };
            let (strategy, params, scheme) = (tensor.strategy, &tensor.params, compressed.scheme().name());
            let shared = known.entry((tensor.variant(), scheme));
            let shared = shared.or_insert_with(|| nearest_shared(scheme, strategy, params, fitting));
            if let Some(shared) = shared {
                *tensor = tensor.replaced(strategy, shared.clone());
            }
        }
    }

    /// Gives all tensors of a scheme the one variant whose kernel takes any codebook and which most bytes are decoded by.
    fn unify(&mut self, model: &Model, fitting: &mut Fitting<'_>) {
        let mut by_scheme: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for index in (0..self.tensors.len()).filter(|&index| self.tensors[index].is_some()) {
            if let Some(tensor) = model.compressed(index) {
                by_scheme.entry(tensor.scheme().name()).or_default().push(index);
            }
        }
        for (scheme, members) in by_scheme {
            let favourite = self.favourite(model, scheme, &members, fitting);
            let Some((strategy, params)) = favourite else { continue };
            for index in members {
                if let Some(tensor) = &mut self.tensors[index] {
                    *tensor = tensor.replaced(strategy, params.clone());
                }
            }
        }
    }

    /// The variant of the plan that decodes most bytes of these tensors, among those that take any codebook; else the first
    /// such variant of any strategy for the scheme.
    fn favourite(
        &self,
        model: &Model,
        scheme: &str,
        members: &[usize],
        fitting: &mut Fitting<'_>,
    ) -> Option<(&'static dyn Strategy, Params)> {
        let mut bytes: BTreeMap<String, (u64, &TensorPlan)> = BTreeMap::new();
        for &index in members {
            let Some(tensor) = &self.tensors[index] else { continue };
            if tensor.inlined() == Inlined::MaxLen {
                let sum = &mut bytes.entry(tensor.variant()).or_insert((0, tensor)).0;
                *sum = sum.saturating_add(model.tensors()[index].bytes);
            }
        }
        let most = bytes.into_values().max_by_key(|(bytes, _)| *bytes);
        most.map(|(_, tensor)| (tensor.strategy, tensor.params.clone())).or_else(|| {
            strategies_for(scheme).find_map(|strategy| {
                let default = strategy.params(&[]).ok()?;
                Some((strategy, nearest_shared(scheme, strategy, &default, fitting)?))
            })
        })
    }

    /// Builds the kernels that the plan needs, each once, and says which tensor needs which.
    fn find_kernels(&mut self, model: &Model) -> Result<(), ModelError> {
        self.kernels.clear();
        let mut by_key: HashMap<(String, Form, Inside), (usize, &'static dyn Sink)> = HashMap::new();
        let mut by_code: HashMap<u64, usize> = HashMap::new();
        for (index, tensor) in self.tensors.iter_mut().enumerate() {
            let (Some(tensor), Some(compressed)) = (tensor, model.compressed(index)) else { continue };
            let coding = coding(&compressed);
            let key = (tensor.variant(), coding.form(), Inside::of(tensor.inlined(), coding.codebook));
            (tensor.kernel, tensor.sink) = match by_key.get(&key) {
                Some(known) => *known,
                None => {
                    let (kernel, sink) = tensor.kernel(&coding, self.source.is_checked).map_err(|error| {
                        ModelError::Decode {
                            what: format!("tensor `{}`", model.tensors()[index].name),
                            variant: tensor.variant(),
                            source: Box::new(error.into()),
                        }
                    })?;
                    let number = *by_code.entry(cuda::source_hash(&kernel)).or_insert(self.kernels.len());
                    if number == self.kernels.len() {
                        self.kernels.push(kernel);
                    }
                    by_key.insert(key, (number, sink));
                    (number, sink)
                }
            };
        }
        Ok(())
    }
}

/// How a tensor is coded.
pub(super) fn coding<'a>(tensor: &Compressed<'a>) -> Coding<'a> {
    Coding { split: tensor.split(), codebook: tensor.codebooks().widest() }
}

/// What of a codebook a kernel depends on.
#[derive(PartialEq, Eq, Hash)]
enum Inside {
    Codebook(Codebook),
    MaxLen(u8),
}

impl Inside {
    fn of(inlined: Inlined, codebook: &Codebook) -> Self {
        match inlined {
            Inlined::Codebook => Self::Codebook(codebook.clone()),
            Inlined::MaxLen => Self::MaxLen(codebook.max_len()),
        }
    }
}

/// What the ladder of the tuning cache says about each tensor, and why it ignored records.
fn ladder<T: Target>(
    model: &Model,
    target: &T,
    records: &[Record],
    fitting: &mut Fitting<'_>,
) -> Result<(Vec<Option<TensorPlan>>, BTreeSet<String>), ModelError> {
    // With all kernels in the cache NVRTC is not needed, and searching for it takes its time.
    let (fingerprint, timing) = (target.device_fingerprint(), target.timing());
    let mut by_problem: BTreeMap<Problem, Result<TensorPlan, NoPlan>> = BTreeMap::new();
    let mut ignored = BTreeSet::new();
    let mut tensors: Vec<Option<TensorPlan>> = vec![None; model.tensors().len()];
    for batch in (0..model.layers().len()).flat_map(|layer| model.batches(layer)) {
        let Some(problem) = model.problem(&batch) else { continue };
        let planned = by_problem.entry(problem).or_insert_with_key(|problem| {
            let fits = &mut |strategy: &'static dyn Strategy, params: &Params| {
                fitting.check(&problem.scheme, strategy, params)
            };
            let plan = cache::plan(records, cache::bundled(), &fingerprint, timing, problem, fits)?;
            ignored.extend(plan.ignored);
            Ok(TensorPlan::new(plan.strategy, plan.params, plan.rung))
        });
        match planned {
            Ok(planned) => batch.iter().for_each(|&index| tensors[index] = Some(planned.clone())),
            Err(source) => {
                let tensor =
                    batch.first().map_or(String::new(), |&index| model.tensors()[index].name.clone());
                return Err(ModelError::NoPlan { tensor, source: source.clone() });
            }
        }
    }
    Ok((tensors, ignored))
}

/// The variant of a strategy most like another that takes any codebook and fits.
fn nearest_shared(
    scheme: &str,
    strategy: &'static dyn Strategy,
    params: &Params,
    fitting: &mut Fitting<'_>,
) -> Option<Params> {
    nearest_first(strategy, params).into_iter().find(|variant| {
        strategy.inlined(variant).is_ok_and(|inlined| inlined == Inlined::MaxLen)
            && fitting.check(scheme, strategy, variant).is_ok()
    })
}
