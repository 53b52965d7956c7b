//! Finds and calls the system's C++ compiler.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

/// What the emitted text must satisfy besides being C++: no warnings, and no undefined behaviour while it runs. Unused
/// parameters are no fault: all variants of a strategy are launched with the same arguments. Not optimised: that would take
/// longer than what runs faster then.
const STRICT: &[&str] =
    &["-std=c++17", "-O0", "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas", "-Wno-unused-parameter"];

/// Checks while the program runs, where the compiler's library for them is installed.
const SANITIZE: &[&str] = &["-fsanitize=undefined", "-fno-sanitize-recover=all"];

/// A C++ compiler that works.
#[derive(Debug)]
pub struct Compiler {
    command: OsString,
    sanitizes: bool,
}

impl Compiler {
    /// The one that `CXX` names, or else `c++`, `g++` or `clang++`. If there is none, says so, and that the caller is
    /// skipped; with `ECF8_REQUIRE_CXX=1` that is a failure.
    #[must_use]
    pub fn find() -> Option<Self> {
        let named = std::env::var_os("CXX");
        let candidates = named.into_iter().chain(["c++", "g++", "clang++"].map(OsString::from));
        let found = candidates.into_iter().find_map(|command| {
            let compiler = Self { command, sanitizes: false };
            compiler.works(&[]).then(|| Self { sanitizes: compiler.works(SANITIZE), ..compiler })
        });
        let missing = "no C++ compiler was found: install g++ or clang++, or name one in CXX";
        match &found {
            Some(compiler) if !compiler.sanitizes => {
                eprintln!("{} has no -fsanitize=undefined: running without", compiler.command.display());
            }
            None if crate::is_required("ECF8_REQUIRE_CXX") => panic!("{missing}"),
            None => eprintln!("skipped: {missing}"),
            Some(_) => {}
        }
        found
    }

    fn works(&self, options: &[&str]) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let (source, program) = (folder.path().join("a.cpp"), folder.path().join("a"));
        std::fs::write(&source, "int main() { return 0; }\n").unwrap();
        let mut command = Command::new(&self.command);
        command.args(options).arg(&source).arg("-o").arg(&program);
        let compiled = command.output().is_ok_and(|output| output.status.success());
        compiled && Command::new(&program).status().is_ok_and(|status| status.success())
    }

    /// Makes a program of a source file.
    ///
    /// # Errors
    /// The compiler's messages.
    pub(super) fn compile(&self, source: &Path, program: &Path) -> Result<(), String> {
        let mut command = Command::new(&self.command);
        command.args(STRICT).args(if self.sanitizes { SANITIZE } else { &[] });
        let output =
            command.arg(source).arg("-o").arg(program).output().map_err(|error| error.to_string())?;
        if output.status.success() {
            Ok(())
        } else {
            Err(format!("{}: {}", source.display(), String::from_utf8_lossy(&output.stderr)))
        }
    }
}
