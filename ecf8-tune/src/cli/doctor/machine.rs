//! Programs and drivers that are installed on the machine, and the commands that install them.

use super::Finding;
use crate::device::DeviceError;
use serde_json::json;
use std::path::Path;
use std::process::{Command, Stdio};

/// Package managers by the command that installs, with the names of their packages.
const MANAGERS: [Manager; 6] = [
    Manager { command: "apt-get", install: "sudo apt-get install", cxx: "g++", python: "python3-pip" },
    Manager { command: "dnf", install: "sudo dnf install", cxx: "gcc-c++", python: "python3-pip" },
    Manager { command: "zypper", install: "sudo zypper install", cxx: "gcc-c++", python: "python3-pip" },
    Manager { command: "pacman", install: "sudo pacman -S", cxx: "gcc", python: "python-pip" },
    Manager { command: "apk", install: "sudo apk add", cxx: "g++", python: "py3-pip" },
    Manager { command: "brew", install: "brew install", cxx: "gcc", python: "python" },
];

struct Manager {
    command: &'static str,
    install: &'static str,
    cxx: &'static str,
    python: &'static str,
}

/// The command that installs what `package` names, by the first package manager that is here.
fn install(package: impl Fn(&Manager) -> &'static str) -> Option<String> {
    let path = std::env::var_os("PATH")?;
    let is_here = |name: &str| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    let manager = MANAGERS.iter().find(|manager| is_here(manager.command))?;
    Some(format!("{} {}", manager.install, package(manager)))
}

/// The first line that a program says, if it runs.
fn said(program: &str, args: &[&str]) -> Option<Result<String, String>> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output().ok()?;
    let text = if output.status.success() { &output.stdout } else { &output.stderr };
    let line = String::from_utf8_lossy(text).lines().next().unwrap_or_default().to_owned();
    Some(if output.status.success() { Ok(line) } else { Err(line) })
}

/// The compiler that the tests of the emitted source run it with.
pub(super) fn cxx() -> Finding {
    let named = std::env::var("CXX").ok();
    let compiler = named.as_deref().unwrap_or("c++");
    let works = said(compiler, &["--version"]).and_then(Result::ok);
    let remedy = if named.is_some() { Some("unset CXX".to_owned()) } else { install(|manager| manager.cxx) };
    Finding {
        what: "C++ compiler",
        remedy: if works.is_none() { remedy } else { None },
        found: works
            .map(|version| format!("{compiler}: {version}"))
            .ok_or_else(|| format!("`{compiler}` does not run: install g++ or clang++, or set CXX")),
        without: "only the tests that run emitted source on the CPU are skipped",
        details: json!({ "command": compiler }),
    }
}

/// The Python package, which reads compressed weights as safetensors reads others.
pub(super) fn python_package() -> Finding {
    const HERE: &str = env!("CARGO_PKG_VERSION");
    const VERSION: &str = "import importlib.metadata as m; print(m.version('ecf8'))";
    const INSTALL: &str = "python3 -m pip install ./ecf8-python   # in a clone of ecf8";
    let version = said("python3", &["-c", VERSION]);
    let (found, remedy) = match &version {
        None => (Err("`python3` does not run".to_owned()), install(|manager| manager.python)),
        Some(Err(_)) => (Err("python3 has no package `ecf8`".to_owned()), Some(INSTALL.to_owned())),
        Some(Ok(other)) if other != HERE => {
            (Ok(format!("{other}, and this program is {HERE}")), Some(INSTALL.to_owned()))
        }
        Some(Ok(same)) => (Ok(same.clone()), None),
    };
    Finding {
        what: "Python package",
        found,
        remedy,
        without: "`import ecf8` does not work, and neither do frameworks that load weights by it",
        details: json!({ "version": version.and_then(Result::ok) }),
    }
}

/// What to type when no GPU can be used; nothing where there is none.
pub(super) fn remedy_of_driver(error: &DeviceError) -> Option<String> {
    const INSTALL: &str = "sudo apt-get install nvidia-driver-580   # Debian, Ubuntu; https://www.nvidia.com/drivers has others";
    match error {
        DeviceError::NoDriver if !has_gpu() => None,
        DeviceError::NoDriver if Path::new("/.dockerenv").exists() => {
            Some("docker run --gpus all ...   # this container was started without".to_owned())
        }
        DeviceError::NoDriver | DeviceError::DriverTooOld { .. } => Some(INSTALL.to_owned()),
        DeviceError::NoGpu if std::env::var_os("CUDA_VISIBLE_DEVICES").is_some() => {
            Some("unset CUDA_VISIBLE_DEVICES".to_owned())
        }
        _ => Some("nvidia-smi   # says what is wrong with the driver".to_owned()),
    }
}

/// Whether a device of NVIDIA is on the PCI bus.
fn has_gpu() -> bool {
    let devices = std::fs::read_dir("/sys/bus/pci/devices").into_iter().flatten().flatten();
    let vendor = |path: &Path| std::fs::read_to_string(path.join("vendor")).unwrap_or_default();
    devices.map(|device| device.path()).any(|path| vendor(&path).trim() == "0x10de")
}
