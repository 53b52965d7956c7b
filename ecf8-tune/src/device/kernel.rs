//! Kernels: from a cubin to a launch.

use std::ffi::{c_uint, c_void};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cudarc::driver::sys::{self, CUfunction_attribute, CUresult};
use cudarc::driver::{CudaFunction, DriverError};
use cudarc::nvrtc::Ptx;

use super::{CudaDevice, DeviceBuffer, DeviceError};
use crate::nvrtc::elf;

/// A kernel loaded onto one GPU.
#[derive(Clone, Debug)]
pub struct Function {
    function: CudaFunction,
    entry: String,
    ordinal: u32,
    needs: FunctionNeeds,
    /// Bytes of its parameters, where the cubin tells.
    parameter_bytes: Option<usize>,
    /// Dynamic shared memory that the driver was told to allow; 0 is its default of 48 KiB in all.
    allowed: Arc<AtomicU32>,
}

/// What the driver says that a loaded kernel needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionNeeds {
    /// 32-bit registers per thread.
    pub registers: u32,
    /// Bytes of static shared memory per block.
    pub shared_bytes: u32,
    /// Bytes of local memory per thread: stack and spills.
    pub local_bytes: u32,
    /// Most threads per block with which it can be launched.
    pub max_threads: u32,
}

impl Function {
    /// Its name.
    pub fn entry(&self) -> &str {
        &self.entry
    }

    /// What it needs of the GPU.
    pub fn needs(&self) -> FunctionNeeds {
        self.needs
    }
}

/// One argument of a kernel, in the order of its parameters.
#[derive(Clone, Copy, Debug)]
pub enum DeviceArg<'a> {
    /// A pointer to global memory. The kernel may write to it, whatever Rust's borrow says: the host sees device
    /// memory by copies only.
    Buffer(&'a DeviceBuffer),
    /// A pointer into a buffer: to the byte after the given number of them.
    At(&'a DeviceBuffer, usize),
    /// A 32-bit number.
    U32(u32),
    /// A 64-bit number.
    U64(u64),
}

/// What a block may have of shared memory without opting in to more, on every GPU.
const SHARED_WITHOUT_OPT_IN: u32 = 48 * 1024;

impl CudaDevice {
    /// Loads the kernel called `entry` from a cubin.
    ///
    /// # Errors
    /// [`DeviceError::BadCubin`] if the bytes are not a whole cubin, [`DeviceError::WrongCubin`] if it is for
    /// another architecture or a newer driver, [`DeviceError::NoEntry`], or what the driver says.
    pub fn load(&self, cubin: &[u8], entry: &str) -> Result<Function, DeviceError> {
        let bad = |reason: String| DeviceError::BadCubin { entry: entry.to_owned(), reason };
        // The driver takes the image by pointer alone and believes its header.
        elf::check_cubin(cubin).map_err(bad)?;
        if entry.contains('\0') {
            return Err(DeviceError::NoEntry { entry: entry.replace('\0', "\\0") });
        }
        let module = self.context.load_module(Ptx::from_binary(cubin.to_vec()));
        let module = module.map_err(|error| self.refused(entry, error))?;
        let function = module.load_function(entry).map_err(|error| match error.0 {
            CUresult::CUDA_ERROR_NOT_FOUND => DeviceError::NoEntry { entry: entry.to_owned() },
            _ => self.refused(entry, error),
        })?;
        let number = |attribute| -> Result<u32, DeviceError> {
            let value = function.get_attribute(attribute).map_err(|error| self.refused(entry, error))?;
            Ok(u32::try_from(value).unwrap_or(0))
        };
        let needs = FunctionNeeds {
            registers: number(CUfunction_attribute::CU_FUNC_ATTRIBUTE_NUM_REGS)?,
            shared_bytes: number(CUfunction_attribute::CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES)?,
            local_bytes: number(CUfunction_attribute::CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES)?,
            max_threads: number(CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK)?,
        };
        let (ordinal, parameter_bytes) = (self.info().ordinal, elf::parameter_bytes(cubin, entry));
        Ok(Function {
            function,
            entry: entry.to_owned(),
            ordinal,
            needs,
            parameter_bytes,
            allowed: Arc::default(),
        })
    }

    /// Launches `grid` blocks of `threads` threads, each block with `dynamic_shared` bytes of dynamic shared
    /// memory. Returns at once; the kernel runs in order with what else is asked of the GPU.
    ///
    /// A kernel that is wrong may spoil buffers on its GPU or fault there, which a later call reports.
    ///
    /// # Errors
    /// [`DeviceError::LaunchLimit`], [`DeviceError::Arguments`], [`DeviceError::OtherDevice`], or what the driver
    /// says.
    pub fn launch(
        &self,
        function: &Function,
        grid: u32,
        threads: u32,
        dynamic_shared: u32,
        args: &[DeviceArg<'_>],
    ) -> Result<(), DeviceError> {
        /// The widest grid in x, on every GPU.
        const GRID: u64 = (1 << 31) - 1;
        self.own("a kernel", function.ordinal)?;
        let within = |what: &'static str, asked: u64, least: u64, most: u64| {
            let entry = || function.entry.clone();
            let refusal = || DeviceError::LaunchLimit { entry: entry(), what, asked, least, most };
            if (least..=most).contains(&asked) { Ok(()) } else { Err(refusal()) }
        };
        let needs = function.needs;
        let shared = self.info().shared_per_block_bytes.saturating_sub(needs.shared_bytes);
        within("blocks", grid.into(), 1, GRID)?;
        within(
            "threads per block",
            threads.into(),
            1,
            self.info().threads_per_block.min(needs.max_threads).into(),
        )?;
        within("bytes of dynamic shared memory", dynamic_shared.into(), 0, shared.into())?;

        let doing = || format!("launching {}", function.entry);
        let mut parameters = self.pack(args)?;
        let (given, expected) = (parameters.len(), function.parameter_bytes.unwrap_or(parameters.len()));
        if given != expected {
            return Err(DeviceError::Arguments { entry: function.entry.clone(), given, expected });
        }
        self.bind("launching a kernel")?;
        self.allow(function, dynamic_shared).map_err(|error| self.fail(doing(), error))?;

        // The parameters travel as one block of known size, of which the driver reads no more. With the usual array
        // of pointers, too few arguments would have it read past the array's end.
        let mut size = parameters.len();
        let mut extra: [*mut c_void; 5] = [
            ptr::without_provenance_mut(sys::CU_LAUNCH_PARAM_BUFFER_POINTER_AS_INT as usize),
            parameters.as_mut_ptr().cast(),
            ptr::without_provenance_mut(sys::CU_LAUNCH_PARAM_BUFFER_SIZE_AS_INT as usize),
            (&raw mut size).cast(),
            ptr::without_provenance_mut(sys::CU_LAUNCH_PARAM_END_AS_INT as usize),
        ];
        let (handle, stream) = (function.function.cu_function(), self.stream.cu_stream());
        let (x, one): (c_uint, c_uint) = (grid, 1);
        // SAFETY: the function and the stream are live and of the current context; `extra` is terminated, and the
        // block it points to is `size` bytes long and is copied before the call returns. What the kernel does is
        // confined to device memory, of which no Rust reference exists.
        let launched = unsafe {
            sys::cuLaunchKernel(
                handle,
                x,
                one,
                one,
                threads,
                one,
                one,
                dynamic_shared,
                stream,
                ptr::null_mut(),
                extra.as_mut_ptr(),
            )
        };
        launched.result().map_err(|error| self.fail(doing(), error))
    }

    /// What tells a launch from all others: the kernel's handle, and the arguments as they are passed.
    pub(super) fn identity(
        &self,
        function: &Function,
        args: &[DeviceArg<'_>],
    ) -> Result<(usize, Vec<u8>), DeviceError> {
        self.own("a kernel", function.ordinal)?;
        Ok((function.function.cu_function().addr(), self.pack(args)?))
    }

    /// The arguments as the kernel's parameter block: each at a multiple of its own size.
    fn pack(&self, args: &[DeviceArg<'_>]) -> Result<Vec<u8>, DeviceError> {
        let mut block = Vec::with_capacity(8 * args.len());
        for arg in args {
            match arg {
                DeviceArg::Buffer(buffer) => append(&mut block, &self.pointer(buffer, 0)?.to_ne_bytes()),
                DeviceArg::At(buffer, start) => {
                    append(&mut block, &self.pointer(buffer, *start)?.to_ne_bytes());
                }
                DeviceArg::U32(value) => append(&mut block, &value.to_ne_bytes()),
                DeviceArg::U64(value) => append(&mut block, &value.to_ne_bytes()),
            }
        }
        Ok(block)
    }

    /// The address of a byte of a buffer.
    fn pointer(&self, buffer: &DeviceBuffer, start: usize) -> Result<u64, DeviceError> {
        self.own("a buffer", buffer.ordinal())?;
        if start > buffer.len() {
            let doing = "passing a place in a buffer";
            return Err(DeviceError::SizeMismatch { doing, given: start, room: buffer.len() });
        }
        Ok(buffer.address(&self.stream) + start as u64)
    }

    /// Opts in to more shared memory than every GPU gives unasked, if `dynamic_shared` needs it.
    fn allow(&self, function: &Function, dynamic_shared: u32) -> Result<(), DriverError> {
        let unasked = SHARED_WITHOUT_OPT_IN.saturating_sub(function.needs.shared_bytes);
        if dynamic_shared <= unasked.max(function.allowed.load(Ordering::Relaxed)) {
            return Ok(());
        }
        let attribute = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        function.function.set_attribute(attribute, i32::try_from(dynamic_shared).unwrap_or(i32::MAX))?;
        function.allowed.store(dynamic_shared, Ordering::Relaxed);
        Ok(())
    }

    /// Sorts a refusal to load a cubin that is whole.
    fn refused(&self, entry: &str, error: DriverError) -> DeviceError {
        match error.0 {
            CUresult::CUDA_ERROR_NO_BINARY_FOR_GPU
            | CUresult::CUDA_ERROR_INVALID_IMAGE
            | CUresult::CUDA_ERROR_INVALID_SOURCE => DeviceError::WrongCubin {
                entry: entry.to_owned(),
                ordinal: self.info().ordinal,
                arch: self.info().arch,
                driver_cuda: self.info().driver_cuda.clone(),
                reason: super::error::describe(error),
            },
            _ => self.fail(format!("loading {entry}"), error),
        }
    }
}

fn append(block: &mut Vec<u8>, value: &[u8]) {
    block.resize(block.len().next_multiple_of(value.len()), 0);
    block.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_lie_at_multiples_of_their_size() {
        let mut block = Vec::new();
        append(&mut block, &1u32.to_ne_bytes());
        append(&mut block, &2u64.to_ne_bytes());
        append(&mut block, &3u32.to_ne_bytes());
        append(&mut block, &4u32.to_ne_bytes());
        assert_eq!(block.len(), 24);
        assert_eq!(block[8..16], 2u64.to_ne_bytes());
        assert_eq!(block[16..20], 3u32.to_ne_bytes());
    }
}
