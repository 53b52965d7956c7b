//! `ecf8 doctor`: what was found on this machine, and what to do about what was not.

mod machine;
mod places;

use super::answer::{Answer, Failure, printable};
use crate::device::{self, DeviceError, DeviceInfo};
use crate::nvrtc::{Machine, Nvrtc, NvrtcError};
use clap::Args;
use serde_json::{Value, json};

/// Say what was found here (driver, GPUs, NVRTC, C++ compiler, Python package, folders), and what to type where something is
/// missing
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
    /// The command that provides what is missing, or improves what is there.
    remedy: Option<String>,
    /// What works without it.
    without: &'static str,
    details: Value,
}

impl Doctor {
    pub(super) fn run(&self) -> Result<Answer, Failure> {
        let devices = device::devices();
        let nvrtc = nvrtc(devices.as_deref().unwrap_or_default());
        let findings = [
            gpus(devices),
            nvrtc,
            machine::cxx(),
            machine::python_package(),
            places::cache(),
            places::temporary(),
            places::leftovers(),
        ];
        let mut text = String::new();
        for finding in &findings {
            match &finding.found {
                Ok(found) => text += &format!("ok       {}: {}\n", finding.what, printable(found)),
                Err(missing) => {
                    text += &format!("missing  {}: {}\n", finding.what, printable(missing));
                    text += &format!("         without it: {}\n", finding.without);
                }
            }
            if let Some(remedy) = &finding.remedy {
                text += &format!("         type: {remedy}\n");
            }
        }
        text +=
            "always   compressing, decompressing and verifying on the CPU, emitting kernels, the emulator\n";
        let json = findings.iter().map(|finding| {
            let value = json!({
                "found": finding.found.is_ok(),
                "message": finding.found.as_ref().unwrap_or_else(|missing| missing),
                "type": finding.remedy,
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
    let remedy = devices.as_ref().err().and_then(machine::remedy_of_driver);
    Finding {
        what: "NVIDIA GPU",
        found,
        remedy,
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
    let remedy = searches.iter().find_map(|(machine, found)| match (found, machine) {
        (Err(NvrtcError::NotFound { package, .. }), _) => Some(format!("pip install {package}")),
        (Err(NvrtcError::Explicit { .. }), None) => Some("unset ECF8_NVRTC".to_owned()),
        // What it names does not fit the driver.
        (Err(NvrtcError::Explicit { .. }), Some(machine)) => {
            Some(format!("unset ECF8_NVRTC && pip install {}", machine.nvrtc_package()))
        }
        (Ok(nvrtc), Some(machine)) if !nvrtc.knows(machine.arch) => {
            Some(format!("pip install -U {}", machine.nvrtc_package()))
        }
        _ => None,
    });
    Finding {
        what: "NVRTC",
        found: found.collect::<Result<Vec<_>, _>>().map(|found| found.join("; ")),
        remedy,
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
            "{place}, which is older than {}: the driver compiles its PTX, and statistics are another GPU's",
            machine.arch
        ),
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
                assert_eq!(nvrtc["type"], "unset ECF8_NVRTC && pip install nvidia-cuda-nvrtc-cu12");
            }
        }
    }
}
