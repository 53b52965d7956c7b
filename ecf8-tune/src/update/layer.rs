//! What becomes of each tensor of a layer, and where its streams are.

use super::{ResidentTensor, UpdateError};
use crate::executor::Target;
use crate::model::{Home, LoadedModel, ModelError};
use ecf8_codegen::delta::{ApplyForm, Arranged, Placed, Planes};
use ecf8_codegen::launch::Launch;
use ecf8_codegen::strategy::StrategyError;
use ecf8_core::container::ToldTensor;
use ecf8_core::transform::{Form, Stream, width_of};
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

/// What streams are placed at multiples of.
const ALIGNMENT: usize = 32;

/// A tensor that changes.
struct Change {
    form: Form,
    apply: ApplyForm,
    /// The container's tensors with its streams, in the order of the form.
    streams: Vec<(Stream, String)>,
    base: usize,
    later: usize,
    bytes: usize,
}

/// What becomes of a layer.
#[derive(Default)]
pub(super) struct Planned {
    changes: Vec<Change>,
    /// Tensors of the container that are a tensor's bytes, and where they go.
    stored: Vec<(String, usize)>,
    /// Parts of the base that stay as they are, and where they go.
    pub(super) unchanged: Vec<(Range<usize>, usize)>,
    /// Bytes of the base, and of its later state.
    bytes: usize,
    /// The layer of the container's model with the streams.
    pub(super) layer: Option<usize>,
    /// Parts of that layer's kept tensors, and where they go behind the decoded ones.
    pub(super) kept: Vec<(Range<usize>, usize)>,
    /// Parts of the decoded streams that are a tensor's bytes, and where these go.
    pub(super) whole: Vec<(Range<usize>, usize)>,
    scratch: usize,
    arranged: Arranged,
}

/// Plans all layers.
pub(super) fn plan(
    path: &Path,
    layers: &[Vec<ResidentTensor>],
    told: &HashMap<String, ToldTensor>,
) -> Result<Vec<Planned>, UpdateError> {
    layers.iter().map(|tensors| Planned::new(path, tensors, told)).collect()
}

impl Planned {
    fn new(
        path: &Path,
        tensors: &[ResidentTensor],
        told: &HashMap<String, ToldTensor>,
    ) -> Result<Self, UpdateError> {
        let mut planned = Self::default();
        let by_name: HashMap<&str, &ResidentTensor> =
            tensors.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
        for tensor in tensors {
            let ResidentTensor { name, start, bytes, .. } = tensor;
            planned.bytes = planned.bytes.max(start + bytes);
            let refused =
                |why: String| UpdateError::Tensor { path: path.to_owned(), tensor: name.clone(), why };
            let Some(told) = told.get(name) else {
                planned.stored.push((name.clone(), *start));
                continue;
            };
            let Some(base) = &told.base else {
                return Err(refused("repeats another tensor".to_owned()));
            };
            let base =
                by_name.get(base.as_str()).filter(|base| base.bytes == *bytes && base.dtype == tensor.dtype);
            let base =
                base.ok_or_else(|| refused("is told from one that its layer does not have".to_owned()))?;
            let Some(change) = &told.change else {
                planned.unchanged.push((base.start..base.start + bytes, *start));
                continue;
            };
            let form = change.form(width_of(&tensor.dtype));
            let apply = ApplyForm::of(&form);
            let apply = apply.ok_or_else(|| refused(format!("has numbers of {} bytes", form.width)))?;
            let streams = form.streams().into_iter().map(|stream| (stream, change.tensor(&form, stream)));
            let streams = streams.collect();
            planned.changes.push(Change {
                form,
                apply,
                streams,
                base: base.start,
                later: *start,
                bytes: *bytes,
            });
        }
        Ok(planned)
    }

    /// The container's tensors that the layer needs.
    pub(super) fn streams(&self) -> impl Iterator<Item = &str> {
        let streams =
            self.changes.iter().flat_map(|change| change.streams.iter().map(|(_, name)| name.as_str()));
        streams.chain(self.stored.iter().map(|(name, _)| name.as_str()))
    }

    pub(super) fn forms(&self) -> impl Iterator<Item = ApplyForm> + '_ {
        self.changes.iter().map(|change| change.apply)
    }

    /// Bytes of the base and of its later state.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of the streams.
    pub(super) fn scratch_bytes(&self) -> usize {
        self.scratch
    }

    /// Finds out where the streams will be.
    pub(super) fn place<T: Target>(
        &mut self,
        layer: Option<usize>,
        loaded: &LoadedModel<T>,
    ) -> Result<(), UpdateError> {
        self.layer = layer;
        let (model, number) = (loaded.model(), layer.unwrap_or(usize::MAX));
        let mut end = loaded.layer_bytes(number).next_multiple_of(ALIGNMENT);
        let mut places: HashMap<&str, Range<usize>> = HashMap::new();
        for place in loaded.places(number) {
            let start = match place.home {
                Home::Scratch => place.start,
                Home::Resident => {
                    let start = end;
                    self.kept.push((place.start..place.start + place.bytes, start));
                    end = (start + place.bytes).next_multiple_of(ALIGNMENT);
                    start
                }
            };
            places.insert(model.tensors()[place.tensor].name.as_str(), start..start + place.bytes);
        }
        self.scratch = end;
        let at = |name: &str, bytes: Option<usize>| {
            let found = places.get(name).filter(|place| bytes.is_none_or(|bytes| bytes == place.len()));
            found.cloned().ok_or_else(|| {
                let (path, tensor) = (model.path().to_owned(), name.to_owned());
                UpdateError::from(ModelError::from(ecf8_core::Error::NoTensor { path, tensor }))
            })
        };
        for (name, start) in &self.stored {
            self.whole.push((at(name, None)?, *start));
        }
        // Counts are looked at by the host as well: they tell where warps start.
        let mut counts: Vec<Vec<u8>> = Vec::with_capacity(self.changes.len());
        for change in &self.changes {
            counts.push(match &*change.streams {
                [(Stream::Counts, name), ..] => loaded.read_tensor(name)?,
                _ => Vec::new(),
            });
        }
        let mut placed = Vec::with_capacity(self.changes.len());
        for (change, counts) in self.changes.iter().zip(&counts) {
            let numbers = change.bytes / change.form.width;
            let (mut planes, mut about) = (Vec::new(), Vec::new());
            for (stream, name) in &change.streams {
                match stream {
                    // As long as the kernel takes it to be.
                    Stream::Plane(_) if !change.form.is_sparse => {
                        planes.push(at(name, Some(numbers))?.start as u64);
                    }
                    Stream::Plane(_) => planes.push(at(name, None)?.start as u64),
                    Stream::Counts | Stream::Places => about.push(at(name, None)?.start as u64),
                }
            }
            let sparse = match *about {
                [counts_at, places_at] => Some((&counts[..], counts_at, places_at)),
                _ => None,
            };
            placed.push(Placed {
                form: change.apply,
                numbers: numbers as u64,
                streams: Planes { planes, sparse },
                base: change.base as u64,
                output: change.later as u64,
            });
        }
        placed.sort_by_key(|placed| placed.output);
        self.arranged = Arranged::new(&placed)?;
        Ok(())
    }

    /// The tables that the kernel takes.
    pub(super) fn tables(&self) -> Result<Vec<Vec<u8>>, UpdateError> {
        let mut tables = Vec::new();
        let _: Launch<()> = self.arranged.launch((), (), |bytes| {
            tables.push(bytes);
            Ok::<_, StrategyError>(())
        })?;
        Ok(tables)
    }

    /// The launch, with tables that were uploaded.
    pub(super) fn launch<'b, B>(
        &self,
        streams: &'b B,
        base: &'b B,
        tables: [&'b B; 3],
    ) -> Result<Launch<&'b B>, StrategyError> {
        let mut tables = tables.into_iter();
        self.arranged.launch(streams, base, |_| Ok(tables.next().unwrap_or(streams)))
    }
}
