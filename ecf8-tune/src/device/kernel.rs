//! Kernels: from a cubin to a launch.

use std::ffi::{CString, c_int, c_void};
use std::fmt;
use std::ptr::{self, null_mut};
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::sys::{self, CUfunction, CUfunction_attribute as Attribute, CUmodule};

use super::context::Context;
use super::ffi::{Code, check};
use super::occupancy::{SmLimits, occupancy};
use super::{CudaDevice, DeviceBuffer, DeviceError};
use crate::nvrtc::image;

/// A kernel loaded onto one GPU.
#[derive(Clone)]
pub struct Function {
    loaded: Arc<Loaded>,
    entry: String,
    ordinal: u32,
    needs: FunctionNeeds,
    /// Bytes of its parameters, where the cubin tells.
    parameter_bytes: Option<usize>,
}

/// What the driver has loaded, unloaded when dropped.
struct Loaded {
    context: Arc<Context>,
    module: CUmodule,
    function: CUfunction,
    /// How much of a multiprocessor's memory for L1 and shared memory the driver was asked to make shared, in percent.
    carve_out: Mutex<c_int>,
}

// SAFETY: modules and functions may be used from any thread, several at once too.
unsafe impl Send for Loaded {}
// SAFETY: as above.
unsafe impl Sync for Loaded {}

impl Drop for Loaded {
    fn drop(&mut self) {
        if let Ok(_current) = self.context.enter() {
            // SAFETY: the module is live and of the current context, and nobody launches its kernel any more.
            let _ = unsafe { (self.context.driver.cuModuleUnload)(self.module) };
        }
    }
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

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function")
            .field("entry", &self.entry)
            .field("ordinal", &self.ordinal)
            .field("needs", &self.needs)
            .finish_non_exhaustive()
    }
}

impl Loaded {
    fn number(&self, attribute: Attribute) -> Result<u32, Code> {
        let mut value: c_int = 0;
        // SAFETY: the function is live and of the current context, and the pointer is to a live integer.
        check(unsafe { (self.context.driver.cuFuncGetAttribute)(&raw mut value, attribute, self.function) })?;
        Ok(u32::try_from(value).unwrap_or(0))
    }

    fn set(&self, attribute: Attribute, value: c_int) -> Result<(), Code> {
        // SAFETY: the function is live and of the current context.
        check(unsafe { (self.context.driver.cuFuncSetAttribute)(self.function, attribute, value) })
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
    /// Loads the kernel called `entry` from machine code, a cubin, or from PTX, which the driver compiles.
    ///
    /// # Errors
    /// [`DeviceError::BadCubin`] if the bytes are neither or not whole, [`DeviceError::WrongCubin`] if they are for
    /// another architecture or a newer driver, [`DeviceError::NoEntry`], [`DeviceError::Captured`], or what the driver
    /// says.
    pub fn load(&self, image: &[u8], entry: &str) -> Result<Function, DeviceError> {
        let bad = |reason: String| DeviceError::BadCubin { entry: entry.to_owned(), reason };
        // The driver takes the image by pointer alone and believes its header.
        image::check(image).map_err(bad)?;
        let no_entry = |_| DeviceError::NoEntry { entry: entry.replace('\0', "\\0") };
        let name = CString::new(entry).map_err(no_entry)?;
        let _current = self.enter_uncaptured("loading a kernel")?;
        let driver = self.context.driver;
        let (mut module, mut function) = (null_mut(), null_mut());
        // SAFETY: the image was seen to be whole, the context is current, and the driver fills the handle.
        check(unsafe { (driver.cuModuleLoadData)(&raw mut module, image.as_ptr().cast()) })
            .map_err(|code| self.refused(entry, code))?;
        let mut loaded =
            Loaded { context: self.context.clone(), module, function, carve_out: Mutex::default() };
        // SAFETY: the module is live and of the current context, the name is terminated, and the driver fills the handle.
        let found = check(unsafe { (driver.cuModuleGetFunction)(&raw mut function, module, name.as_ptr()) });
        found.map_err(|code| match code {
            Code::CUDA_ERROR_NOT_FOUND => DeviceError::NoEntry { entry: entry.to_owned() },
            _ => self.refused(entry, code),
        })?;
        loaded.function = function;
        let number = |attribute| loaded.number(attribute).map_err(|code| self.refused(entry, code));
        let needs = FunctionNeeds {
            registers: number(Attribute::CU_FUNC_ATTRIBUTE_NUM_REGS)?,
            shared_bytes: number(Attribute::CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES)?,
            local_bytes: number(Attribute::CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES)?,
            max_threads: number(Attribute::CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK)?,
        };
        // All that a launch may ask for is allowed once, here, and launches on several threads need not agree on it.
        let dynamic = self.dynamic_shared_bytes(needs);
        if needs.shared_bytes + dynamic > SHARED_WITHOUT_OPT_IN {
            let dynamic = c_int::try_from(dynamic).unwrap_or(c_int::MAX);
            let allowed = loaded.set(Attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, dynamic);
            allowed.map_err(|code| self.refused(entry, code))?;
        }
        let (ordinal, parameter_bytes) = (self.info().ordinal, image::parameter_bytes(image, entry));
        Ok(Function { loaded: Arc::new(loaded), entry: entry.to_owned(), ordinal, needs, parameter_bytes })
    }

    /// Most dynamic shared memory that a block of a kernel may have.
    fn dynamic_shared_bytes(&self, needs: FunctionNeeds) -> u32 {
        self.info().shared_per_block_bytes.saturating_sub(needs.shared_bytes)
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
        let shared = self.dynamic_shared_bytes(needs);
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
        let _current = self.enter("launching a kernel")?;
        self.carve_out(function, threads, dynamic_shared);

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
        let (handle, stream) = (function.loaded.function, self.stream.handle);
        // SAFETY: the function and the stream are live and of the current context; `extra` is terminated, and the
        // block it points to is `size` bytes long and is copied before the call returns. What the kernel does is
        // confined to device memory, of which no Rust reference exists.
        let launched = check(unsafe {
            let launch = self.context.driver.cuLaunchKernel;
            launch(handle, grid, 1, 1, threads, 1, 1, dynamic_shared, stream, null_mut(), extra.as_mut_ptr())
        });
        launched.map_err(|code| self.fail(doing(), code))
    }

    /// What tells a launch from all others: the kernel's handle, and the arguments as they are passed.
    pub(super) fn identity(
        &self,
        function: &Function,
        args: &[DeviceArg<'_>],
    ) -> Result<(usize, Vec<u8>), DeviceError> {
        self.own("a kernel", function.ordinal)?;
        Ok((function.loaded.function.addr(), self.pack(args)?))
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
        Ok(buffer.device_address() + start as u64)
    }

    /// Asks the driver to leave as much shared memory on a multiprocessor as the blocks need that fit it otherwise, since its
    /// own choice may be for fewer of them. Where a kernel is launched in several ways, the most counts.
    fn carve_out(&self, function: &Function, threads: u32, dynamic_shared: u32) {
        let (info, needs) = (self.info(), function.needs);
        let per_block = needs.shared_bytes + dynamic_shared;
        if per_block == 0 {
            return;
        }
        let blocks = occupancy(info.arch, threads, needs.registers, 0).map_or(u32::MAX, |it| it.blocks);
        let reserved = SmLimits::of(info.arch).map_or(0, |limits| limits.shared_reserved_bytes);
        let wanted = u64::from(blocks) * u64::from(per_block + reserved) * 100;
        let percent = wanted.div_ceil(u64::from(info.shared_per_sm_bytes).max(1)).min(100);
        let percent = c_int::try_from(percent).unwrap_or(100);
        let mut asked = function.loaded.carve_out.lock().unwrap_or_else(PoisonError::into_inner);
        if percent > *asked {
            *asked = percent;
            // A wish: without it the kernel runs as well, if with fewer blocks at once.
            let _ =
                function.loaded.set(Attribute::CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT, percent);
        }
    }

    /// Sorts a refusal to load an image that is whole.
    fn refused(&self, entry: &str, code: Code) -> DeviceError {
        match code {
            // Of other architectures, of newer versions than the driver knows, or with no means to compile them.
            Code::CUDA_ERROR_NO_BINARY_FOR_GPU
            | Code::CUDA_ERROR_INVALID_IMAGE
            | Code::CUDA_ERROR_INVALID_PTX
            | Code::CUDA_ERROR_JIT_COMPILER_NOT_FOUND
            | Code::CUDA_ERROR_UNSUPPORTED_PTX_VERSION
            | Code::CUDA_ERROR_JIT_COMPILATION_DISABLED
            | Code::CUDA_ERROR_INVALID_SOURCE
            | Code::CUDA_ERROR_NOT_SUPPORTED => DeviceError::WrongCubin {
                entry: entry.to_owned(),
                ordinal: self.info().ordinal,
                arch: self.info().arch,
                driver_cuda: self.info().driver_cuda,
                reason: self.context.driver.describe(code),
            },
            _ => self.fail(format!("loading {entry}"), code),
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
