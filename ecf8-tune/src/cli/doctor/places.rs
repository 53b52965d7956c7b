//! Folders that ecf8 writes to, and what was left there.

use super::super::answer::printable;
use super::Finding;
use crate::kernel_cache::place;
use ecf8_core::container;
use serde_json::json;
use std::io::{self, ErrorKind};
use std::path::Path;

/// The folder of compiled kernels.
pub(super) fn cache() -> Finding {
    // Nobody else can put kernels into it.
    const OTHER: &str = "export ECF8_CACHE=\"$(mktemp -d)\"";
    let home = place::cache_home();
    let (found, remedy) = match &home {
        None => (Err(place::NO_HOME.to_owned()), Some(OTHER.to_owned())),
        Some(home) => match writable(home) {
            Ok(()) => (Ok(home.display().to_string()), None),
            Err(error) => {
                let remedy = match error.kind() {
                    ErrorKind::PermissionDenied if home.is_dir() => {
                        format!("sudo chown -R \"$USER\" {}", quoted(home))
                    }
                    _ => OTHER.to_owned(),
                };
                (Err(format!("{} cannot be written: {error}", home.display())), Some(remedy))
            }
        },
    };
    Finding {
        what: "kernel cache",
        found,
        remedy,
        without: "kernels are compiled in every run",
        details: json!({ "folder": home.map(|home| home.display().to_string()) }),
    }
}

/// The folder of temporary files.
pub(super) fn temporary() -> Finding {
    let folder = std::env::temp_dir();
    let written = writable(&folder);
    Finding {
        what: "temporary folder",
        remedy: written.is_err().then(|| "export TMPDIR=/var/tmp".to_owned()),
        found: match written {
            Ok(()) => Ok(folder.display().to_string()),
            Err(error) => Err(format!("{} cannot be written: {error}", folder.display())),
        },
        without: "`demo` does not run; outputs are written beside their place and do not need it",
        details: json!({ "folder": folder.display().to_string() }),
    }
}

/// What interrupted runs left in the current folder.
pub(super) fn leftovers() -> Finding {
    let left = container::leftovers(Path::new("."));
    let names: Vec<String> = left.iter().map(|path| path.display().to_string()).collect();
    let quoted: Vec<String> = left.iter().map(|path| quoted(path)).collect();
    Finding {
        what: "unfinished outputs",
        remedy: (!left.is_empty()).then(|| format!("rm -r {}", quoted.join(" "))),
        found: Ok(match left.len() {
            0 => "none in this folder".to_owned(),
            n => format!(
                "{n} in this folder, left by interrupted runs; the next run that writes here removes them"
            ),
        }),
        without: "nothing",
        details: json!({ "left": names }),
    }
}

/// Whether files can be made in a folder, or in the nearest one above it if it is still to be made.
fn writable(folder: &Path) -> io::Result<()> {
    let mut folders =
        folder.ancestors().map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path });
    let nearest = folders.find(|path| path.symlink_metadata().is_ok()).unwrap_or(folder);
    tempfile::tempfile_in(nearest).map(drop)
}

/// A path as a shell reads it.
fn quoted(path: &Path) -> String {
    let text = printable(&path.display().to_string());
    let is_plain =
        text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c)) && !text.starts_with('-');
    if is_plain { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_for_a_shell() {
        assert_eq!(quoted(Path::new("/var/tmp/ecf8-1.0")), "/var/tmp/ecf8-1.0");
        assert_eq!(quoted(Path::new("my models/it's")), r"'my models/it'\''s'");
        assert_eq!(quoted(Path::new("$HOME;x")), "'$HOME;x'");
    }
}
