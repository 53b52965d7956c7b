//! The driver's result codes.

use std::ffi::{CStr, c_int};

/// What a call that failed returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code(pub(crate) c_int);

macro_rules! codes {
    ($($name:ident = $number:literal $words:literal,)*) => {
        impl Code {
            $(pub(crate) const $name: Self = Self($number);)*

            /// The name and the words for a number.
            pub(crate) fn describe(number: c_int) -> Option<(&'static CStr, &'static CStr)> {
                match number {
                    0 => Some((c"CUDA_SUCCESS", c"no error")),
                    $($number => Some((named(concat!("CUDA_ERROR_", stringify!($name), "\0")), named(concat!($words, "\0")))),)*
                    _ => None,
                }
            }
        }
    };
}

fn named(text: &'static str) -> &'static CStr {
    CStr::from_bytes_until_nul(text.as_bytes()).unwrap_or_default()
}

codes! {
    INVALID_VALUE = 1 "invalid argument",
    OUT_OF_MEMORY = 2 "out of memory",
    NOT_INITIALIZED = 3 "initialization error",
    NO_DEVICE = 100 "no CUDA-capable device is detected",
    INVALID_DEVICE = 101 "invalid device ordinal",
    INVALID_IMAGE = 200 "device kernel image is invalid",
    INVALID_CONTEXT = 201 "invalid device context",
    NO_BINARY_FOR_GPU = 209 "no kernel image is available for execution on the device",
    INVALID_PTX = 218 "a PTX JIT compilation failed",
    INVALID_HANDLE = 400 "invalid resource handle",
    ILLEGAL_STATE = 401 "the operation cannot be performed in the present state",
    NOT_FOUND = 500 "named symbol not found",
    NOT_READY = 600 "device not ready",
    ILLEGAL_ADDRESS = 700 "an illegal memory access was encountered",
    MISALIGNED_ADDRESS = 716 "misaligned address",
    LAUNCH_FAILED = 719 "unspecified launch failure",
    NOT_SUPPORTED = 801 "operation not supported",
    STREAM_CAPTURE_UNSUPPORTED = 900 "operation not permitted when stream is capturing",
    STREAM_CAPTURE_INVALIDATED = 901 "operation failed due to a previous error during capture",
    STREAM_CAPTURE_IMPLICIT = 906 "operation would make the legacy stream depend on a capturing blocking stream",
    CAPTURED_EVENT = 907 "operation not permitted on an event last recorded in a capturing stream",
    STREAM_CAPTURE_WRONG_THREAD = 908 "attempt to terminate a thread-local capture sequence from another thread",
}
