//! The compiled module `ecf8._ecf8` of the Python package: containers read and written, tensors encoded and decoded in
//! memory, and the command line. Everything that people call is Python around it, in `python/ecf8/`.
//!
//! | file | what it does |
//! |---|---|
//! | `file` | an opened container |
//! | `encoded` | one tensor's compressed form, in memory or in a file |
//! | `decoder` | layers of tensors, decoded into one buffer |
//! | `placed`, `loaded` | by the CPU; by the generated kernels, on a GPU or the emulator |
//! | `whole` | files and folders: compressed, restored, verified, inspected |
//! | `options`, `progress` | how it is to be done, and how far it is |
//! | `threads` | work without the interpreter's lock, on threads of this very process |
//! | `error` | Rust's errors as Python's |

#![allow(clippy::needless_pass_by_value, reason = "Python's arguments come as values")]

mod decoder;
mod encoded;
mod error;
mod file;
mod loaded;
mod options;
mod placed;
mod progress;
mod threads;
mod whole;

/// What is compiled of ecf8; its users call the functions of `ecf8`.
#[pyo3::pymodule]
mod _ecf8 {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::decoder::Decoder;
    #[pymodule_export]
    use crate::encoded::{Encoded, encode_all};
    #[pymodule_export]
    use crate::file::File;
    #[pymodule_export]
    use crate::whole::{compress, decompress, inspect, is_container, run_cli, save, verify};

    #[pymodule_init]
    fn add_version(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
