//! Finding a disassembler, and asking it.

use super::listing::Listing;
use crate::nvrtc::SearchPath;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names of the programs, the better first: `nvdisasm` is what `cuobjdump` calls.
const PROGRAMS: [&str; 2] = ["nvdisasm", "cuobjdump"];

/// Why there is no listing.
#[derive(Debug, thiserror::Error)]
pub enum DisassemblerError {
    /// There is none on this machine.
    #[error(
        "no nvdisasm or cuobjdump was found; install one with `pip install nvidia-cuda-nvdisasm`, or name it in ECF8_NVDISASM"
    )]
    NotFound,
    /// What `ECF8_NVDISASM` names is not there.
    #[error("ECF8_NVDISASM names {path}, which is no file; name nvdisasm or cuobjdump itself")]
    Explicit {
        /// The path.
        path: PathBuf,
    },
    /// It could not be run.
    #[error("cannot run {program}: {reason}")]
    Run {
        /// The program.
        program: PathBuf,
        /// Why.
        reason: String,
    },
    /// What it wrote has no instructions of the kernel.
    #[error("{program} lists no instructions of kernel `{kernel}`; it may be too old for this architecture")]
    Empty {
        /// The program.
        program: PathBuf,
        /// The kernel.
        kernel: String,
    },
}

/// A program that lists the instructions of a cubin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disassembler {
    program: PathBuf,
}

impl Disassembler {
    /// Looks for `nvdisasm` or `cuobjdump`: what `ECF8_NVDISASM` names, the `PATH`, CUDA toolkits, and `nvidia/…/bin`
    /// of Python environments, in the places where NVRTC is looked for.
    ///
    /// # Errors
    /// If there is none, or `ECF8_NVDISASM` names no file.
    pub fn find() -> Result<Self, DisassemblerError> {
        if let Some(path) = std::env::var_os("ECF8_NVDISASM").filter(|path| !path.is_empty()) {
            let path = PathBuf::from(path);
            return if path.is_file() {
                Ok(Self { program: path })
            } else {
                Err(DisassemblerError::Explicit { path })
            };
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        Self::find_in(std::env::split_paths(&path), &SearchPath::from_environment())
    }

    /// The same in given places: folders of programs, then those beside NVRTC's.
    fn find_in(path: impl Iterator<Item = PathBuf>, search: &SearchPath) -> Result<Self, DisassemblerError> {
        // A toolkit's libraries are in `lib64`, its programs beside that in `bin`.
        let toolkits = search.folders.iter().flat_map(|folder| folder.ancestors().skip(1).take(3));
        let toolkits = toolkits.map(|folder| folder.join("bin"));
        let wheels = search.site_packages.iter().flat_map(|packages| {
            let packages = std::fs::read_dir(packages.join("nvidia")).into_iter().flatten();
            let mut bins: Vec<PathBuf> =
                packages.flatten().map(|package| package.path().join("bin")).collect();
            bins.sort();
            bins
        });
        let folders: Vec<PathBuf> = path.chain(toolkits).chain(wheels).collect();
        let candidates =
            PROGRAMS.iter().flat_map(|program| folders.iter().map(move |folder| folder.join(program)));
        let program = candidates.into_iter().find(|file| file.is_file());
        program.map(|program| Self { program }).ok_or(DisassemblerError::NotFound)
    }

    /// The program's path.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The instructions of `kernel` in a cubin, with the line of the source that each comes from if the cubin was
    /// compiled with `-lineinfo`.
    ///
    /// # Errors
    /// If the program cannot be run or does not list the kernel.
    pub fn list(&self, cubin: &[u8], kernel: &str) -> Result<Listing, DisassemblerError> {
        let failed = |reason: String| DisassemblerError::Run { program: self.program.clone(), reason };
        let mut file = tempfile::Builder::new()
            .prefix("ecf8-")
            .suffix(".cubin")
            .tempfile()
            .map_err(|error| failed(format!("no temporary file: {error}")))?;
        file.write_all(cubin).map_err(|error| failed(format!("no temporary file: {error}")))?;
        let is_cuobjdump =
            self.program.file_name().is_some_and(|name| name.to_string_lossy().starts_with("cuobjdump"));
        let options: &[&str] = if is_cuobjdump { &["-sass", "-lineinfo"] } else { &["-g", "-c"] };
        let output = Command::new(&self.program)
            .args(options)
            .arg(file.path())
            .output()
            .map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(failed(said.lines().next().unwrap_or("it failed without a word").to_owned()));
        }
        let listing = Listing::read(&String::from_utf8_lossy(&output.stdout), kernel);
        if listing.instructions.is_empty() {
            return Err(DisassemblerError::Empty {
                program: self.program.clone(),
                kernel: kernel.to_owned(),
            });
        }
        Ok(listing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_comes_before_toolkits_and_wheels_and_nvdisasm_before_cuobjdump() {
        let root = tempfile::tempdir().unwrap();
        let put = |name: &str| {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            path
        };
        let search = SearchPath {
            folders: vec![root.path().join("toolkit/lib64")],
            site_packages: vec![root.path().join("packages")],
            ..SearchPath::default()
        };
        let find = || {
            Disassembler::find_in([root.path().join("bin")].into_iter(), &search).map(|found| found.program)
        };
        assert!(matches!(find(), Err(DisassemblerError::NotFound)));
        let cuobjdump = put("bin/cuobjdump");
        assert_eq!(find().unwrap(), cuobjdump);
        let wheel = put("packages/nvidia/cu13/bin/nvdisasm");
        assert_eq!(find().unwrap(), wheel);
        let toolkit = put("toolkit/bin/nvdisasm");
        assert_eq!(find().unwrap(), toolkit);
        let path = put("bin/nvdisasm");
        assert_eq!(find().unwrap(), path);
    }
}
