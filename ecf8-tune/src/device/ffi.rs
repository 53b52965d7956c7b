//! The functions of the CUDA driver that are used, as addresses in its library, and its result codes.
//!
//! The types are cudarc's, made from NVIDIA's `cuda.h`. Its functions are not: they return codes as an enum, and a driver
//! newer than that may send others, which is undefined behaviour. Here codes stay numbers.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};

use cudarc::driver::sys::{
    CUcontext, CUdevice, CUdevice_attribute, CUdeviceptr, CUevent, CUfunction, CUfunction_attribute, CUgraph,
    CUgraphExec, CUmodule, CUresult, CUstream, CUstreamCaptureMode,
};
use libloading::Library;

/// A result code other than success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Code(pub(super) c_int);

/// The result codes that are told apart.
macro_rules! codes {
    ($($name:ident,)*) => {
        impl Code {
            $(pub(super) const $name: Self = Self(CUresult::$name as c_int);)*
        }
    };
}

codes! {
    CUDA_ERROR_OUT_OF_MEMORY,
    CUDA_ERROR_STUB_LIBRARY,
    CUDA_ERROR_DEVICE_UNAVAILABLE,
    CUDA_ERROR_NO_DEVICE,
    CUDA_ERROR_INVALID_IMAGE,
    CUDA_ERROR_NO_BINARY_FOR_GPU,
    CUDA_ERROR_ECC_UNCORRECTABLE,
    CUDA_ERROR_INVALID_PTX,
    CUDA_ERROR_NVLINK_UNCORRECTABLE,
    CUDA_ERROR_JIT_COMPILER_NOT_FOUND,
    CUDA_ERROR_UNSUPPORTED_PTX_VERSION,
    CUDA_ERROR_JIT_COMPILATION_DISABLED,
    CUDA_ERROR_INVALID_SOURCE,
    CUDA_ERROR_NOT_FOUND,
    CUDA_ERROR_ILLEGAL_ADDRESS,
    CUDA_ERROR_LAUNCH_TIMEOUT,
    CUDA_ERROR_CONTEXT_IS_DESTROYED,
    CUDA_ERROR_ASSERT,
    CUDA_ERROR_HARDWARE_STACK_ERROR,
    CUDA_ERROR_ILLEGAL_INSTRUCTION,
    CUDA_ERROR_MISALIGNED_ADDRESS,
    CUDA_ERROR_INVALID_ADDRESS_SPACE,
    CUDA_ERROR_INVALID_PC,
    CUDA_ERROR_LAUNCH_FAILED,
    CUDA_ERROR_NOT_SUPPORTED,
    CUDA_ERROR_EXTERNAL_DEVICE,
    CUDA_ERROR_UNKNOWN,
}

pub(super) fn check(code: c_int) -> Result<(), Code> {
    if code == 0 { Ok(()) } else { Err(Code(code)) }
}

/// A table of functions of a library, each under the name that its header gives it.
macro_rules! functions {
    ($(#[$doc:meta])* $table:ident { $($name:ident($($argument:ty),*);)* }) => {
        $(#[$doc])*
        #[expect(non_snake_case, reason = "the header's names")]
        pub(super) struct $table {
            $(pub(super) $name: unsafe extern "C" fn($($argument),*) -> c_int,)*
        }

        impl std::fmt::Debug for $table {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($table))
            }
        }

        impl $table {
            /// All of them from the library, or the name of the first that it lacks.
            pub(super) fn of(library: &Library) -> Result<Self, &'static str> {
                Ok(Self { $($name: {
                    // SAFETY: the type is what the header gives the function of this name. The address is used no
                    // longer than the library is loaded, since the table's owner keeps it.
                    let found = unsafe { library.get(stringify!($name)) };
                    *found.map_err(|_| stringify!($name))?
                },)* })
            }
        }
    };
}

pub(super) use functions;

functions! {
    /// What there is no doing without.
    Functions {
        cuCtxGetCurrent(*mut CUcontext);
        cuCtxSetCurrent(CUcontext);
        cuDeviceGet(*mut CUdevice, c_int);
        cuDeviceGetAttribute(*mut c_int, CUdevice_attribute, CUdevice);
        cuDeviceGetCount(*mut c_int);
        cuDeviceGetName(*mut c_char, c_int, CUdevice);
        cuDevicePrimaryCtxRelease_v2(CUdevice);
        cuDevicePrimaryCtxRetain(*mut CUcontext, CUdevice);
        cuDeviceTotalMem_v2(*mut usize, CUdevice);
        cuDriverGetVersion(*mut c_int);
        cuEventCreate(*mut CUevent, c_uint);
        cuEventDestroy_v2(CUevent);
        cuEventElapsedTime(*mut f32, CUevent, CUevent);
        cuEventRecord(CUevent, CUstream);
        cuEventSynchronize(CUevent);
        cuFuncGetAttribute(*mut c_int, CUfunction_attribute, CUfunction);
        cuFuncSetAttribute(CUfunction, CUfunction_attribute, c_int);
        cuGetErrorName(c_int, *mut *const c_char);
        cuGetErrorString(c_int, *mut *const c_char);
        cuInit(c_uint);
        cuLaunchKernel(
            CUfunction, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, CUstream, *mut *mut c_void, *mut *mut c_void
        );
        cuMemAllocAsync(*mut CUdeviceptr, usize, CUstream);
        cuMemAlloc_v2(*mut CUdeviceptr, usize);
        cuMemFreeAsync(CUdeviceptr, CUstream);
        cuMemFree_v2(CUdeviceptr);
        cuMemGetInfo_v2(*mut usize, *mut usize);
        cuMemcpyDtoDAsync_v2(CUdeviceptr, CUdeviceptr, usize, CUstream);
        cuMemcpyDtoHAsync_v2(*mut c_void, CUdeviceptr, usize, CUstream);
        cuMemcpyHtoDAsync_v2(CUdeviceptr, *const c_void, usize, CUstream);
        cuMemsetD8Async(CUdeviceptr, u8, usize, CUstream);
        cuModuleGetFunction(*mut CUfunction, CUmodule, *const c_char);
        cuModuleLoadData(*mut CUmodule, *const c_void);
        cuModuleUnload(CUmodule);
        cuStreamSynchronize(CUstream);
    }
}

functions! {
    /// What graphs need besides, which is done without where it is missing.
    GraphFunctions {
        cuGraphDestroy(CUgraph);
        cuGraphExecDestroy(CUgraphExec);
        cuGraphInstantiateWithFlags(*mut CUgraphExec, CUgraph, u64);
        cuGraphLaunch(CUgraphExec, CUstream);
        cuGraphUpload(CUgraphExec, CUstream);
        cuStreamBeginCapture_v2(CUstream, CUstreamCaptureMode);
        cuStreamCreate(*mut CUstream, c_uint);
        cuStreamDestroy_v2(CUstream);
        cuStreamEndCapture(CUstream, *mut CUgraph);
    }
}

functions! {
    /// What tells whether somebody captures a stream; where it is missing nobody does.
    CaptureFunctions {
        cuStreamIsCapturing(CUstream, *mut c_int);
    }
}

functions! {
    /// What host memory needs that the GPU reads by itself, which is done without where it is missing.
    PinningFunctions {
        cuMemFreeHost(*mut c_void);
        cuMemHostAlloc(*mut *mut c_void, usize, c_uint);
    }
}

impl Functions {
    /// The driver's name and words for a code, on one line.
    pub(super) fn describe(&self, code: Code) -> String {
        let text = |ask: unsafe extern "C" fn(c_int, *mut *const c_char) -> c_int| {
            let mut text = std::ptr::null();
            // SAFETY: the functions take any number, and set the pointer to null or to a string.
            let found = check(unsafe { ask(code.0, &raw mut text) });
            // SAFETY: the driver's names and words are static, terminated constants.
            let words = (found.is_ok() && !text.is_null()).then(|| unsafe { CStr::from_ptr(text) });
            words.map(|words| words.to_string_lossy().into_owned())
        };
        let name = text(self.cuGetErrorName).unwrap_or_else(|| format!("CUDA error {}", code.0));
        match text(self.cuGetErrorString) {
            Some(words) => format!("{name}, {words}"),
            None => name,
        }
    }
}
