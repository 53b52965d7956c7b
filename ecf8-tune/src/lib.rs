//! What meets the machine: NVRTC, the GPU, the autotuner, and the `ecf8` command line.

pub mod cache;
pub mod cli;
pub mod device;
pub mod executor;
pub mod kernel_cache;
pub mod kv;
pub mod model;
pub mod nvrtc;
pub mod sass;
pub mod tuner;
pub mod update;
