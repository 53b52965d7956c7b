//! What can go wrong between a text of CUDA C++ and a cubin.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

use super::{Arch, CudaVersion};

/// One place where NVRTC was looked for, and why it was not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The file, folder or name that was tried.
    pub place: String,
    /// Why it did not serve.
    pub outcome: Outcome,
}

/// Why a place did not serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is no NVRTC there.
    Absent,
    /// There is one, but it is broken in the way the text tells.
    Broken(String),
    /// There is one, but the machine that it was looked for can't use it, as the text tells.
    Unfit(String),
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Outcome::Absent => write!(f, "{}: not there", self.place),
            Outcome::Broken(reason) | Outcome::Unfit(reason) => write!(f, "{}: {reason}", self.place),
        }
    }
}

/// Why no cubin could be had. Every message is one line and ends with what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NvrtcError {
    /// No place holds an NVRTC that works, and works for the machine that it was looked for.
    #[error(
        "NVRTC not found ({}): install it with `pip install {package}` or set ECF8_NVRTC to libnvrtc.so",
        tried(.attempts)
    )]
    NotFound {
        /// Every place, in the order tried.
        attempts: Vec<Attempt>,
        /// The package of the Python index that has one.
        package: &'static str,
    },

    /// `ECF8_NVRTC` is set, and nothing else is searched, but what it names does not work.
    #[error(
        "ECF8_NVRTC is {}, but {reason}: set it to a working libnvrtc.so or its folder, or unset it",
        .path.display()
    )]
    Explicit {
        /// The variable's value.
        path: PathBuf,
        /// Why it does not work.
        reason: String,
    },

    /// This NVRTC does not know the architecture.
    #[error(
        "NVRTC {version} can't compile for {arch}: choose one of {}, or install another NVRTC",
        list(.supported)
    )]
    UnsupportedArch {
        /// What was asked for.
        arch: Arch,
        /// Version of NVRTC.
        version: CudaVersion,
        /// What it offers.
        supported: Vec<Arch>,
    },

    /// The source is wrong; `log` has all that the compiler said about it.
    #[error("{name} does not compile for {arch}: {} (see the log for the rest, and correct the source)", first_error(.log))]
    Compile {
        /// Name of the source.
        name: String,
        /// Architecture compiled for.
        arch: Arch,
        /// NVRTC's log.
        log: String,
    },

    /// The request holds a zero byte, which C strings can't.
    #[error("the {what} of {name} has a zero byte in it: remove it")]
    ZeroByte {
        /// Name of the source, with the zero byte left out.
        name: String,
        /// Which part: name, source or options.
        what: &'static str,
    },

    /// The compilation went well, but its register count is not in the log.
    #[error(
        "NVRTC {version} compiled {name} without telling its registers: use another version of NVRTC (ECF8_NVRTC)"
    )]
    NoStatistics {
        /// Name of the source.
        name: String,
        /// Version of NVRTC.
        version: CudaVersion,
    },

    /// NVRTC refused a call for a reason that is no fault of the source.
    #[error("{call} failed for {name}: {message}; try again or reinstall NVRTC")]
    Call {
        /// The function of NVRTC.
        call: &'static str,
        /// Name of the source.
        name: String,
        /// NVRTC's own words.
        message: String,
    },
}

/// Broken places with their reasons, and absent ones by name alone.
fn tried(attempts: &[Attempt]) -> String {
    let (mut broken, mut absent) = (Vec::new(), Vec::new());
    for attempt in attempts {
        match &attempt.outcome {
            Outcome::Absent => absent.push(attempt.place.as_str()),
            Outcome::Broken(_) | Outcome::Unfit(_) => broken.push(attempt.to_string()),
        }
    }
    let mut parts = broken;
    if !absent.is_empty() {
        parts.push(format!("tried {}", absent.join(", ")));
    }
    if parts.is_empty() { "nowhere to look".to_owned() } else { parts.join("; ") }
}

fn list(archs: &[Arch]) -> String {
    archs.iter().map(Arch::to_string).collect::<Vec<_>>().join(", ")
}

/// The line that a reader wants first: the first error, or else the first line at all.
fn first_error(log: &str) -> &str {
    let mut lines = log.lines().map(str::trim).filter(|line| !line.is_empty());
    let error = lines.clone().find(|line| line.contains("error") || line.contains("fatal"));
    error.or_else(|| lines.next()).unwrap_or("NVRTC gave no reason")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(place: &str, outcome: Outcome) -> Attempt {
        Attempt { place: place.to_owned(), outcome }
    }

    #[test]
    fn not_found_is_one_line_that_tells_places_reasons_and_the_remedy() {
        let broken = Outcome::Broken("it is cut short".to_owned());
        let attempts =
            vec![attempt("/a", Outcome::Absent), attempt("/b", broken), attempt("/c", Outcome::Absent)];
        assert_eq!(
            NvrtcError::NotFound { attempts, package: "nvidia-cuda-nvrtc" }.to_string(),
            "NVRTC not found (/b: it is cut short; tried /a, /c): install it with \
             `pip install nvidia-cuda-nvrtc` or set ECF8_NVRTC to libnvrtc.so"
        );
    }

    #[test]
    fn a_compile_error_shows_the_first_error_and_keeps_the_log() {
        let log = "k.cu(1): warning: x\nk.cu(3): error: expected a \";\"\n1 error detected".to_owned();
        let error = NvrtcError::Compile { name: "k.cu".to_owned(), arch: "90".parse().unwrap(), log };
        let text = error.to_string();
        assert!(text.starts_with("k.cu does not compile for sm_90: k.cu(3): error: expected"), "{text}");
        assert_eq!(text.lines().count(), 1);
    }
}
