//! Kernels: what they need, how they are launched, and what running them gives.

use std::sync::Arc;

use super::queue::Work;
use super::{Code, Context, Driver};
use crate::gpu::Launch;
use crate::ptx::Kernel;

/// What a block may have of shared memory without opting in to more.
const UNASKED: i32 = 48 << 10;

/// A kernel that has a handle.
#[derive(Debug)]
pub(super) struct Function {
    kernel: Arc<Kernel>,
    registers: u32,
    /// Most dynamic shared memory of a launch.
    dynamic: i32,
}

/// A launch, with its arguments as they were when it was asked for.
#[derive(Debug)]
pub(crate) struct Launched {
    pub(super) function: u64,
    kernel: Arc<Kernel>,
    grid: u32,
    threads: u32,
    dynamic_shared: usize,
    parameters: Vec<u8>,
}

/// Numbers of attributes of functions.
mod attribute {
    pub(super) const MAX_THREADS: i32 = 0;
    pub(super) const SHARED: i32 = 1;
    pub(super) const CONSTANT: i32 = 2;
    pub(super) const LOCAL: i32 = 3;
    pub(super) const REGISTERS: i32 = 4;
    pub(super) const MAX_DYNAMIC_SHARED: i32 = 8;
    pub(super) const CARVEOUT: i32 = 9;
}

impl Function {
    pub(super) fn new(kernel: Arc<Kernel>, registers: u32) -> Self {
        let dynamic = UNASKED.saturating_sub(shared_of(&kernel));
        Self { kernel, registers, dynamic }
    }
}

fn shared_of(kernel: &Kernel) -> i32 {
    i32::try_from(kernel.static_shared).unwrap_or(i32::MAX)
}

impl Context {
    pub(crate) fn function_attribute(&self, function: u64, attribute: i32) -> Result<i32, Code> {
        let Function { kernel, registers, dynamic } =
            self.functions.get(&function).ok_or(Code::INVALID_HANDLE)?;
        let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        match attribute {
            attribute::MAX_THREADS => Ok(number(kernel.max_threads)),
            attribute::SHARED => Ok(shared_of(kernel)),
            attribute::CONSTANT | attribute::LOCAL => Ok(0),
            attribute::REGISTERS => Ok(number(*registers)),
            attribute::MAX_DYNAMIC_SHARED => Ok(*dynamic),
            _ => Err(Code::INVALID_VALUE),
        }
    }

    pub(crate) fn set_function_attribute(
        &mut self,
        function: u64,
        attribute: i32,
        value: i32,
    ) -> Result<(), Code> {
        let (most, _) = self.settings.shared();
        let function = self.functions.get_mut(&function).ok_or(Code::INVALID_HANDLE)?;
        match attribute {
            attribute::MAX_DYNAMIC_SHARED if value >= 0 && value <= most - shared_of(&function.kernel) => {
                function.dynamic = value;
                Ok(())
            }
            // A wish, in percent, that may be granted or not.
            attribute::CARVEOUT if (-1..=100).contains(&value) => Ok(()),
            _ => Err(Code::INVALID_VALUE),
        }
    }

    /// Where each parameter of a kernel begins, and its size.
    pub(crate) fn parameters(&self, function: u64) -> Result<Vec<(usize, usize)>, Code> {
        Ok(self.functions.get(&function).ok_or(Code::INVALID_HANDLE)?.kernel.parameters.clone())
    }

    pub(crate) fn launch(
        &mut self,
        function: u64,
        grid: u32,
        threads: u32,
        dynamic_shared: u32,
        stream: u64,
        parameters: Vec<u8>,
    ) -> Result<(), Code> {
        let refused = |why: String| {
            Driver::complain(&why);
            Err(Code::INVALID_VALUE)
        };
        let Function { kernel, dynamic, .. } = self.functions.get(&function).ok_or(Code::INVALID_HANDLE)?;
        if grid == 0
            || grid > i32::MAX.cast_unsigned()
            || threads == 0
            || threads > kernel.max_threads.min(1024)
        {
            return refused(format!("{}: {grid} blocks of {threads} threads", kernel.name));
        }
        if parameters.len() != kernel.parameter_bytes() {
            let (given, wanted) = (parameters.len(), kernel.parameter_bytes());
            return refused(format!("{}: {given} bytes of arguments for {wanted}", kernel.name));
        }
        if i32::try_from(dynamic_shared).is_ok_and(|asked| asked > *dynamic) {
            let name = &kernel.name;
            return refused(format!(
                "{name}: {dynamic_shared} bytes of dynamic shared memory, {dynamic} are allowed"
            ));
        }
        let dynamic_shared = usize::try_from(dynamic_shared).unwrap_or(usize::MAX);
        let kernel = kernel.clone();
        let launched = Launched { function, kernel, grid, threads, dynamic_shared, parameters };
        self.ask(stream, Work::Launch(Arc::new(launched)))
    }

    pub(super) fn run(&mut self, launched: &Launched) -> Result<(), Code> {
        let Launched { function, kernel, grid, threads, dynamic_shared, parameters } = launched;
        if !self.functions.contains_key(function) {
            Driver::complain(&format!("{} runs, but its module was unloaded", kernel.name));
            return Err(Code::LAUNCH_FAILED);
        }
        let (grid, threads, dynamic_shared) = (*grid, *threads, *dynamic_shared);
        let before = self.gpu.instructions;
        let ran =
            self.gpu.run(&Launch { kernel, grid, threads, dynamic_shared, parameters }, &mut self.random);
        // Longer than any GPU takes, in proportion to the work: so nobody repeats it to measure it better.
        self.clock_ms += 0.25 + (self.gpu.instructions - before) as f64 / 1e7;
        ran.map_err(|fault| {
            Driver::complain(&fault.to_string());
            Code::from(fault.kind)
        })
    }
}
