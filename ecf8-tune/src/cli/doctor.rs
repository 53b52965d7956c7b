//! `ecf8 doctor`: what was found on this machine, and what to do about what was not.

use super::answer::{Answer, Failure};
use crate::device::{self, DeviceError, DeviceInfo};
use crate::nvrtc::{Machine, Nvrtc, NvrtcError};
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
        let devices = device::devices();
        let nvrtc = nvrtc(devices.as_deref().unwrap_or_default());
        let findings = [gpus(devices), nvrtc, cxx()];
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

fn gpus(devices: Result<Vec<DeviceInfo>, DeviceError>) -> Finding {
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

/// NVRTC for the GPUs that are here, which their driver decides about, or else any.
fn nvrtc(gpus: &[DeviceInfo]) -> Finding {
    let mut machines: Vec<Machine> = Vec::new();
    for machine in gpus.iter().map(DeviceInfo::machine) {
        if !machines.contains(&machine) {
            machines.push(machine);
        }
    }
    let mut searches: Vec<_> =
        machines.iter().map(|machine| (Some(machine), Nvrtc::find_for(machine))).collect();
    if searches.is_empty() {
        searches.push((None, Nvrtc::find()));
    }
    let found = searches.iter().map(|(machine, found)| match found {
        Ok(nvrtc) => Ok(told(nvrtc, *machine)),
        Err(error) => Err(error.to_string()),
    });
    let details = searches.iter().map(|(machine, found)| {
        let (nvrtc, attempts) = match found {
            Ok(nvrtc) => (Some(nvrtc), nvrtc.passed_over()),
            Err(NvrtcError::NotFound { attempts, .. }) => (None, attempts.as_slice()),
            Err(_) => (None, &[][..]),
        };
        json!({
            "arch": machine.map(|machine| machine.arch),
            "driver_cuda": machine.map(|machine| machine.driver),
            "package": machine.map(|machine| machine.nvrtc_package()),
            "nvrtc": nvrtc.map(|nvrtc| json!({ "version": nvrtc.version(), "origin": nvrtc.origin() })),
            "tried": attempts.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    });
    let details = details.collect();
    Finding {
        what: "NVRTC",
        found: found.collect::<Result<Vec<_>, _>>().map(|found| found.join("; ")),
        without: "`kernel emit` prints the source, `kernel compile` and GPUs do not work",
        details,
    }
}

/// An NVRTC, and what the driver makes of its output.
fn told(nvrtc: &Nvrtc, machine: Option<&Machine>) -> String {
    let place = format!("{} at {}", nvrtc.version(), nvrtc.origin());
    match machine {
        None => place,
        Some(Machine { arch, driver }) if nvrtc.knows(*arch) => {
            format!("{place}, whose code for {arch} the driver (CUDA {driver}) loads")
        }
        Some(machine) => format!(
            "{place}, which is older than {}: the driver compiles its PTX, and statistics are another GPU's; \
             `pip install -U {}` brings a newer one",
            machine.arch,
            machine.nvrtc_package()
        ),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::tests::{fake, is_child};
    use crate::nvrtc::tests::choice;
    use std::fs;

    #[test]
    fn nvrtc_is_compared_with_the_driver_and_the_package_that_fits_is_named() {
        const TEST: &str =
            "cli::doctor::tests::nvrtc_is_compared_with_the_driver_and_the_package_that_fits_is_named";
        if !is_child() {
            let (Some(new), Some(old)) = (choice::fake("13.5", 120), choice::fake("12.4", 90)) else {
                return;
            };
            let run = |trouble: &str| fake::run_with(TEST, trouble, &[("ECF8_NVRTC", new.path())]);
            run("cuda 12.4,only the new one");
            fs::copy(old.path().join("libnvrtc.so.12"), new.path().join("libnvrtc.so.12")).unwrap();
            run("cuda 12.4");
            return run("");
        }
        let answer = Doctor { json: true }.run().map_err(|_| "no answer").unwrap();
        let (nvrtc, message) = (&answer.json["NVRTC"], answer.json["NVRTC"]["message"].as_str().unwrap());
        match std::env::var("FAKE_CUDA").unwrap().as_str() {
            "" => assert!(message.starts_with("13.5 at"), "{message}"),
            "cuda 12.4" => {
                assert!(message.starts_with("12.4 at"), "{message}");
                assert!(message.ends_with("whose code for sm_90 the driver (CUDA 12.4) loads"), "{message}");
            }
            _ => {
                assert_eq!((&nvrtc["found"], &nvrtc["details"][0]["nvrtc"]), (&json!(false), &Value::Null));
                assert!(message.contains("`pip install nvidia-cuda-nvrtc-cu12`"), "{message}");
                assert_eq!(nvrtc["details"][0]["package"], "nvidia-cuda-nvrtc-cu12");
            }
        }
    }
}
