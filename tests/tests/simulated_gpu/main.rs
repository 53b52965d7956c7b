//! The fourth execution: the real program, and programs of others that call it, with the real NVRTC on a simulated GPU.
//!
//! What the simulation checks besides results is told on standard error, which must stay empty. The Python package's own tests use
//! the simulated GPU, too, and leave a processor free for the others here.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "that is how a test fails, also in its helpers"
)]

mod callers;
mod kv;
mod models;
mod parts;
mod programs;
mod python;
mod removals;

use ecf8_tests::cli::Scratch;
use ecf8_tune::nvrtc::Nvrtc;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The simulated driver and NVRTC, where programs find them.
struct Simulated {
    folder: TempDir,
    /// The real NVRTC.
    nvrtc: PathBuf,
}

impl Simulated {
    /// If there is no NVRTC to compile with, says so, and that the caller is skipped; with `ECF8_REQUIRE_NVRTC=1` that is
    /// a failure.
    fn find() -> Option<Self> {
        let missing = match Nvrtc::find() {
            Ok(nvrtc) => match file_of(&nvrtc) {
                Some(file) => return Some(Self::with(file)),
                None => {
                    format!("NVRTC is {}, whose file is not known: name it in ECF8_NVRTC", nvrtc.origin())
                }
            },
            Err(error) => error.to_string(),
        };
        assert!(!ecf8_tests::is_required("ECF8_REQUIRE_NVRTC"), "{missing}");
        eprintln!("skipped: {missing}");
        None
    }

    fn with(nvrtc: PathBuf) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // It is built with what depends on it, beside this test.
        let library = std::env::current_exe().unwrap().with_file_name("libecf8_simcuda.so");
        assert!(library.is_file(), "{} is not there", library.display());
        for name in ["libcuda.so.1", "libnvrtc.so.13"] {
            symlink(&library, folder.path().join(name)).unwrap();
        }
        Self { folder, nvrtc }
    }

    /// Has the program find the simulated GPU. What it compiles is kept for the next time that these tests are run.
    fn prepare<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let compiled = Path::new(env!("CARGO_TARGET_TMPDIR")).join("simulated-nvrtc");
        std::fs::create_dir_all(&compiled).unwrap();
        command
            .env("LD_LIBRARY_PATH", self.folder.path())
            .env("ECF8_NVRTC", self.folder.path().join("libnvrtc.so.13"))
            .env("ECF8_SIM_NVRTC", &self.nvrtc)
            .env("ECF8_SIM_CACHE", compiled)
            .env("ECF8_CACHE", self.folder.path().join("cache"))
    }

    /// The program with the words of a line as arguments.
    fn ecf8(&self, scratch: &Scratch, line: &str) -> Command {
        let mut command = scratch.command(line.split_whitespace());
        self.prepare(&mut command);
        command
    }

    /// Runs the test of this path in a process of its own; what it said.
    fn run(&self, test: &str, variables: &[(&str, &str)]) -> String {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--nocapture"]).env("ECF8_TEST_CHILD", "1");
        let output = self.prepare(&mut command).envs(variables.iter().copied()).output().unwrap();
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains("1 passed"), "{test}: {}\n{text}", output.status);
        text
    }
}

/// The file that was loaded. The dynamic loader is asked by name before folders are searched, and answers for every NVRTC
/// that another test of this process has loaded; which file that was is in the list of what is mapped.
fn file_of(nvrtc: &Nvrtc) -> Option<PathBuf> {
    let named = PathBuf::from(nvrtc.origin());
    if named.is_file() {
        return Some(named);
    }
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let mut files = maps.lines().filter_map(|line| line.find('/').map(|start| PathBuf::from(&line[start..])));
    files.find(|file| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("libnvrtc.so")))
}

/// Whether this process is one that [`Simulated::run`] started.
fn is_child() -> bool {
    std::env::var_os("ECF8_TEST_CHILD").is_some()
}

/// Runs this test in a process of its own on a simulated GPU, unless this is that process; whether it is.
fn on_simulated_gpu(test: &str, variables: &[(&str, &str)]) -> bool {
    if is_child() {
        return true;
    }
    if let Some(simulated) = Simulated::find() {
        let text = simulated.run(test, variables);
        assert!(!text.contains("simulated GPU:"), "{text}");
    }
    false
}
