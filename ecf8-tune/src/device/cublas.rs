//! Matrix products of FP8 by cuBLASLt, as far as to measure a layer's beside what it takes to decode its weights: loaded by hand, and
//! only if somebody asks for such a measurement.
//!
//! A product is what a linear layer computes: `outputs` × `inputs` weights times the numbers of `batch` tokens, both E4M3, summed up in F32,
//! given as BF16. What is declared here is what `cublasLt.h` of CUDA 12 and 13 says.

use std::ffi::{c_int, c_void};
use std::path::{Path, PathBuf};
use std::ptr::null_mut;

use libloading::Library;
use thiserror::Error;

use super::ffi::{check, functions};
use super::{CudaDevice, DeviceBuffer, DeviceError};
use crate::nvrtc::elf;

/// Room for what products need besides: what cuBLAS recommends for Hopper, and less where a GPU has little memory.
const WORKSPACE: u64 = 32 << 20;

/// Names in the versions whose header this is, newest first.
const NAMES: [&str; 2] = ["libcublasLt.so.13", "libcublasLt.so.12"];

/// `CUDA_R_32F`, `CUDA_R_16BF` and `CUDA_R_8F_E4M3` of `library_types.h`.
const F32: c_int = 0;
const BF16: c_int = 14;
const E4M3: c_int = 28;

/// `CUBLAS_COMPUTE_32F`.
const COMPUTE_F32: c_int = 68;

/// `CUBLASLT_MATMUL_DESC_TRANSA` and `…_FAST_ACCUM`, and `CUBLAS_OP_T`.
const TRANSPOSE_A: c_int = 3;
const FAST_SUMS: c_int = 25;
const TRANSPOSED: c_int = 1;

/// `CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES`.
const MAX_WORKSPACE: c_int = 1;

/// FP8 products take numbers of rows and columns that are multiples of this.
const MULTIPLE: usize = 16;

/// Why there is no product. Every message is one line and ends with what to do.
#[derive(Debug, Error)]
pub enum CublasError {
    /// There is no library, or it cannot be loaded.
    #[error("cuBLASLt cannot be loaded ({0}); `pip install nvidia-cublas`, or install the CUDA toolkit")]
    NotLoaded(String),
    /// A function failed.
    #[error(
        "cuBLASLt refused {function} with status {status}; a GPU of compute capability 8.9 or later multiplies FP8"
    )]
    Refused {
        /// The function.
        function: &'static str,
        /// The status of `cublas_api.h`.
        status: c_int,
    },
    /// Sizes that FP8 products do not have.
    #[error(
        "a product of {outputs} x {inputs} weights cannot be computed in FP8; take multiples of {MULTIPLE}"
    )]
    Sizes {
        /// Rows of the weights.
        outputs: usize,
        /// Columns of the weights.
        inputs: usize,
    },
    /// Not cuBLASLt, but the GPU.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

/// `cublasLtMatmulHeuristicResult_t`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Algorithm {
    algorithm: [u64; 8],
    workspace: usize,
    state: c_int,
    waves: f32,
    reserved: [c_int; 4],
}

functions! {
    /// The functions of cuBLASLt that a product takes.
    Functions {
        cublasLtCreate(*mut *mut c_void);
        cublasLtDestroy(*mut c_void);
        cublasLtMatmulDescCreate(*mut *mut c_void, c_int, c_int);
        cublasLtMatmulDescDestroy(*mut c_void);
        cublasLtMatmulDescSetAttribute(*mut c_void, c_int, *const c_void, usize);
        cublasLtMatrixLayoutCreate(*mut *mut c_void, c_int, u64, u64, i64);
        cublasLtMatrixLayoutDestroy(*mut c_void);
        cublasLtMatmulPreferenceCreate(*mut *mut c_void);
        cublasLtMatmulPreferenceDestroy(*mut c_void);
        cublasLtMatmulPreferenceSetAttribute(*mut c_void, c_int, *const c_void, usize);
        cublasLtMatmulAlgoGetHeuristic(
            *mut c_void, *mut c_void, *mut c_void, *mut c_void, *mut c_void, *mut c_void, *mut c_void, c_int,
            *mut Algorithm, *mut c_int
        );
        cublasLtMatmul(
            *mut c_void, *mut c_void, *const f32, u64, *mut c_void, u64, *mut c_void, *const f32, u64, *mut c_void,
            u64, *mut c_void, *const [u64; 8], u64, usize, *mut c_void
        );
    }
}

/// The library, opened on a GPU.
#[derive(Debug)]
pub struct Cublas {
    functions: Functions,
    handle: *mut c_void,
    device: CudaDevice,
    workspace: DeviceBuffer,
    path: PathBuf,
    _library: Library,
}

/// One product, of which only the numbers are open.
#[derive(Debug)]
pub struct Product<'a> {
    cublas: &'a Cublas,
    operation: *mut c_void,
    /// Of the weights, the tokens' numbers, and the results.
    layouts: [*mut c_void; 3],
    algorithm: Algorithm,
    /// Bytes of each of those.
    bytes: [usize; 3],
}

impl Cublas {
    /// Loads the library, from where an NVRTC was found or where the dynamic loader finds it.
    ///
    /// # Errors
    /// [`CublasError::NotLoaded`], or if there is no memory on the GPU.
    pub fn open(device: &CudaDevice, nvrtc: &Path) -> Result<Self, CublasError> {
        let (path, library) = load(nvrtc)?;
        let lacks = |name| CublasError::NotLoaded(format!("{} lacks {name}", path.display()));
        let functions = Functions::of(&library).map_err(lacks)?;
        let workspace = WORKSPACE.min(device.info().memory_bytes / 64);
        let workspace = device.alloc(usize::try_from(workspace).unwrap_or(0))?;
        let mut handle = null_mut();
        {
            let _current = device.enter("opening cuBLASLt")?;
            // SAFETY: the pointer is to a live variable, and the GPU's context is current.
            ask("cublasLtCreate", unsafe { (functions.cublasLtCreate)(&raw mut handle) })?;
        }
        Ok(Self { functions, handle, device: device.clone(), workspace, path, _library: library })
    }

    /// The library's file, or the name that the loader knew.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Chooses how to multiply `outputs` × `inputs` weights with the numbers of `batch` tokens, which is rounded up to 16.
    ///
    /// # Errors
    /// [`CublasError::Sizes`], or [`CublasError::Refused`] where the GPU has no such product.
    pub fn product(&self, outputs: usize, inputs: usize, batch: usize) -> Result<Product<'_>, CublasError> {
        if !outputs.is_multiple_of(MULTIPLE) || !inputs.is_multiple_of(MULTIPLE) {
            return Err(CublasError::Sizes { outputs, inputs });
        }
        let batch = batch.next_multiple_of(MULTIPLE);
        let bytes = [outputs * inputs, batch * inputs, 2 * batch * outputs];
        let layouts = [null_mut(); 3];
        // From here on what was made is destroyed with it.
        let mut product =
            Product { cublas: self, operation: null_mut(), layouts, algorithm: Algorithm::default(), bytes };
        let functions = &self.functions;
        let _current = self.device.enter("choosing a matrix product")?;
        // SAFETY: the pointer is to a live variable.
        ask("cublasLtMatmulDescCreate", unsafe {
            (functions.cublasLtMatmulDescCreate)(&raw mut product.operation, COMPUTE_F32, F32)
        })?;
        product.set(TRANSPOSE_A, &TRANSPOSED)?;
        product.set(FAST_SUMS, &1_i8)?;
        // Columns lie behind each other: rows of weights and of tokens are columns here.
        let shapes = [(E4M3, inputs, outputs), (E4M3, inputs, batch), (BF16, outputs, batch)];
        for (layout, (dtype, rows, columns)) in product.layouts.iter_mut().zip(shapes) {
            let step = i64::try_from(rows).unwrap_or(i64::MAX);
            // SAFETY: as above.
            ask("cublasLtMatrixLayoutCreate", unsafe {
                (functions.cublasLtMatrixLayoutCreate)(layout, dtype, rows as u64, columns as u64, step)
            })?;
        }
        product.choose()?;
        Ok(product)
    }
}

impl Drop for Cublas {
    fn drop(&mut self) {
        // SAFETY: it was made by this library, and products that use it live no longer.
        let _ = unsafe { (self.functions.cublasLtDestroy)(self.handle) };
    }
}

impl Product<'_> {
    fn set<T>(&mut self, attribute: c_int, value: &T) -> Result<(), CublasError> {
        let set = self.cublas.functions.cublasLtMatmulDescSetAttribute;
        // SAFETY: the descriptor is live, and the value is read before the call returns, of the attribute's own type.
        ask("cublasLtMatmulDescSetAttribute", unsafe {
            set(self.operation, attribute, (&raw const *value).cast(), size_of::<T>())
        })
    }

    /// The algorithm that cuBLASLt thinks fastest.
    fn choose(&mut self) -> Result<(), CublasError> {
        let functions = &self.cublas.functions;
        let mut preference = null_mut();
        // SAFETY: the pointer is to a live variable.
        ask("cublasLtMatmulPreferenceCreate", unsafe {
            (functions.cublasLtMatmulPreferenceCreate)(&raw mut preference)
        })?;
        let room = self.cublas.workspace.len() as u64;
        let [weights, tokens, results] = self.layouts;
        let mut found = 0;
        // SAFETY: the preference is live, and the value is read before the call returns.
        let limited = unsafe {
            let set = functions.cublasLtMatmulPreferenceSetAttribute;
            set(preference, MAX_WORKSPACE, (&raw const room).cast(), size_of::<u64>())
        };
        // SAFETY: descriptor, layouts and preference are live; there is room for the one result that is asked for.
        let chosen = unsafe {
            (functions.cublasLtMatmulAlgoGetHeuristic)(
                self.cublas.handle,
                self.operation,
                weights,
                tokens,
                results,
                results,
                preference,
                1,
                &raw mut self.algorithm,
                &raw mut found,
            )
        };
        // SAFETY: it was made above and is not used any more.
        let _ = unsafe { (functions.cublasLtMatmulPreferenceDestroy)(preference) };
        ask("cublasLtMatmulPreferenceSetAttribute", limited)?;
        ask("cublasLtMatmulAlgoGetHeuristic", chosen)?;
        let status = self.algorithm.state;
        if found == 0 || status != 0 {
            return Err(CublasError::Refused { function: "cublasLtMatmulAlgoGetHeuristic", status });
        }
        Ok(())
    }

    /// Bytes of the weights, of the tokens' numbers, and of the results.
    pub fn bytes(&self) -> [usize; 3] {
        self.bytes
    }

    /// Multiplies; only queues the work. Weights start at byte `start` of their buffer, a multiple of 16.
    ///
    /// # Errors
    /// [`CublasError::Refused`], or [`DeviceError`] for a buffer that is too short or another GPU's.
    pub fn multiply(
        &self,
        weights: (&DeviceBuffer, usize),
        tokens: &DeviceBuffer,
        results: &DeviceBuffer,
    ) -> Result<(), CublasError> {
        let (one, zero) = (1.0_f32, 0.0_f32);
        let device = &self.cublas.device;
        let parts = [weights, (tokens, 0), (results, 0)];
        for ((buffer, start), bytes) in parts.into_iter().zip(self.bytes) {
            device.own("a buffer", buffer.ordinal())?;
            if start.checked_add(bytes).is_none_or(|end| end > buffer.len()) {
                return Err(CublasError::Refused {
                    function: "cublasLtMatmul (a buffer is too short)",
                    status: 7,
                });
            }
        }
        let [weights, tokens, results] = parts.map(|(buffer, start)| buffer.device_address() + start as u64);
        let layouts = self.layouts;
        let _current = device.enter("multiplying matrices")?;
        // SAFETY: descriptor and layouts are live and fit the buffers' lengths, which were compared above; these and the workspace are live, of the
        // current context, and used again only in the order of its stream. The two factors are read before the call returns.
        let status = unsafe {
            (self.cublas.functions.cublasLtMatmul)(
                self.cublas.handle,
                self.operation,
                &raw const one,
                weights,
                layouts[0],
                tokens,
                layouts[1],
                &raw const zero,
                results,
                layouts[2],
                results,
                layouts[2],
                &raw const self.algorithm.algorithm,
                self.cublas.workspace.device_address(),
                self.cublas.workspace.len(),
                device.stream.handle.cast(),
            )
        };
        ask("cublasLtMatmul", status)
    }
}

impl Drop for Product<'_> {
    fn drop(&mut self) {
        let functions = &self.cublas.functions;
        for layout in self.layouts.into_iter().filter(|layout| !layout.is_null()) {
            // SAFETY: it was made by this library and is not used any more.
            let _ = unsafe { (functions.cublasLtMatrixLayoutDestroy)(layout) };
        }
        if !self.operation.is_null() {
            // SAFETY: as above.
            let _ = unsafe { (functions.cublasLtMatmulDescDestroy)(self.operation) };
        }
    }
}

fn ask(function: &'static str, status: c_int) -> Result<(), CublasError> {
    check(status).map_err(|code| CublasError::Refused { function, status: code.0 })
}

/// Loads the library from beside an NVRTC, or else from where the dynamic loader has it.
fn load(nvrtc: &Path) -> Result<(PathBuf, Library), CublasError> {
    let beside = candidates(nvrtc).filter(|path| path.is_file());
    let mut wrong = Vec::new();
    for path in beside.chain(NAMES.map(PathBuf::from)) {
        // The loader would die of a library that is cut short.
        let whole = if path.is_file() { elf::check_library(&path) } else { Ok(()) };
        // SAFETY: this runs the initialisers of NVIDIA's library.
        let loaded = whole.and_then(|()| unsafe { Library::new(&path) }.map_err(|error| error.to_string()));
        match loaded {
            Ok(library) => return Ok((path, library)),
            Err(error) => wrong.push(error.replace('\n', " ")),
        }
    }
    Err(CublasError::NotLoaded(wrong.join("; ")))
}

/// Where it lies beside an NVRTC: in the same folder, as in toolkits and wheels of CUDA 13, or that of another wheel.
fn candidates(nvrtc: &Path) -> impl Iterator<Item = PathBuf> {
    // Of an NVRTC that the loader has found, the folder is not known.
    let own = nvrtc.parent().filter(|folder| folder.is_absolute()).map(Path::to_owned);
    let wheel = own.as_deref().and_then(Path::parent).and_then(Path::parent);
    let wheel = wheel.map(|packages| packages.join("cublas").join("lib"));
    let folders: Vec<PathBuf> = own.into_iter().chain(wheel).collect();
    folders.into_iter().flat_map(|folder| NAMES.map(|name| folder.join(name)))
}
