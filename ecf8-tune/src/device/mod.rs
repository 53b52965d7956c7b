//! The GPU, through the CUDA driver: memory, launching, replaying, timing.
//!
//! Everything of one [`CudaDevice`] happens in order on one stream, the GPU's default or
//! [the caller's](CudaDevice::on_stream). The driver is looked for at run time; without one, or without a GPU,
//! [`CudaDevice::open`] is a one-line error.
//!
//! Foreign code can't be called without `unsafe`, and in this folder it may be. What makes its safe surface sound: the
//! driver's library and every function used are seen to be there first; what the driver makes is owned by types that
//! release it once, with its context current; the types are cudarc's, but result codes are numbers, so that one invented
//! later is just an error;
//! addresses on the GPU are never turned into Rust references, so that a kernel can't break Rust's rules about them;
//! every copy is checked against both lengths, and waited for before the host's bytes are used again; a cubin is seen
//! to be whole before the driver gets it.
#![allow(unsafe_code)]

mod buffer;
mod context;
mod cublas;
mod cuda_device;
mod driver;
mod error;
mod ffi;
mod graph;
mod info;
mod kernel;
mod neighbour;
mod nvcomp;
mod occupancy;
mod replay;
#[cfg(test)]
pub(crate) mod tests;
mod timing;
mod upload;

pub use buffer::{DeviceBuffer, DeviceCopy};
pub use cublas::{Cublas, CublasError, Product};
pub use cuda_device::CudaDevice;
pub use driver::driver_version;
pub use error::DeviceError;
pub use graph::{DeviceLaunch, Recording};
pub use info::{DeviceInfo, devices};
pub use kernel::{DeviceArg, Function, FunctionNeeds};
pub use nvcomp::{Nvcomp, NvcompError, Packed};
pub use occupancy::{Occupancy, SmLimits, occupancy};
pub use replay::{Replay, Undone};
pub use timing::{CopyBandwidth, Mark};
pub use upload::Fill;
