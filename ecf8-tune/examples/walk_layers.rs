//! Loads a compressed model and walks its layers as an inference engine does: the weights stay compressed in the GPU's
//! memory, and each layer is decoded into a buffer just before it is used, while the one before it still is.
//!
//! ```console
//! $ cargo run --release -p ecf8-tune --example walk_layers -- model.ecf8.safetensors
//! $ cargo run --release -p ecf8-tune --example walk_layers      # on a small model that is made first
//! ```
//!
//! It runs on `cuda:0` if there is a GPU, and otherwise on the emulator, which is exact but slow.

use ecf8_codegen::emulator::Checks;
use ecf8_core::container::{self, CompressOptions};
use ecf8_core::synthetic;
use ecf8_tune::executor::{CudaExecutor, EmulatorExecutor, Target};
use ecf8_tune::model::{Model, ModelError};
use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).map(PathBuf::from);
    run(path.as_deref(), &mut std::io::stdout().lock())
}

/// Walks the model at `path`, or one that is made for it, and writes a line per layer.
pub(crate) fn run(path: Option<&Path>, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = match path {
        Some(path) => path.to_owned(),
        None => small_model(folder.path())?,
    };
    // Mapped, not read: what is not needed is never touched.
    let model = Arc::new(Model::open(&path)?);
    match CudaExecutor::open(0) {
        Ok(gpu) => walk(&model, gpu, out),
        Err(error) => {
            writeln!(out, "{error}")?;
            walk(&model, EmulatorExecutor { checks: Checks::Full }, out)
        }
    }
}

/// The same on any target.
fn walk<T: Target>(model: &Arc<Model>, target: T, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    // The plan comes from the tuning cache beside the model, the kernels from the kernel cache, and with both warm
    // nothing is compiled. Then the compressed parts are uploaded, once.
    let mut loaded = model.load(target)?;
    let plan = loaded.plan();
    let rungs: Vec<String> =
        plan.rungs().iter().map(|(rung, tensors)| format!("{rung}: {tensors}")).collect();
    let (kernels, planned) = (plan.kernels(), rungs.join(", "));
    writeln!(out, "{}: {} layers, {kernels} kernels", model.path().display(), model.layers().len())?;
    writeln!(out, "on {}, tensors by rung of the tuning cache: {planned}", loaded.target().describe())?;
    for note in loaded.notes() {
        writeln!(out, "note: {note}")?;
    }
    writeln!(out, "buffers of {} bytes, as the largest layer needs", loaded.scratch_bytes())?;

    // The work with a layer goes where `check_layer` is: `places` tells where in the buffer each of its tensors is, or
    // in the layer's `resident` one, if it is stored as it is. Two buffers take turns. With one, it is `scratch` once,
    // and `decode_layer` for each layer.
    loaded.walk(|loaded, index, buffer| {
        loaded.check_layer(index, buffer)?;
        let (layer, launches) = (&model.layers()[index], loaded.launches(index));
        let (tensors, bytes) = (layer.tensors.len(), layer.bytes);
        writeln!(out, "{}: {tensors} tensors, {bytes} bytes, {launches} launches, exact", layer.name)?;
        Ok::<(), WalkError>(())
    })?;
    Ok(())
}

/// What may end the walk.
#[derive(Debug, thiserror::Error)]
enum WalkError {
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Output(#[from] std::io::Error),
}

/// Makes a model of three layers and compresses it.
fn small_model(folder: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let (input, output) = (folder.join("small.safetensors"), folder.join("small.ecf8.safetensors"));
    std::fs::write(&input, synthetic::safetensors_bytes(&[], &synthetic::demo_model(1, 3, 256))?)?;
    container::compress(&input, &output, &CompressOptions::default(), &())?;
    Ok(output)
}
