//! A tensor decoded on a target, from its parts to its bytes.

use super::{BlockNeeds, ExecutorError, Prepared, Target};
use ecf8_codegen::strategy::{Coding, Params, Strategy};
use ecf8_core::Encoded;

pub(super) fn decode<T: Target>(
    target: &mut T,
    strategy: &dyn Strategy,
    params: &Params,
    encoded: &Encoded<'_>,
) -> Result<Vec<u8>, ExecutorError> {
    let kernel = strategy.kernel(params, &Coding::of(encoded))?;
    let launch = strategy.launch(params, &[encoded])?;
    let mut bytes = vec![0; usize::try_from(launch.output_bytes()).unwrap_or(usize::MAX)];
    if launch.grid == 0 || bytes.is_empty() {
        return Ok(bytes);
    }
    let needs = BlockNeeds::of(&kernel, None);
    // Before the kernel is compiled in vain.
    target.limits().check(&needs, &launch)?;
    let loaded = target.load(&kernel)?;
    let prepared = Prepared::new(target, &loaded, &needs, launch)?;
    let mut output = target.alloc(bytes.len())?;
    let mut first = Vec::new();
    for &filling in target.fillings() {
        target.fill(&mut output, filling)?;
        prepared.run(target, &mut output, 0)?;
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
