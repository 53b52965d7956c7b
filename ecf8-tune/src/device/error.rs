//! What can go wrong with a GPU.

use thiserror::Error;

use super::ffi::{Code, Functions};
use crate::nvrtc::{Arch, CudaVersion};

/// Why the GPU did not do what it was asked. Every message is one line and ends with what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DeviceError {
    /// The CUDA driver's library is not on this machine.
    #[error(
        "no NVIDIA driver: libcuda.so.1 was not found; install the driver (in a container: start it with --gpus all)"
    )]
    NoDriver,

    /// The library is there, but something that every supported driver has is missing from it.
    #[error(
        "the NVIDIA driver is too old or damaged (libcuda lacks {function}): install release 525 (CUDA 12.0) or later"
    )]
    DriverTooOld {
        /// The missing function.
        function: &'static str,
    },

    /// The library is there, but the driver does not start.
    #[error(
        "the NVIDIA driver does not start ({reason}): look whether `nvidia-smi` works, then reinstall or reboot"
    )]
    DriverBroken {
        /// The driver's code and words.
        reason: String,
    },

    /// The driver works and sees no GPU.
    #[error("no NVIDIA GPU is visible to the driver: look at `nvidia-smi` and CUDA_VISIBLE_DEVICES")]
    NoGpu,

    /// There is no GPU of this number.
    #[error("there is no cuda:{ordinal}: this machine has {count}, counted from cuda:0")]
    NoSuchDevice {
        /// What was asked for.
        ordinal: u32,
        /// How many GPUs there are.
        count: u32,
    },

    /// The GPU has not enough memory left.
    #[error(
        "cuda:{ordinal} has no {bytes} bytes of memory left ({free} of {total} are free): free some or use a smaller tensor"
    )]
    OutOfMemory {
        /// The GPU.
        ordinal: u32,
        /// What was asked for.
        bytes: usize,
        /// What was free.
        free: usize,
        /// What it has.
        total: usize,
    },

    /// A kernel did something forbidden. The process can't use this GPU any further.
    #[error(
        "a kernel failed on cuda:{ordinal} while {doing} ({reason}): start the program again; the kernel is at fault, report it"
    )]
    KernelFault {
        /// The GPU.
        ordinal: u32,
        /// What showed it; the launch itself may lie further back.
        doing: String,
        /// The driver's code and words.
        reason: String,
    },

    /// The GPU stopped answering.
    #[error(
        "cuda:{ordinal} was lost while {doing} ({reason}): look at `nvidia-smi` and the kernel's log, then start again"
    )]
    Lost {
        /// The GPU.
        ordinal: u32,
        /// What was being done.
        doing: String,
        /// The driver's code and words.
        reason: String,
    },

    /// These bytes are no cubin, or a damaged one.
    #[error("the cubin of {entry} can't be loaded: {reason}; compile it again")]
    BadCubin {
        /// The kernel that was wanted from it.
        entry: String,
        /// What is wrong with it.
        reason: String,
    },

    /// The cubin is for another architecture, or for a newer driver.
    #[error(
        "the cubin of {entry} does not fit cuda:{ordinal} ({arch}, driver for CUDA {driver_cuda}; {reason}): compile it for \
         {arch}, with an NVRTC no newer than the driver (`pip install {}`)",
        .driver_cuda.nvrtc_package()
    )]
    WrongCubin {
        /// The kernel that was wanted from it.
        entry: String,
        /// The GPU.
        ordinal: u32,
        /// Its architecture.
        arch: Arch,
        /// The newest CUDA that the driver supports.
        driver_cuda: CudaVersion,
        /// The driver's code and words.
        reason: String,
    },

    /// The cubin has no kernel of this name.
    #[error("the cubin has no kernel called {entry}: declare it extern \"C\" under that name")]
    NoEntry {
        /// The name.
        entry: String,
    },

    /// The launch asks for more than the GPU or the kernel allows.
    #[error(
        "{entry} can't be launched with {asked} {what} (allowed: {least} to {most}): choose other parameters"
    )]
    LaunchLimit {
        /// The kernel.
        entry: String,
        /// Which number is out of range, with its unit.
        what: &'static str,
        /// What was asked for.
        asked: u64,
        /// The least allowed.
        least: u64,
        /// The most allowed.
        most: u64,
    },

    /// The arguments are not those that the kernel takes.
    #[error(
        "{entry} was given {given} bytes of arguments and takes {expected}: pass what its parameters say, in order"
    )]
    Arguments {
        /// The kernel.
        entry: String,
        /// Size of the arguments, each at a multiple of its own size.
        given: usize,
        /// Size of the parameters.
        expected: usize,
    },

    /// Two sizes that must agree don't.
    #[error("{doing}: {given} bytes do not fit a buffer of {room}: give the sizes that belong together")]
    SizeMismatch {
        /// The copy.
        doing: &'static str,
        /// Bytes of the source or the host's side.
        given: usize,
        /// Bytes of the buffer.
        room: usize,
    },

    /// A buffer or kernel of one GPU was used on another.
    #[error("{what} of cuda:{theirs} was used on cuda:{ours}: make it on the GPU that uses it")]
    OtherDevice {
        /// A buffer or a kernel.
        what: &'static str,
        /// The GPU it belongs to.
        theirs: u32,
        /// The GPU it was used on.
        ours: u32,
    },

    /// Somebody captures the stream, and this is nothing that can be recorded.
    #[error(
        "the stream of cuda:{ordinal} is captured as a graph, which {doing} would break: do the same once before the \
         capture begins, so that all it needs is there"
    )]
    Captured {
        /// The GPU.
        ordinal: u32,
        /// What was to be done.
        doing: &'static str,
    },

    /// Any other refusal of the driver.
    #[error(
        "cuda:{ordinal} failed at {doing} ({reason}): look the code up in NVIDIA's documentation of CUresult"
    )]
    Driver {
        /// The GPU.
        ordinal: u32,
        /// What was being done.
        doing: String,
        /// The driver's code and words.
        reason: String,
    },
}

impl DeviceError {
    /// Sorts a refusal by the driver while `doing` something with a GPU.
    pub(super) fn sort(driver: &Functions, ordinal: u32, doing: impl Into<String>, code: Code) -> Self {
        let (doing, reason) = (doing.into(), driver.describe(code));
        match code {
            Code::CUDA_ERROR_ILLEGAL_ADDRESS
            | Code::CUDA_ERROR_ILLEGAL_INSTRUCTION
            | Code::CUDA_ERROR_MISALIGNED_ADDRESS
            | Code::CUDA_ERROR_INVALID_ADDRESS_SPACE
            | Code::CUDA_ERROR_INVALID_PC
            | Code::CUDA_ERROR_HARDWARE_STACK_ERROR
            | Code::CUDA_ERROR_LAUNCH_FAILED
            | Code::CUDA_ERROR_LAUNCH_TIMEOUT
            | Code::CUDA_ERROR_ASSERT => Self::KernelFault { ordinal, doing, reason },
            Code::CUDA_ERROR_DEVICE_UNAVAILABLE
            | Code::CUDA_ERROR_ECC_UNCORRECTABLE
            | Code::CUDA_ERROR_NVLINK_UNCORRECTABLE
            | Code::CUDA_ERROR_CONTEXT_IS_DESTROYED
            | Code::CUDA_ERROR_EXTERNAL_DEVICE
            | Code::CUDA_ERROR_UNKNOWN => Self::Lost { ordinal, doing, reason },
            _ => Self::Driver { ordinal, doing, reason },
        }
    }
}
