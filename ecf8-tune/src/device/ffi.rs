//! The functions of the CUDA driver that are used, as addresses in its library, and its result codes.
//!
//! Codes stay numbers: a driver newer than this file may send codes that no list here has. The types are those of
//! NVIDIA's `cuda.h`, unchanged from CUDA 12.0 to 13.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};

use libloading::Library;

/// A context, stream, event, module, function or graph, which only the driver looks into.
pub(super) type Handle = *mut c_void;

/// An address in a GPU's memory.
pub(super) type Address = u64;

/// A result code other than success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Code(pub(super) c_int);

/// The result codes that are told apart, without their prefix `CUDA_ERROR_`.
macro_rules! codes {
    ($($name:ident = $number:literal),* $(,)?) => {
        impl Code { $(pub(super) const $name: Self = Self($number);)* }
    };
}

codes! {
    OUT_OF_MEMORY = 2,
    STUB_LIBRARY = 34,
    DEVICE_UNAVAILABLE = 46,
    NO_DEVICE = 100,
    INVALID_IMAGE = 200,
    NO_BINARY_FOR_GPU = 209,
    ECC_UNCORRECTABLE = 214,
    INVALID_PTX = 218,
    NVLINK_UNCORRECTABLE = 220,
    JIT_COMPILER_NOT_FOUND = 221,
    UNSUPPORTED_PTX_VERSION = 222,
    JIT_COMPILATION_DISABLED = 223,
    INVALID_SOURCE = 300,
    NOT_FOUND = 500,
    ILLEGAL_ADDRESS = 700,
    LAUNCH_TIMEOUT = 702,
    CONTEXT_IS_DESTROYED = 709,
    ASSERT = 710,
    HARDWARE_STACK_ERROR = 714,
    ILLEGAL_INSTRUCTION = 715,
    MISALIGNED_ADDRESS = 716,
    INVALID_ADDRESS_SPACE = 717,
    INVALID_PC = 718,
    LAUNCH_FAILED = 719,
    NOT_SUPPORTED = 801,
    EXTERNAL_DEVICE = 911,
    UNKNOWN = 999,
}

pub(super) fn check(code: c_int) -> Result<(), Code> {
    if code == 0 { Ok(()) } else { Err(Code(code)) }
}

/// A table of functions, each under the name that `cuda.h` gives it.
macro_rules! functions {
    ($(#[$doc:meta])* $table:ident { $($name:ident($($argument:ty),*);)* }) => {
        $(#[$doc])*
        #[expect(non_snake_case, reason = "the driver's names")]
        pub(super) struct $table {
            $(pub(super) $name: unsafe extern "C" fn($($argument),*) -> c_int,)*
        }

        impl std::fmt::Debug for $table {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($table))
            }
        }

        impl $table {
            /// All of them from the driver's library, or the name of the first that it lacks.
            pub(super) fn of(library: &Library) -> Result<Self, &'static str> {
                Ok(Self { $($name: {
                    // SAFETY: the type is what cuda.h gives the function of this name. The address is used no longer
                    // than the library is loaded, which is for good.
                    let found = unsafe { library.get(stringify!($name)) };
                    *found.map_err(|_| stringify!($name))?
                },)* })
            }
        }
    };
}

functions! {
    /// What there is no doing without.
    Functions {
        cuCtxGetCurrent(*mut Handle);
        cuCtxSetCurrent(Handle);
        cuDeviceGet(*mut c_int, c_int);
        cuDeviceGetAttribute(*mut c_int, c_int, c_int);
        cuDeviceGetCount(*mut c_int);
        cuDeviceGetName(*mut c_char, c_int, c_int);
        cuDevicePrimaryCtxRelease_v2(c_int);
        cuDevicePrimaryCtxRetain(*mut Handle, c_int);
        cuDeviceTotalMem_v2(*mut usize, c_int);
        cuDriverGetVersion(*mut c_int);
        cuEventCreate(*mut Handle, c_uint);
        cuEventDestroy_v2(Handle);
        cuEventElapsedTime(*mut f32, Handle, Handle);
        cuEventRecord(Handle, Handle);
        cuEventSynchronize(Handle);
        cuFuncGetAttribute(*mut c_int, c_int, Handle);
        cuFuncSetAttribute(Handle, c_int, c_int);
        cuGetErrorName(c_int, *mut *const c_char);
        cuGetErrorString(c_int, *mut *const c_char);
        cuInit(c_uint);
        cuLaunchKernel(
            Handle, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, Handle, *mut *mut c_void, *mut *mut c_void
        );
        cuMemAllocAsync(*mut Address, usize, Handle);
        cuMemAlloc_v2(*mut Address, usize);
        cuMemFreeAsync(Address, Handle);
        cuMemFree_v2(Address);
        cuMemGetInfo_v2(*mut usize, *mut usize);
        cuMemcpyDtoDAsync_v2(Address, Address, usize, Handle);
        cuMemcpyDtoHAsync_v2(*mut c_void, Address, usize, Handle);
        cuMemcpyHtoDAsync_v2(Address, *const c_void, usize, Handle);
        cuMemsetD8Async(Address, u8, usize, Handle);
        cuModuleGetFunction(*mut Handle, Handle, *const c_char);
        cuModuleLoadData(*mut Handle, *const c_void);
        cuModuleUnload(Handle);
        cuStreamSynchronize(Handle);
    }
}

functions! {
    /// What graphs need besides, which is done without where it is missing.
    GraphFunctions {
        cuGraphDestroy(Handle);
        cuGraphExecDestroy(Handle);
        cuGraphInstantiateWithFlags(*mut Handle, Handle, u64);
        cuGraphLaunch(Handle, Handle);
        cuGraphUpload(Handle, Handle);
        cuStreamBeginCapture_v2(Handle, c_int);
        cuStreamCreate(*mut Handle, c_uint);
        cuStreamDestroy_v2(Handle);
        cuStreamEndCapture(Handle, *mut Handle);
    }
}

functions! {
    /// What tells whether somebody captures a stream; where it is missing nobody does.
    CaptureFunctions {
        cuStreamIsCapturing(Handle, *mut c_int);
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
