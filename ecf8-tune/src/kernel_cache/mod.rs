//! Compiled kernels, kept between runs: with a warm cache nothing is compiled, and NVRTC need not even be there.
//!
//! | file | what it does |
//! |---|---|
//! | `key` | what makes two kernels the same |
//! | `entry` | one compiled kernel as files, checked when read |
//! | `folder` | many of them: looked up, stored, removed when there are too many |
//! | `place` | where a user's caches are |
//!
//! ```no_run
//! use ecf8_tune::kernel_cache::{KernelCache, KernelRequest};
//!
//! let cache = KernelCache::open();
//! let source = r#"extern "C" __global__ void fill(unsigned char* out) { out[threadIdx.x] = 7; }"#;
//! let kernel = cache.get(&KernelRequest { name: "fill.cu", source, arch: "sm_90".parse()?, options: &[] })?;
//! println!("{} registers, {} bytes", kernel.report.registers, kernel.image.len());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod entry;
mod folder;
mod key;
pub(crate) mod place;
#[cfg(test)]
pub(crate) mod tests;

pub use crate::nvrtc::CompileRequest as KernelRequest;

use crate::device;
use crate::nvrtc::{Arch, Compiled, CudaVersion, Machine, Nvrtc, NvrtcError, SearchPath};
use folder::{Folder, Lookup};
use key::Key;
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes that a cache's folder may take unless something else is asked for.
pub const DEFAULT_LIMIT: u64 = 1 << 30;

/// What compiles kernels that the cache does not have. NVRTC is one.
pub trait Compiler: Send + Sync {
    /// Its version, such as `13.0`. Kernels of different versions are different kernels.
    fn version(&self) -> String;

    /// Compiles one kernel to what the driver loads; may be called from several threads at once.
    ///
    /// # Errors
    /// As [`Nvrtc::compile`].
    fn compile(&self, request: &KernelRequest<'_>) -> Result<Compiled, NvrtcError>;
}

impl Compiler for Nvrtc {
    fn version(&self) -> String {
        Self::version(self).to_string()
    }

    fn compile(&self, request: &KernelRequest<'_>) -> Result<Compiled, NvrtcError> {
        if self.knows(request.arch) { Self::compile(self, request) } else { self.compile_to_ptx(request) }
    }
}

/// A compiler, or why there is none.
type Found = Result<Arc<dyn Compiler>, NvrtcError>;

/// Finds the compiler for an architecture when the first kernel has to be compiled for it.
type Find = Box<dyn Fn(Arch, Option<CudaVersion>) -> Found + Send + Sync>;

/// Compiled kernels by what they were compiled from.
///
/// What goes wrong with the folder never stops a kernel from being had: it is compiled again, and a warning is kept for
/// [`KernelCache::take_warnings`]. Any number of processes may share a folder.
pub struct KernelCache {
    folder: Option<Folder>,
    memory: Mutex<HashMap<Key, Arc<Compiled>>>,
    /// The newest CUDA that the driver supports: kernels by compilers whose code it does not load are left alone.
    driver: Option<CudaVersion>,
    find: Find,
    /// Those found so far.
    compilers: Mutex<HashMap<Arch, Found>>,
    warnings: Mutex<Vec<String>>,
    compiled: AtomicUsize,
}

impl KernelCache {
    /// The user's cache: `kernels` in `ECF8_CACHE`, else in `ecf8` in `XDG_CACHE_HOME` or `~/.cache`. Without any of
    /// these, or where the folder cannot be made, kernels are kept in memory only, with a warning.
    #[must_use]
    pub fn open() -> Self {
        match place::cache_home() {
            Some(home) => Self::at(&home.join("kernels"), DEFAULT_LIMIT),
            None => Self::warned(place::NO_HOME.to_owned()),
        }
    }

    /// A cache in this folder, which is made if it is missing, of at most `limit` bytes.
    #[must_use]
    pub fn at(root: &Path, limit: u64) -> Self {
        match Folder::open(root, limit) {
            Ok(folder) => Self { folder: Some(folder), ..Self::in_memory() },
            Err(error) => Self::warned(format!(
                "the kernel cache {} cannot be made ({error}): kernels are compiled in every run; set ECF8_CACHE to \
                 a folder that can be written",
                root.display()
            )),
        }
    }

    /// A cache that ends with the process.
    #[must_use]
    pub fn in_memory() -> Self {
        Self {
            folder: None,
            memory: Mutex::default(),
            driver: device::driver_version(),
            find: Box::new(|arch, driver| {
                let machine = driver.map(|driver| Machine { arch, driver });
                let nvrtc = Nvrtc::find_in(&SearchPath::from_environment(), machine.as_ref())?;
                Ok(Arc::new(nvrtc))
            }),
            compilers: Mutex::default(),
            warnings: Mutex::default(),
            compiled: AtomicUsize::new(0),
        }
    }

    fn warned(warning: String) -> Self {
        let cache = Self::in_memory();
        cache.warn(warning);
        cache
    }

    /// The same cache with another way to find a compiler than [`Nvrtc::find`].
    #[must_use]
    pub fn with_compiler(
        mut self,
        find: impl Fn() -> Result<Arc<dyn Compiler>, NvrtcError> + Send + Sync + 'static,
    ) -> Self {
        self.find = Box::new(move |_, _| find());
        self.compilers = Mutex::default();
        self
    }

    /// The same cache for a driver that supports CUDA up to this version, instead of the one on this machine; for any
    /// driver, if there is none.
    #[must_use]
    pub fn with_driver(self, driver: Option<CudaVersion>) -> Self {
        Self { driver, compilers: Mutex::default(), ..self }
    }

    /// The folder, if there is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.folder.as_ref().map(Folder::path)
    }

    /// Kernels and bytes in the folder now.
    #[must_use]
    pub fn usage(&self) -> (usize, u64) {
        self.folder.as_ref().map_or((0, 0), Folder::usage)
    }

    /// How many kernels this process has compiled because they were not there.
    #[must_use]
    pub fn compiled(&self) -> usize {
        self.compiled.load(Ordering::Relaxed)
    }

    /// The version of the compiler for an architecture; it is looked for if it was not needed before.
    ///
    /// # Errors
    /// If there is none.
    pub fn compiler_version(&self, arch: Arch) -> Result<String, NvrtcError> {
        self.compiler(arch).map(|compiler| compiler.version())
    }

    /// What went wrong with the folder since the last call, one line each.
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.warnings))
    }

    /// The kernel, from memory, from the folder, or compiled.
    ///
    /// While no kernel had to be compiled and nobody asked for the compiler's version, a kernel by any version of NVRTC
    /// will do whose code the driver loads, so that NVRTC need not be found; from then on only one by the version that
    /// was found.
    ///
    /// # Errors
    /// If it has to be compiled and that fails.
    pub fn get(&self, request: &KernelRequest<'_>) -> Result<Arc<Compiled>, NvrtcError> {
        let key = Key::of(request);
        if let Some(kernel) = lock(&self.memory).get(&key) {
            return Ok(kernel.clone());
        }
        let known = lock(&self.compilers).get(&request.arch).cloned();
        let version = known.and_then(Result::ok).map(|compiler| compiler.version());
        if let Some(kernel) = self.look_up(request, &key, version.as_deref()) {
            return Ok(self.remember(key, kernel));
        }
        self.compile(request, key)
    }

    /// [`KernelCache::get`] for many kernels, in parallel, equal ones once.
    pub fn get_all(&self, requests: &[KernelRequest<'_>]) -> Vec<Result<Arc<Compiled>, NvrtcError>> {
        let mut seen = HashSet::new();
        let different: Vec<_> =
            requests.iter().filter(|request| seen.insert(Key::of(request))).copied().collect();
        let made: HashMap<Key, _> =
            different.par_iter().map(|request| (Key::of(request), self.get(request))).collect();
        requests
            .iter()
            .map(|request| made.get(&Key::of(request)).cloned().unwrap_or_else(|| self.get(request)))
            .collect()
    }

    /// Compiles a kernel again though there is one, which a GPU refused for the reason given.
    ///
    /// # Errors
    /// If it cannot be compiled.
    pub fn renew(&self, request: &KernelRequest<'_>, reason: &str) -> Result<Arc<Compiled>, NvrtcError> {
        let key = Key::of(request);
        lock(&self.memory).remove(&key);
        if let Some(folder) = &self.folder {
            self.warn(format!("the cached kernel {} is compiled again: {reason}", key.name()));
            folder.remove_all(&key);
        }
        self.compile(request, key)
    }

    fn compiler(&self, arch: Arch) -> Found {
        lock(&self.compilers).entry(arch).or_insert_with(|| (self.find)(arch, self.driver)).clone()
    }

    fn compile(&self, request: &KernelRequest<'_>, key: Key) -> Result<Arc<Compiled>, NvrtcError> {
        let compiler = self.compiler(request.arch)?;
        let version = compiler.version();
        let kernel = compiler.compile(request)?;
        self.compiled.fetch_add(1, Ordering::Relaxed);
        if let Some(folder) = &self.folder
            && let Err(error) = folder.store(&key, request, &version, &kernel)
        {
            self.warn(format!(
                "cannot write to the kernel cache {} ({error}): kernels are compiled in every run; set ECF8_CACHE to a \
                 folder that can be written",
                folder.path().display()
            ));
        }
        Ok(self.remember(key, kernel))
    }

    fn look_up(&self, request: &KernelRequest<'_>, key: &Key, version: Option<&str>) -> Option<Compiled> {
        let folder = self.folder.as_ref()?;
        let Lookup { kernel, damaged } = folder.look_up(key, request, version, self.driver);
        let instead = if kernel.is_some() { "another version's is taken" } else { "it is compiled again" };
        for (place, reason) in damaged {
            self.warn(format!("{}: {reason}; {instead}", place.display()));
        }
        kernel
    }

    fn remember(&self, key: Key, kernel: Compiled) -> Arc<Compiled> {
        lock(&self.memory).entry(key).or_insert_with(|| Arc::new(kernel)).clone()
    }

    fn warn(&self, warning: String) {
        let mut warnings = lock(&self.warnings);
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
}

impl fmt::Debug for KernelCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place: Option<PathBuf> = self.path().map(Path::to_owned);
        f.debug_struct("KernelCache").field("folder", &place).field("compiled", &self.compiled()).finish()
    }
}

/// What panicked while it held the lock left a map or list that is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
