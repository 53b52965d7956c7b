//! A GPU that is none: the fourth execution.
//!
//! The library is loaded in place of `libcuda.so.1`, and of `libnvrtc.so` besides. The real NVRTC, behind the second name,
//! compiles; its cubins get [a section with their PTX](cubin); the driver checks what real drivers check, and
//! [the GPU](gpu) runs the [PTX](ptx). So the real program with the real compiler does all but what silicon does.
//!
//! It shares no code with the rest of the house: what it says about a kernel it has from NVIDIA's manuals.

mod compiler;
pub mod cubin;
mod driver;
mod exports;
pub mod gpu;
pub mod ptx;
mod settings;
