//! A compressed model: its tensors and its layers.

use super::ModelError;
use super::held::{Compressed, HeldTensor};
use super::layers::{layer_of, natural};
use ecf8_core::Progress;
use ecf8_core::container::{self, CompressedFile, UnknownTensor};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A compressed model, opened and mapped, or of tensors that somebody holds. Nothing is decoded yet.
#[derive(Debug)]
pub struct Model {
    /// What messages call it, and what a tuning cache is beside.
    path: PathBuf,
    /// Its files, where it has opened some itself.
    container: Option<container::CompressedModel>,
    /// Where each tensor is.
    places: Vec<Place>,
    tensors: Vec<Tensor>,
    layers: Vec<Layer>,
    by_name: HashMap<String, usize>,
}

/// A tensor of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Its name.
    pub name: String,
    /// Its safetensors dtype.
    pub dtype: String,
    /// Its dimensions.
    pub shape: Vec<u64>,
    /// Bytes that it has when decoded.
    pub bytes: u64,
    /// Whether it is stored as it is.
    pub is_kept: bool,
    /// Index of its layer.
    pub layer: usize,
}

/// Where a tensor is.
#[derive(Clone, Debug)]
enum Place {
    /// In this file of the container.
    File(usize),
    /// Somebody holds it.
    Held(HeldTensor),
}

/// A tensor to make a model of.
#[derive(Clone, Debug)]
pub struct NamedTensor {
    /// Its name.
    pub name: String,
    /// Its safetensors dtype.
    pub dtype: String,
    /// Its dimensions.
    pub shape: Vec<u64>,
    /// The tensor.
    pub held: HeldTensor,
}

/// Tensors that are decoded together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// What its tensors have in common, [`layer_of`] their names unless the caller grouped otherwise.
    pub name: String,
    /// Indices of its tensors.
    pub tensors: Vec<usize>,
    /// Bytes that they have when decoded.
    pub bytes: u64,
}

impl Model {
    /// Opens a container or a folder of shards, with layers by [`layer_of`]. Of a folder, the shards that its
    /// `model.safetensors.index.json` names are taken; without one, those in the folder itself; without any, all below it.
    ///
    /// # Errors
    /// If it is no valid container, or a shard is missing, or two shards have the same tensor.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        Self::open_grouped(path, |name| layer_of(name).to_owned())
    }

    /// Opens a container or a folder of shards; tensors to which `layer` gives the same name make a layer. Both tensors and
    /// layers are in the order of their names, numbers in them by value.
    ///
    /// # Errors
    /// As [`Model::open`].
    pub fn open_grouped(path: &Path, layer: impl Fn(&str) -> String) -> Result<Self, ModelError> {
        let container = shards(container::CompressedModel::open(path)?);
        container.files.iter().try_for_each(CompressedFile::require_no_base)?;
        Self::of_container(container, layer)
    }

    /// The tensors of a container as they are in it: of a difference from a base, those that tell it.
    pub(crate) fn of_container(
        container: container::CompressedModel,
        layer: impl Fn(&str) -> String,
    ) -> Result<Self, ModelError> {
        let mut tensors = Vec::new();
        for (file, opened) in container.files.iter().enumerate() {
            tensors.extend(opened.tensors().map(|tensor| {
                let tensor = Tensor {
                    name: tensor.name().to_owned(),
                    dtype: tensor.dtype().to_owned(),
                    shape: tensor.shape().to_vec(),
                    bytes: tensor.original_bytes(),
                    is_kept: false,
                    layer: 0,
                };
                (tensor, Place::File(file))
            }));
            tensors.extend(opened.kept().map(|kept| {
                let tensor = Tensor {
                    name: kept.record.name.clone(),
                    dtype: kept.record.dtype.to_string(),
                    shape: kept.record.shape.clone(),
                    bytes: kept.record.bytes(),
                    is_kept: true,
                    layer: 0,
                };
                (tensor, Place::File(file))
            }));
        }
        tensors.sort_by(|(one, _), (other, _)| natural(&one.name, &other.name));
        let (mut tensors, places): (Vec<_>, Vec<_>) = tensors.into_iter().unzip();
        let layers = group(&mut tensors, layer);
        Self::checked(container.root.clone(), Some(container), places, tensors, layers)
    }

    /// A model of tensors that somebody holds, by layer: tensors and layers keep their order. `path` is what messages call it; if
    /// it is the container that they are from, the tuning cache beside that is used.
    ///
    /// # Errors
    /// If two have the same name, or one is not in the container that it is said to be in.
    pub fn of(path: &Path, layers: Vec<(String, Vec<NamedTensor>)>) -> Result<Self, ModelError> {
        let (mut tensors, mut places, mut made) = (Vec::new(), Vec::new(), Vec::new());
        for (name, members) in layers {
            let mut layer = Layer { name, tensors: Vec::new(), bytes: 0 };
            for NamedTensor { name, dtype, shape, held } in members {
                let Some(encoded) = held.get(&name).map(|tensor| tensor.encoded()) else {
                    return Err(ecf8_core::Error::NoTensor { path: path.to_owned(), tensor: name }.into());
                };
                let bytes = encoded.elements.saturating_mul(encoded.split.element.bytes as u64);
                layer.bytes = layer.bytes.saturating_add(bytes);
                layer.tensors.push(tensors.len());
                tensors.push(Tensor { name, dtype, shape, bytes, is_kept: false, layer: made.len() });
                places.push(Place::Held(held));
            }
            made.push(layer);
        }
        Self::checked(path.to_owned(), None, places, tensors, made)
    }

    fn checked(
        path: PathBuf,
        container: Option<container::CompressedModel>,
        places: Vec<Place>,
        tensors: Vec<Tensor>,
        layers: Vec<Layer>,
    ) -> Result<Self, ModelError> {
        let mut by_name = HashMap::new();
        for (index, tensor) in tensors.iter().enumerate() {
            if by_name.insert(tensor.name.clone(), index).is_some() {
                return Err(ModelError::Twice { path, tensor: tensor.name.clone() });
            }
        }
        Ok(Self { path, container, places, tensors, layers, by_name })
    }

    /// The file or folder, or what it was called.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its tensors.
    #[must_use]
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// Compressed tensors that this version cannot read, which are left out.
    pub fn unknown(&self) -> impl Iterator<Item = &UnknownTensor> {
        self.files().iter().flat_map(CompressedFile::unknown)
    }

    /// Its layers, in the order in which they are walked.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Index of the tensor of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Checks every stored byte against its checksum: damage is found here that decoding might take for data.
    ///
    /// # Errors
    /// What is damaged, by name.
    pub fn verify_integrity(&self, progress: &dyn Progress) -> Result<(), ModelError> {
        Ok(self.files().iter().try_for_each(|file| file.verify_integrity(progress))?)
    }

    /// Checks that no file has changed since the model was opened, so that all bytes which were read of it are of one state.
    /// Loading does this for what it has read. A file that becomes shorter while it is mapped ends the process, unless it
    /// has called [`ecf8_core::map::survive_truncation`].
    ///
    /// # Errors
    /// [`ecf8_core::Error::Changed`], naming one that has.
    pub fn check_unchanged(&self) -> Result<(), ModelError> {
        if let Some(container) = &self.container {
            container.check_unchanged()?;
        }
        let held = self.places.iter().filter_map(|place| match place {
            Place::Held(HeldTensor::File(file, _)) => Some(file),
            _ => None,
        });
        // Neighbours are mostly of one file.
        let mut last = None;
        for file in held.filter(|file| last.replace(Arc::as_ptr(file)) != Some(Arc::as_ptr(file))) {
            file.check_unchanged()?;
        }
        Ok(())
    }

    fn files(&self) -> &[CompressedFile] {
        self.container.as_ref().map_or(&[], |container| &container.files)
    }

    /// The compressed tensor at an index; `None` for one that is kept.
    pub(crate) fn compressed(&self, index: usize) -> Option<Compressed<'_>> {
        match &self.places[index] {
            Place::File(file) => self.files()[*file].tensor(&self.tensors[index].name).map(Compressed::File),
            Place::Held(held) => held.get(&self.tensors[index].name),
        }
    }

    /// The bytes of a tensor, decoded on the CPU if it is compressed; checked.
    pub(crate) fn read(&self, index: usize) -> Result<Cow<'_, [u8]>, ModelError> {
        let name = &self.tensors[index].name;
        Ok(match &self.places[index] {
            Place::File(file) => self.files()[*file].read_tensor(name)?,
            Place::Held(held) => {
                let no_tensor =
                    || ecf8_core::Error::NoTensor { path: self.path.clone(), tensor: name.clone() };
                Cow::Owned(held.get(name).ok_or_else(no_tensor)?.decode()?)
            }
        })
    }
}

/// The model with only those of its files that belong to it: a folder may also hold the same weights in another form, and
/// the folders in it other models.
fn shards(mut container: container::CompressedModel) -> container::CompressedModel {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    if !container.root.is_dir() {
        return container;
    }
    let root = container.root.clone();
    let index = fs::read(root.join("model.safetensors.index.json")).ok();
    // One that names a shard which is not there, or is no index, was refused when the folder was opened.
    let index = index.and_then(|json| serde_json::from_slice::<Index>(&json).ok());
    let named: Option<BTreeSet<PathBuf>> =
        index.map(|index| index.weight_map.values().map(|shard| root.join(shard)).collect());
    let is_shard = |file: &CompressedFile| match &named {
        Some(named) => named.contains(file.path()),
        None => file.path().parent() == Some(&root),
    };
    if container.files.iter().any(is_shard) {
        container.files.retain(is_shard);
    }
    container
}

/// The layers of tensors, which learn their number.
fn group(tensors: &mut [Tensor], layer: impl Fn(&str) -> String) -> Vec<Layer> {
    let mut layers: Vec<Layer> = Vec::new();
    let mut by_name: HashMap<String, usize> = HashMap::new();
    for (index, tensor) in tensors.iter().enumerate() {
        let name = layer(&tensor.name);
        let number = *by_name.entry(name).or_insert_with_key(|name| {
            layers.push(Layer { name: name.clone(), tensors: Vec::new(), bytes: 0 });
            layers.len() - 1
        });
        layers[number].tensors.push(index);
        layers[number].bytes = layers[number].bytes.saturating_add(tensor.bytes);
    }
    layers.sort_by(|one, other| natural(&one.name, &other.name));
    for (number, layer) in layers.iter().enumerate() {
        layer.tensors.iter().for_each(|&index| tensors[index].layer = number);
    }
    layers
}
