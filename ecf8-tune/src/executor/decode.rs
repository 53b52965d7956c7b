//! A tensor decoded on a target, from its parts to its bytes.

use super::{Dispatch, ExecutorError, Target, TargetArg};
use ecf8_codegen::strategy::{Arg, Launch, Params, Strategy};
use ecf8_core::Encoded;

pub(super) fn decode<T: Target>(
    target: &mut T,
    strategy: &dyn Strategy,
    params: &Params,
    encoded: &Encoded<'_>,
) -> Result<Vec<u8>, ExecutorError> {
    let kernel = strategy.kernel(params, &encoded.codebook)?;
    let launch = strategy.launch(params, encoded)?;
    if launch.grid == 0 || launch.output_bytes == 0 {
        return Ok(vec![0; launch.output_bytes]);
    }
    let loaded = target.load(&kernel)?;
    let inputs = upload(target, &launch)?;
    let mut output = target.alloc(launch.output_bytes)?;
    let (mut first, mut bytes) = (Vec::new(), vec![0; launch.output_bytes]);
    for &filling in target.fillings() {
        target.fill(&mut output, filling)?;
        target.launch(&Dispatch {
            kernel: &loaded,
            grid: launch.grid,
            threads: kernel.threads,
            dynamic_shared_bytes: launch.dynamic_shared_bytes,
            args: arguments(&launch, &inputs, &output),
        })?;
        target.download(&output, &mut bytes)?;
        if first.is_empty() {
            first.clone_from(&bytes);
        }
    }
    match bytes.iter().zip(&first).position(|(again, first)| again != first) {
        Some(byte) => Err(ExecutorError::Unstable { kernel: kernel.name, byte }),
        None => Ok(bytes),
    }
}

/// The inputs of a launch on the target, in the order of the arguments; `None` for those that are no inputs.
fn upload<T: Target>(target: &mut T, launch: &Launch<'_>) -> Result<Vec<Option<T::Buffer>>, ExecutorError> {
    let buffers = launch.args.iter().map(|arg| match arg {
        Arg::Input(bytes) => target.upload(bytes).map(Some),
        _ => Ok(None),
    });
    buffers.collect()
}

fn arguments<'a, B>(launch: &Launch<'_>, inputs: &'a [Option<B>], output: &'a B) -> Vec<TargetArg<'a, B>> {
    let args = launch.args.iter().zip(inputs).map(|(arg, input)| match (arg, input) {
        (Arg::U32(value), _) => TargetArg::U32(*value),
        (Arg::U64(value), _) => TargetArg::U64(*value),
        (_, Some(input)) => TargetArg::Buffer(input),
        (_, None) => TargetArg::Buffer(output),
    });
    args.collect()
}
