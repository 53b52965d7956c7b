//! Finding an NVRTC that works, and remembering those that don't.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::ffi::Api;
use super::search::{LOADER_NAMES, libraries_in, packages_of, wheel_folders};
use super::version::Fit;
use super::{Arch, Attempt, CudaVersion, Machine, Nvrtc, NvrtcError, Outcome, SearchPath, compile, elf};

impl Nvrtc {
    /// Finds, loads and tries NVRTC on this machine, for compiling that needs no GPU.
    ///
    /// The order: what the environment variable `ECF8_NVRTC` names (and then nothing else); the dynamic
    /// loader's own path; a CUDA toolkit (`CUDA_HOME`, `CUDA_PATH`, `CUDA_ROOT`, `/usr/local/cuda*`,
    /// `/opt/cuda`); NVIDIA's packages in a Python environment (`VIRTUAL_ENV`, `CONDA_PREFIX`, a `.venv` here or
    /// above, the `python3` on the path, the user's own). A broken one is passed over, and remembered.
    ///
    /// # Errors
    /// [`NvrtcError::NotFound`] with every place tried, or [`NvrtcError::Explicit`].
    pub fn find() -> Result<Self, NvrtcError> {
        Self::find_in(&SearchPath::from_environment(), None)
    }

    /// Finds, in the same order, one that a GPU and its driver can use: the first whose machine code they take, or else
    /// the first that is older than the GPU and whose PTX the driver compiles.
    ///
    /// # Errors
    /// As [`Nvrtc::find`].
    pub fn find_for(machine: &Machine) -> Result<Self, NvrtcError> {
        Self::find_in(&SearchPath::from_environment(), Some(machine))
    }

    /// The same with an explicit list of places, for a machine if there is one.
    ///
    /// # Errors
    /// As [`Nvrtc::find`].
    pub fn find_in(search: &SearchPath, machine: Option<&Machine>) -> Result<Self, NvrtcError> {
        let mut finder = Finder { machine, second_best: None, attempts: Vec::new(), seen: HashSet::new() };
        if let Some(path) = &search.explicit {
            let wrong = |reason: String| NvrtcError::Explicit { path: path.clone(), reason };
            return finder.explicit(path).map_err(wrong);
        }
        let found = finder.anywhere(search).or_else(|| finder.second_best.take());
        let attempts = finder.attempts;
        let Some(found) = found else {
            let newest = CudaVersion { major: u32::MAX, minor: 0 };
            let package = machine.map_or_else(|| newest.nvrtc_package(), |machine| machine.nvrtc_package());
            return Err(NvrtcError::NotFound { attempts, package });
        };
        Ok(Self { passed_over: attempts, ..found })
    }
}

/// The attempts so far.
struct Finder<'a> {
    machine: Option<&'a Machine>,
    /// One to make PTX with.
    second_best: Option<Nvrtc>,
    attempts: Vec<Attempt>,
    /// Files already tried, whatever links lead to them.
    seen: HashSet<PathBuf>,
}

impl Finder<'_> {
    fn anywhere(&mut self, search: &SearchPath) -> Option<Nvrtc> {
        let names = if search.loader { LOADER_NAMES } else { &[] };
        let by_name = names.iter().find_map(|name| self.by_name(name, &search.loader_folders));
        let found = by_name.or_else(|| search.folders.iter().find_map(|folder| self.in_folder(folder)));
        let found =
            found.or_else(|| search.site_packages.iter().find_map(|packages| self.in_packages(packages)));
        // Asked only when all else failed, since it takes a while to answer.
        let asked = || search.python.iter().flat_map(|python| packages_of(python));
        found.or_else(|| asked().find_map(|packages| self.in_packages(&packages)))
    }

    /// The library, or the first in the folder, at `path`; or what is wrong with it.
    fn explicit(&mut self, path: &Path) -> Result<Nvrtc, String> {
        if !path.exists() {
            return Err("there is no such file or folder".to_owned());
        }
        if !path.is_dir() {
            let (nvrtc, fit) = self.open_file(path)?;
            return if let Fit::No(reason) = fit { Err(reason) } else { Ok(nvrtc) };
        }
        let found = self.in_folder(path).or_else(|| self.second_best.take());
        let broken = || self.attempts.iter().find(|attempt| attempt.outcome != Outcome::Absent);
        let reason =
            || broken().map_or_else(|| "there is no libnvrtc.so in it".to_owned(), ToString::to_string);
        found.ok_or_else(reason)
    }

    fn by_name(&mut self, name: &str, folders: &[PathBuf]) -> Option<Nvrtc> {
        // Only the first file of the name matters: it is the one that the loader takes.
        if let Some(file) = folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file())
            && let Err(reason) = elf::check_library(&file)
        {
            return self.not(file.display().to_string(), Outcome::Broken(reason));
        }
        match open(OsStr::new(name), self.machine) {
            Ok(opened) => self.consider(opened, format!("{name} of the dynamic loader")),
            Err(reason) if reason.contains("No such file") => self.not(name.to_owned(), Outcome::Absent),
            Err(reason) => self.not(name.to_owned(), Outcome::Broken(reason)),
        }
    }

    fn in_folder(&mut self, folder: &Path) -> Option<Nvrtc> {
        let libraries = libraries_in(folder);
        if libraries.is_empty() {
            return self.not(folder.display().to_string(), Outcome::Absent);
        }
        libraries.into_iter().find_map(|library| {
            if !self.seen.insert(library.canonicalize().unwrap_or_else(|_| library.clone())) {
                return None;
            }
            let place = library.display().to_string();
            match self.open_file(&library) {
                Ok(opened) => self.consider(opened, place),
                Err(reason) => self.not(place, Outcome::Broken(reason)),
            }
        })
    }

    fn in_packages(&mut self, packages: &Path) -> Option<Nvrtc> {
        let folders = wheel_folders(packages, cfg!(windows));
        if folders.is_empty() {
            return self.not(packages.join("nvidia").display().to_string(), Outcome::Absent);
        }
        folders.iter().find_map(|folder| self.in_folder(folder))
    }

    /// Takes it, or keeps it for the case that nothing better is found, or passes it over.
    fn consider(&mut self, (nvrtc, fit): (Nvrtc, Fit), origin: String) -> Option<Nvrtc> {
        match fit {
            Fit::MachineCode => return Some(Nvrtc { origin, ..nvrtc }),
            Fit::Ptx => drop(self.second_best.get_or_insert(Nvrtc { origin, ..nvrtc })),
            Fit::No(reason) => return self.not(origin, Outcome::Unfit(reason)),
        }
        None
    }

    fn not(&mut self, place: String, outcome: Outcome) -> Option<Nvrtc> {
        self.attempts.push(Attempt { place, outcome });
        None
    }

    /// Opens the library at a path, after a look at whether the loader would survive it.
    fn open_file(&self, path: &Path) -> Result<(Nvrtc, Fit), String> {
        elf::check_library(path)?;
        // An absolute path, since one without a slash would send the loader searching.
        let path = std::path::absolute(path).map_err(|error| format!("its path is wrong ({error})"))?;
        let (nvrtc, fit) = open(path.as_os_str(), self.machine)?;
        Ok((Nvrtc { origin: path.display().to_string(), ..nvrtc }, fit))
    }
}

/// Loads a library and, if a machine can use it, compiles an empty kernel with it.
///
/// The trial is the only proof that NVRTC is whole: it loads libnvrtc-builtins, which must lie beside it, when it
/// first compiles.
fn open(file: &OsStr, machine: Option<&Machine>) -> Result<(Nvrtc, Fit), String> {
    let api = Api::load(file)?;
    let (major, minor) =
        api.version().map_err(|code| format!("it can't tell its version ({})", api.describe(code)))?;
    let number = |number: i32| u32::try_from(number).unwrap_or(0);
    let version = CudaVersion { major: number(major), minor: number(minor) };
    let archs = api
        .supported_archs()
        .map_err(|code| format!("it can't list architectures ({})", api.describe(code)))?;
    let arch = |arch: i32| Arch::from_capability(number(arch) / 10, number(arch) % 10).ok();
    let archs: Vec<Arch> = archs.into_iter().filter_map(arch).collect();
    let fit = machine.map_or(Fit::MachineCode, |machine| machine.fit(version, &archs));
    let nvrtc = Nvrtc { api, version, archs, origin: String::new(), passed_over: Vec::new() };
    if !matches!(fit, Fit::No(_)) {
        compile::trial(&nvrtc)?;
    }
    Ok((nvrtc, fit))
}
