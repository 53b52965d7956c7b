//! Kernels compiled or fetched, parts uploaded: what is done once, before the first layer is decoded.

use super::{LoadPlan, Model, ModelError, TensorPlan};
use crate::cache::NoPlan;
use crate::executor::{BlockNeeds, CudaExecutor, EmulatorExecutor, ExecutorError, Prepared, Target};
use ecf8_codegen::launch::{Gather, Launch};
use ecf8_codegen::strategy::{BATCH_ALIGNMENT, batch_offsets};
use ecf8_core::Encoded;
use std::collections::HashMap;
use std::sync::Arc;

/// Bytes of a layer beyond which a damaged file is more likely than a buffer that large. Places in a layer fit a
/// `usize`.
const LARGEST: u64 = if usize::BITS < 64 { 1 << 30 } else { 1 << 46 };

/// A model whose compressed parts are in a target's memory, ready to be decoded into any buffer there.
pub struct LoadedModel<T: Target> {
    pub(super) model: Arc<Model>,
    pub(super) target: T,
    plan: LoadPlan,
    kernels: Vec<LoadedKernel<T::Kernel>>,
    pub(super) layers: Vec<LoadedLayer<T>>,
    /// Launches for one tensor that decoding its layer has no use for, made when first asked for.
    pub(super) singles: HashMap<usize, Prepared<T::Kernel, T::Buffer>>,
    notes: Vec<String>,
}

/// A model on a GPU.
pub type CudaModel = LoadedModel<CudaExecutor>;

/// A model on the emulator.
pub type EmulatedModel = LoadedModel<EmulatorExecutor>;

/// The buffer that a tensor is in once its layer is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// The one that its layer was decoded into.
    Scratch,
    /// One of the layer's own, [`LoadedModel::resident`], where it is all the time: it is stored as it is.
    Resident,
}

/// Where a tensor is once its layer is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorLocation {
    /// Index of the tensor in the model.
    pub tensor: usize,
    /// The buffer.
    pub home: Home,
    /// Its first byte there, a multiple of [`BATCH_ALIGNMENT`].
    pub start: usize,
    /// Its length in bytes.
    pub bytes: usize,
}

#[derive(Debug)]
struct LoadedKernel<K> {
    kernel: K,
    needs: BlockNeeds,
}

pub(super) struct LoadedLayer<T: Target> {
    pub(super) places: Vec<TensorLocation>,
    pub(super) steps: Vec<Step<T>>,
    /// Bytes of the buffer that it is decoded into.
    pub(super) bytes: usize,
    /// The tensors that are stored as they are, if there are any.
    pub(super) resident: Option<T::Buffer>,
    /// What is kept of decoding it the last time.
    pub(super) replay: T::Replay,
}

/// A launch of those that decode a layer.
pub(super) struct Step<T: Target> {
    pub(super) launch: Prepared<T::Kernel, T::Buffer>,
    /// The tensors that it gives.
    pub(super) tensors: Vec<usize>,
    /// Where the first of them starts.
    pub(super) start: usize,
    /// The strategy and its parameters, for people.
    pub(super) variant: String,
}

impl Model {
    /// Plans the model for a target by the tuning cache beside it, and loads it there.
    ///
    /// # Errors
    /// As [`Model::load_planned`] and [`LoadPlan::new`].
    pub fn load<T: Target>(self: &Arc<Self>, target: T) -> Result<LoadedModel<T>, ModelError> {
        let plan = LoadPlan::new(self, &target)?;
        self.load_planned(target, plan)
    }

    /// Compiles the kernels of a plan, or fetches them from the kernel cache, and uploads the compressed parts.
    ///
    /// Where a launch would need more than the target has, the plan is made again with the next rung of the ladder, or
    /// with the variant most like the default that fits; [`LoadedModel::notes`] say so.
    ///
    /// # Errors
    /// If a kernel cannot be compiled, a part is damaged, no variant fits the target, there is no memory left, or
    /// someone writes to the model's files.
    pub fn load_planned<T: Target>(
        self: &Arc<Self>,
        target: T,
        plan: LoadPlan,
    ) -> Result<LoadedModel<T>, ModelError> {
        let (planned, tensors) = (plan.tensors().len(), self.tensors().len());
        if planned != tensors {
            return Err(ModelError::OtherPlan { planned, tensors });
        }
        let (kernels, layers, notes) = (Vec::new(), Vec::new(), Vec::new());
        let singles = HashMap::new();
        let mut loaded = LoadedModel { model: self.clone(), target, plan, kernels, layers, singles, notes };
        while let Err((layer, error)) = loaded.load_all() {
            self.check_unchanged()?;
            loaded.plan_again(layer, error)?;
        }
        // Kernels rely on what was checked of the parts before they were uploaded.
        self.check_unchanged()?;
        loaded.target.settle()?;
        loaded.notes.extend(loaded.target.slow_uploads());
        loaded
            .notes
            .extend(self.unknown().map(|one| format!("tensor `{}` is left out: {}", one.name, one.why)));
        Ok(loaded)
    }
}

impl<T: Target> LoadedModel<T> {
    /// Loads what the plan says, from the start. If not, says which layer is to blame, if one is.
    fn load_all(&mut self) -> Result<(), (Option<usize>, ModelError)> {
        self.layers.clear();
        self.notes.clone_from(&self.plan.notes);
        self.load_kernels().map_err(|error| (None, error.into()))?;
        for index in 0..self.model.layers().len() {
            let layer = self.load_layer(index).map_err(|error| (Some(index), error))?;
            self.layers.push(layer);
        }
        Ok(())
    }

    fn load_kernels(&mut self) -> Result<(), ExecutorError> {
        self.kernels.clear();
        let all = self.plan.all_kernels();
        // All at once, so that those which have to be compiled are compiled in parallel.
        for (kernel, report) in all.iter().zip(self.target.compile(all)) {
            let needs = BlockNeeds::of(kernel, report?.as_ref());
            self.kernels.push(LoadedKernel { kernel: self.target.load(kernel)?, needs });
        }
        Ok(())
    }

    /// Makes another plan if it was a launch of this layer that does not fit.
    fn plan_again(&mut self, layer: Option<usize>, error: ModelError) -> Result<(), ModelError> {
        let (layer, variant, why) = match (layer, error) {
            (Some(layer), ModelError::Decode { what, variant, source }) => match *source {
                ExecutorError::Misfit(misfit) => (layer, variant, misfit.to_string()),
                source => return Err(ModelError::Decode { what, variant, source: Box::new(source) }),
            },
            (_, error) => return Err(error),
        };
        self.plan = self.plan.again(&self.model, &self.target, layer, variant, why)?;
        Ok(())
    }

    /// The model that was loaded.
    #[must_use]
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Where it is loaded.
    pub fn target(&mut self) -> &mut T {
        &mut self.target
    }

    /// The variant of each tensor.
    #[must_use]
    pub fn plan(&self) -> &LoadPlan {
        &self.plan
    }

    /// What is not as one would expect, one line each: the plan's notes, and layers that need a launch per tensor for
    /// another reason than their strategy.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// How many kernels decoding a layer launches; 0 for a layer that is not there.
    #[must_use]
    pub fn launches(&self, layer: usize) -> usize {
        let steps = self.layers.get(layer).map_or(&[][..], |layer| &layer.steps);
        steps.iter().map(|step| step.launch.launches()).sum()
    }

    fn load_layer(&mut self, index: usize) -> Result<LoadedLayer<T>, ModelError> {
        let whole = &self.model.layers()[index];
        if whole.bytes > LARGEST {
            return Err(ModelError::TooLarge { layer: whole.name.clone(), bytes: whole.bytes });
        }
        let mut layer = LoadedLayer {
            places: Vec::new(),
            steps: Vec::new(),
            bytes: 0,
            resident: None,
            replay: T::Replay::default(),
        };
        let model = self.model.clone();
        let batches = model.batches(index);
        for group in
            batches.iter().flat_map(|batch| model.launches(batch, self.plan.tensors())).collect::<Vec<_>>()
        {
            self.load_group(&mut layer, index, &group)?;
        }
        let mut kept = Gather::default();
        for &tensor in &model.layers()[index].tensors {
            if model.tensors()[tensor].is_kept {
                let bytes = model.read(tensor)?;
                let (home, length) = (Home::Resident, bytes.len());
                let start = usize::try_from(kept.add(alignment(), bytes)).unwrap_or(usize::MAX);
                layer.places.push(TensorLocation { tensor, home, start, bytes: length });
            } else if self.plan.tensors()[tensor].is_none() {
                layer.places.push(TensorLocation { tensor, home: Home::Scratch, start: 0, bytes: 0 });
            }
        }
        if !kept.is_empty() {
            let what = || format!("what is stored as it is of layer `{}`", model.layers()[index].name);
            let failed = |source| ModelError::Decode {
                what: what(),
                variant: String::new(),
                source: Box::new(source),
            };
            layer.resident = Some(self.target.upload(&kept).map_err(failed)?);
        }
        layer.places.sort_by_key(|place| place.tensor);
        Ok(layer)
    }

    /// Prepares one launch for a group of tensors if their strategy has such, else a launch for each.
    fn load_group(
        &mut self,
        layer: &mut LoadedLayer<T>,
        index: usize,
        group: &[usize],
    ) -> Result<(), ModelError> {
        let model = self.model.clone();
        let (plans, encoded): (Vec<TensorPlan>, Vec<Encoded<'_>>) = group
            .iter()
            .filter_map(|&tensor| {
                Some((self.plan.tensors()[tensor].clone()?, model.compressed(tensor)?.encoded()))
            })
            .unzip();
        let batch: Vec<&Encoded<'_>> = encoded.iter().collect();
        // The kernel is the one for the longest codewords among the tensors'.
        let widest = plans.iter().zip(&batch).max_by_key(|(_, encoded)| encoded.codebooks.widest().max_len());
        let Some((plan, _)) = widest else { return Ok(()) };
        if batch.len() > 1 && plan.strategy.takes_several() {
            match plan.strategy.launch_into(&plan.params, &batch, plan.sink) {
                Ok(launch) => {
                    let offsets = batch_offsets(&batch);
                    let what = || format!("layer `{}`", model.layers()[index].name);
                    let prepared = self.prepare(plan, launch, what, offsets.last().copied())?;
                    let sizes: Vec<_> =
                        group.iter().zip(&batch).map(|(&tensor, encoded)| (tensor, size(encoded))).collect();
                    layer.add(prepared, plan.variant(), &sizes);
                    return Ok(());
                }
                Err(error) => {
                    let name = &model.layers()[index].name;
                    self.notes.push(format!(
                        "layer `{name}` is decoded by {} tensor by tensor: {error}",
                        plan.variant()
                    ));
                }
            }
        }
        for (tensor, encoded) in group.iter().zip(&batch) {
            let prepared = self.prepare_single(*tensor, encoded)?;
            let variant = self.variant(*tensor);
            layer.add(prepared, variant, &[(*tensor, size(encoded))]);
        }
        Ok(())
    }

    /// The launch that decodes one tensor alone.
    pub(super) fn prepare_single(
        &mut self,
        tensor: usize,
        encoded: &Encoded<'_>,
    ) -> Result<Prepared<T::Kernel, T::Buffer>, ModelError> {
        let Some(plan) = self.plan.tensors()[tensor].clone() else {
            let source = NoPlan::NoStrategy { scheme: encoded.scheme.name().to_owned() };
            return Err(ModelError::NoPlan { tensor: self.model.tensors()[tensor].name.clone(), source });
        };
        let launch = plan.strategy.launch_into(&plan.params, &[encoded], plan.sink);
        let launch = launch.map_err(|error| self.failed(tensor, error.into()))?;
        let model = self.model.clone();
        let what = || format!("tensor `{}`", model.tensors()[tensor].name);
        self.prepare(&plan, launch, what, Some(size(encoded) as u64))
    }

    fn prepare(
        &mut self,
        plan: &TensorPlan,
        launch: Launch<Gather<'_>>,
        what: impl Fn() -> String,
        wanted: Option<u64>,
    ) -> Result<Prepared<T::Kernel, T::Buffer>, ModelError> {
        let (found, wanted) = (launch.outputs.first().map_or(0, |slot| slot.bytes), wanted.unwrap_or(0));
        if found != wanted {
            return Err(ModelError::Length { what: what(), variant: plan.variant(), found, wanted });
        }
        let LoadedKernel { kernel, needs } = &self.kernels[plan.kernel];
        Prepared::new(&mut self.target, kernel, needs, launch).map_err(|source| ModelError::Decode {
            what: what(),
            variant: plan.variant(),
            source: Box::new(source),
        })
    }

    /// The strategy and parameters of a tensor, for people.
    pub(super) fn variant(&self, tensor: usize) -> String {
        self.plan.tensors()[tensor].as_ref().map_or(String::new(), TensorPlan::variant)
    }

    /// The error that a tensor cannot be decoded.
    pub(super) fn failed(&self, tensor: usize, source: ExecutorError) -> ModelError {
        let what = format!("tensor `{}`", self.model.tensors()[tensor].name);
        ModelError::Decode { what, variant: self.variant(tensor), source: Box::new(source) }
    }
}

impl<T: Target> LoadedLayer<T> {
    /// Puts tensors of these sizes behind what is there, as one launch writes them.
    fn add(&mut self, launch: Prepared<T::Kernel, T::Buffer>, variant: String, tensors: &[(usize, usize)]) {
        let start = self.bytes.next_multiple_of(alignment());
        let mut end = start;
        for &(tensor, bytes) in tensors {
            let start = end.next_multiple_of(alignment());
            self.places.push(TensorLocation { tensor, home: Home::Scratch, start, bytes });
            end = start + bytes;
        }
        self.bytes = end;
        let tensors = tensors.iter().map(|(tensor, _)| *tensor).collect();
        self.steps.push(Step { launch, tensors, start, variant });
    }
}

/// Bytes of a decoded tensor, at most [`LARGEST`].
fn size(encoded: &Encoded<'_>) -> usize {
    let width = encoded.split.element.bytes as u64;
    usize::try_from(encoded.elements.saturating_mul(width)).unwrap_or(usize::MAX)
}

fn alignment() -> usize {
    usize::try_from(BATCH_ALIGNMENT).unwrap_or(usize::MAX)
}
