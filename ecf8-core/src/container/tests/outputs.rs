//! Outputs appear whole or not at all, and never over something else.

use super::*;
use std::process::Command;

fn sample_in(folder: &Path) -> PathBuf {
    let input = folder.join("in.safetensors");
    fs::write(&input, sample()).unwrap();
    input
}

fn attempt(input: &Path, output: &Path, overwrite: bool) -> Result<Report> {
    compress(input, output, &CompressOptions { overwrite, ..CompressOptions::default() }, &())
}

#[test]
fn an_existing_output_is_replaced_only_on_request() {
    let folder = folder();
    let (input, output) = (sample_in(folder.path()), folder.path().join("out.safetensors"));
    fs::write(&output, "precious").unwrap();
    let error = attempt(&input, &output, false).unwrap_err();
    assert!(matches!(error, Error::OutputExists { .. }) && !error.is_data_error());
    assert_eq!(fs::read(&output).unwrap(), b"precious");
    attempt(&input, &output, true).unwrap();
    assert!(CompressedFile::open(&output).is_ok());
    assert_eq!(names_in(folder.path()), ["in.safetensors", "out.safetensors"]);
}

#[test]
fn the_input_is_never_the_output() {
    let folder = folder();
    let input = sample_in(folder.path());
    let mut aliases = vec![input.clone(), folder.path().join(".").join("in.safetensors")];
    #[cfg(unix)]
    {
        aliases.push(folder.path().join("hard"));
        fs::hard_link(&input, &aliases[2]).unwrap();
        aliases.push(folder.path().join("soft"));
        std::os::unix::fs::symlink(&input, &aliases[3]).unwrap();
    }
    for alias in aliases {
        for overwrite in [false, true] {
            let error = attempt(&input, &alias, overwrite).unwrap_err();
            assert!(matches!(error, Error::OutputIsInput { .. }), "{error}");
        }
    }
    assert!(fs::read(&input).unwrap() == sample());
}

#[test]
fn places_that_cannot_be_written_are_named() {
    let folder = folder();
    let input = sample_in(folder.path());
    let absent = folder.path().join("absent/out.safetensors");
    let within_file = input.join("out.safetensors");
    for output in [&absent, &within_file] {
        let error = attempt(&input, output, false).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::Io { .. }) && !error.is_data_error(), "{text}");
        assert!(text.contains(folder.path().to_str().unwrap()) && text.contains(';'), "{text}");
    }
    let folder_as_output = attempt(&input, folder.path(), true).unwrap_err();
    assert!(!folder_as_output.is_data_error(), "{folder_as_output}");
    assert_eq!(names_in(folder.path()), ["in.safetensors"]);
}

#[test]
fn inputs_that_are_absent_empty_or_no_file_are_named() {
    let folder = folder();
    let output = folder.path().join("out.safetensors");
    let absent = attempt(&folder.path().join("absent"), &output, false).unwrap_err();
    assert!(matches!(absent, Error::Io { .. }), "{absent}");
    let empty = folder.path().join("empty.safetensors");
    fs::write(&empty, "").unwrap();
    let error = attempt(&empty, &output, false).unwrap_err();
    assert!(error.to_string().contains("fewer than 8 bytes"), "{error}");
    let error = attempt(Path::new("/dev/null"), &output, false);
    assert!(cfg!(not(unix)) || matches!(error, Err(Error::NotAFile { .. })), "{error:?}");
    assert_eq!(names_in(folder.path()), ["empty.safetensors"]);
}

#[test]
#[cfg(unix)]
fn outputs_get_the_permissions_of_any_fresh_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let container = compressed(folder.path(), &sample());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&container), mode(&folder.path().join("in.safetensors")));
}

/// A full disk is played by a limit on the size of files, under which this test runs itself once more.
#[test]
#[cfg(unix)]
fn a_disk_that_fills_up_midway_leaves_nothing_behind() {
    const FOLDER: &str = "ECF8_TEST_FULL_DISK";
    if let Some(folder) = std::env::var_os(FOLDER) {
        let folder = PathBuf::from(folder);
        let input = folder.join("in.safetensors");
        let error = attempt(&input, &folder.join("out.safetensors"), false).unwrap_err();
        assert!(error.to_string().contains("free some space"), "{error}");
        assert!(!error.is_data_error());
        return;
    }
    let folder = folder();
    let tensors = [fp8("w", &[1 << 20], weights(1, 1 << 20))];
    let file = safetensors_bytes(&[], &tensors).unwrap();
    fs::write(folder.path().join("in.safetensors"), &file).unwrap();
    let test = "container::tests::outputs::a_disk_that_fills_up_midway_leaves_nothing_behind";
    let child = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 256; exec \"$0\" --exact \"$1\" --nocapture"])
        .arg(std::env::current_exe().unwrap())
        .arg(test)
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&child.stderr)
    );
    assert_eq!(names_in(folder.path()), ["in.safetensors"]);
    assert!(fs::read(folder.path().join("in.safetensors")).unwrap() == file);
}
