//! Finding an NVRTC that works, and remembering those that don't.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::ffi::Api;
use super::search::{libraries_in, packages_of, wheel_folders};
use super::{Arch, Attempt, Nvrtc, NvrtcError, Outcome, SearchPath, compile, elf};

/// Names under which the dynamic loader may know NVRTC. From CUDA 12 on the name ends with the major version.
const LOADER_NAMES: [&str; 4] = ["libnvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2"];

impl Nvrtc {
    /// Finds, loads and tries NVRTC on this machine.
    ///
    /// The order: what the environment variable `ECF8_NVRTC` names (and then nothing else); the dynamic
    /// loader's own path; a CUDA toolkit (`CUDA_HOME`, `CUDA_PATH`, `CUDA_ROOT`, `/usr/local/cuda*`,
    /// `/opt/cuda`); NVIDIA's packages in a Python environment (`VIRTUAL_ENV`, `CONDA_PREFIX`, a `.venv` here or
    /// above, the `python3` on the path, the user's own). A broken one is passed over, and remembered.
    ///
    /// # Errors
    /// [`NvrtcError::NotFound`] with every place tried, or [`NvrtcError::Explicit`].
    pub fn find() -> Result<Self, NvrtcError> {
        Self::find_in(&SearchPath::from_environment())
    }

    /// The same with an explicit list of places.
    ///
    /// # Errors
    /// As [`Nvrtc::find`].
    pub fn find_in(search: &SearchPath) -> Result<Self, NvrtcError> {
        if let Some(path) = &search.explicit {
            return explicit(path);
        }
        let mut finder = Finder::default();
        if search.loader {
            for name in LOADER_NAMES {
                if let Some(nvrtc) = finder.by_name(name, &search.loader_folders) {
                    return Ok(nvrtc);
                }
            }
        }
        for folder in &search.folders {
            if let Some(nvrtc) = finder.in_folder(folder) {
                return Ok(nvrtc);
            }
        }
        for packages in &search.site_packages {
            if let Some(nvrtc) = finder.in_packages(packages) {
                return Ok(nvrtc);
            }
        }
        for packages in search.python.iter().flat_map(|python| packages_of(python)) {
            if let Some(nvrtc) = finder.in_packages(&packages) {
                return Ok(nvrtc);
            }
        }
        Err(NvrtcError::NotFound { attempts: finder.attempts })
    }
}

/// The library, or the first working one in the folder, at `path`.
fn explicit(path: &Path) -> Result<Nvrtc, NvrtcError> {
    let wrong = |reason: String| NvrtcError::Explicit { path: path.to_owned(), reason };
    let attempts = if path.is_dir() {
        let mut finder = Finder::default();
        if let Some(nvrtc) = finder.in_folder(path) {
            return Ok(nvrtc);
        }
        finder.attempts
    } else if path.exists() {
        return open_file(path).map_err(wrong);
    } else {
        return Err(wrong("there is no such file or folder".to_owned()));
    };
    let broken = attempts.iter().find(|attempt| attempt.outcome != Outcome::Absent);
    Err(wrong(broken.map_or_else(|| "there is no libnvrtc.so in it".to_owned(), ToString::to_string)))
}

/// The attempts so far.
#[derive(Default)]
struct Finder {
    attempts: Vec<Attempt>,
    /// Files already tried, whatever links lead to them.
    seen: HashSet<PathBuf>,
}

impl Finder {
    fn by_name(&mut self, name: &'static str, folders: &[PathBuf]) -> Option<Nvrtc> {
        // Only the first file of the name matters: it is the one that the loader takes.
        if let Some(file) = folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file())
            && let Err(reason) = elf::check_library(&file)
        {
            let place = file.display().to_string();
            self.attempts.push(Attempt { place, outcome: Outcome::Broken(reason) });
            return None;
        }
        let outcome = match open(OsStr::new(name)) {
            Ok(nvrtc) => return Some(self.found(nvrtc, format!("{name} of the dynamic loader"))),
            Err(reason) if reason.contains("No such file") => Outcome::Absent,
            Err(reason) => Outcome::Broken(reason),
        };
        self.attempts.push(Attempt { place: name.to_owned(), outcome });
        None
    }

    fn in_folder(&mut self, folder: &Path) -> Option<Nvrtc> {
        let libraries = libraries_in(folder);
        if libraries.is_empty() {
            self.attempts.push(Attempt { place: folder.display().to_string(), outcome: Outcome::Absent });
        }
        for library in libraries {
            if !self.seen.insert(library.canonicalize().unwrap_or_else(|_| library.clone())) {
                continue;
            }
            match open_file(&library) {
                Ok(nvrtc) => return Some(self.found(nvrtc, library.display().to_string())),
                Err(reason) => {
                    let place = library.display().to_string();
                    self.attempts.push(Attempt { place, outcome: Outcome::Broken(reason) });
                }
            }
        }
        None
    }

    fn in_packages(&mut self, packages: &Path) -> Option<Nvrtc> {
        let folders = wheel_folders(packages);
        if folders.is_empty() {
            let place = packages.join("nvidia").display().to_string();
            self.attempts.push(Attempt { place, outcome: Outcome::Absent });
        }
        folders.iter().find_map(|folder| self.in_folder(folder))
    }

    fn found(&mut self, nvrtc: Nvrtc, origin: String) -> Nvrtc {
        Nvrtc { origin, passed_over: std::mem::take(&mut self.attempts), ..nvrtc }
    }
}

/// Opens the library at a path, after a look at whether the loader would survive it.
fn open_file(path: &Path) -> Result<Nvrtc, String> {
    elf::check_library(path)?;
    // An absolute path, since one without a slash would send the loader searching.
    let path = std::path::absolute(path).map_err(|error| format!("its path is wrong ({error})"))?;
    let nvrtc = open(path.as_os_str())?;
    Ok(Nvrtc { origin: path.display().to_string(), ..nvrtc })
}

/// Loads a library and compiles an empty kernel with it.
///
/// The trial is the only proof that NVRTC is whole: it loads libnvrtc-builtins, which must lie beside it, when it
/// first compiles.
fn open(file: &OsStr) -> Result<Nvrtc, String> {
    let api = Api::load(file)?;
    let (major, minor) =
        api.version().map_err(|code| format!("it can't tell its version ({})", api.describe(code)))?;
    let archs = api
        .supported_archs()
        .map_err(|code| format!("it can't list architectures ({})", api.describe(code)))?;
    let arch = |number: i32| {
        let number = u32::try_from(number).ok()?;
        Arch::from_capability(number / 10, number % 10).ok()
    };
    let archs: Vec<Arch> = archs.into_iter().filter_map(arch).collect();
    let nvrtc = Nvrtc { api, version: (major, minor), archs, origin: String::new(), passed_over: Vec::new() };
    compile::trial(&nvrtc)?;
    Ok(nvrtc)
}
