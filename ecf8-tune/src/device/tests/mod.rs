//! The device path where there is no GPU (it must fail politely), on a fake driver (every call in its place), and
//! on a real GPU where there is one.

mod capture;
mod clocks;
mod cublas;
pub(crate) mod fake;
pub(crate) mod graph;
pub(crate) mod nvcomp;
mod real;
mod replay;
mod threads;

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;

/// Runs the test of this path in a process of its own, whose loader finds `libcuda.so.1` in `folder` first.
fn in_child(test: &str, folder: &Path, trouble: &str, variables: &[(&str, &Path)]) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env("LD_LIBRARY_PATH", folder);
    command.envs(variables.iter().copied());
    let output = command.env("ECF8_TEST_CHILD", "1").env("FAKE_CUDA", trouble).output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{test}: {}\n{text}", output.status);
}

/// Whether this is such a process.
pub(crate) fn is_child() -> bool {
    std::env::var_os("ECF8_TEST_CHILD").is_some()
}

/// The trouble that the fake driver of this child makes.
fn trouble() -> String {
    std::env::var("FAKE_CUDA").unwrap_or_default()
}

#[test]
fn opening_a_gpu_never_panics_and_every_error_is_one_line() {
    let opened = catch_unwind(|| {
        (CudaDevice::open(0).map(|_| ()), CudaDevice::open(4_000_000_000).map(|_| ()), devices())
    });
    let (first, absurd, all) = opened.unwrap();
    let errors = [first.err(), absurd.err(), all.err()];
    assert!(errors[1].is_some(), "no machine has that many GPUs");
    for error in errors.iter().flatten() {
        let text = error.to_string();
        assert_eq!(text.lines().count(), 1, "{text}");
        eprintln!("{text}");
    }
}

#[test]
fn a_driver_library_without_the_drivers_functions_is_refused_by_the_first_that_lacks() {
    if is_child() {
        let error = catch_unwind(|| CudaDevice::open(0).map(|_| ())).unwrap().unwrap_err();
        assert_eq!(error, DeviceError::DriverTooOld { function: "cuCtxGetCurrent" });
        return;
    }
    let test =
        "device::tests::a_driver_library_without_the_drivers_functions_is_refused_by_the_first_that_lacks";
    let Some(folder) = fake::compile("int not_a_driver;", fake::LIBRARY) else { return };
    in_child(test, folder.path(), "", &[]);
}

#[test]
fn a_driver_library_that_is_no_library_counts_as_none() {
    if is_child() {
        assert_eq!(CudaDevice::open(0).map(|_| ()).unwrap_err(), DeviceError::NoDriver);
        return;
    }
    if PathBuf::from("/proc/driver/nvidia").exists() || !matches!(devices(), Err(DeviceError::NoDriver)) {
        eprintln!("skipped: this machine has a driver, which would be found elsewhere");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for name in ["libcuda.so", "libcuda.so.1"] {
        std::fs::write(folder.path().join(name), "not a library").unwrap();
    }
    in_child("device::tests::a_driver_library_that_is_no_library_counts_as_none", folder.path(), "", &[]);
}
