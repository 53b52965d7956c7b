//! `ecf8 doctor`: what was found on this machine, and what to do about what was not.

use super::answer::{Answer, Failure};
use crate::device;
use crate::nvrtc::{Nvrtc, NvrtcError};
use clap::Args;
use serde_json::{Value, json};
use std::process::{Command, Stdio};

/// Say what was found here (driver, GPUs, NVRTC, C++ compiler), and what to do if something is missing
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ecf8 doctor --json")]
pub(super) struct Doctor {
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// One thing that was looked for.
struct Finding {
    what: &'static str,
    found: Result<String, String>,
    /// What works without it.
    without: &'static str,
    details: Value,
}

impl Doctor {
    pub(super) fn run(&self) -> Result<Answer, Failure> {
        let findings = [gpus(), nvrtc(), cxx()];
        let mut text = String::new();
        for finding in &findings {
            match &finding.found {
                Ok(found) => text += &format!("ok       {}: {found}\n", finding.what),
                Err(missing) => {
                    text += &format!("missing  {}: {missing}\n", finding.what);
                    text += &format!("         without it: {}\n", finding.without);
                }
            }
        }
        text +=
            "always   compressing, decompressing and verifying on the CPU, emitting kernels, the emulator\n";
        let json = findings.iter().map(|finding| {
            let value = json!({
                "found": finding.found.is_ok(),
                "message": finding.found.as_ref().unwrap_or_else(|missing| missing),
                "details": finding.details,
            });
            (finding.what.replace([' ', '+'], "_"), value)
        });
        Ok(Answer { text, json: json.collect(), failure: None })
    }
}

fn gpus() -> Finding {
    let devices = device::devices();
    let found = match &devices {
        Ok(devices) => Ok(devices
            .iter()
            .map(|gpu| {
                let driver = gpu.driver_release.as_deref().unwrap_or("unknown");
                format!(
                    "cuda:{} {} ({}, driver {driver}, CUDA {})",
                    gpu.ordinal, gpu.name, gpu.arch, gpu.driver_cuda
                )
            })
            .collect::<Vec<_>>()
            .join("; ")),
        Err(error) => Err(error.to_string()),
    };
    Finding {
        what: "NVIDIA GPU",
        found,
        without: "`verify --device emulator` runs the same kernels on the CPU",
        details: json!(devices.unwrap_or_default()),
    }
}

fn nvrtc() -> Finding {
    let nvrtc = Nvrtc::find();
    let (attempts, details) = match &nvrtc {
        Ok(nvrtc) => (nvrtc.passed_over(), json!({ "version": nvrtc.version(), "origin": nvrtc.origin() })),
        Err(NvrtcError::NotFound { attempts }) => (attempts.as_slice(), Value::Null),
        Err(_) => (&[][..], Value::Null),
    };
    let tried: Vec<String> = attempts.iter().map(ToString::to_string).collect();
    Finding {
        what: "NVRTC",
        found: match &nvrtc {
            Ok(nvrtc) => Ok(format!("{} at {}", nvrtc.version(), nvrtc.origin())),
            Err(error) => Err(error.to_string()),
        },
        without: "`kernel emit` prints the source, `kernel compile` and GPUs do not work",
        details: json!({ "nvrtc": details, "tried": tried }),
    }
}

/// The compiler that the tests of the emitted source run it with.
fn cxx() -> Finding {
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    let works = Command::new(&compiler)
        .arg("--version")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success());
    let version = works.and_then(|output| {
        String::from_utf8_lossy(&output.stdout).lines().next().map(|line| format!("{compiler}: {line}"))
    });
    Finding {
        what: "C++ compiler",
        found: version
            .ok_or_else(|| format!("`{compiler}` does not run: install g++ or clang++, or set CXX")),
        without: "only the tests that run emitted source on the CPU are skipped",
        details: json!({ "command": compiler }),
    }
}
