//! Rust's errors as Python's: `ecf8.Error` and its kinds for data, the usual ones of Python for the rest.

use ecf8_core::Error;
use ecf8_core::header::HeaderError;
use pyo3::exceptions::{PyFileExistsError, PyIsADirectoryError, PyKeyError, PyMemoryError, PyOSError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use std::path::{Path, PathBuf};

/// The classes of `ecf8._errors`.
#[derive(Clone, Copy)]
enum Kind {
    Error,
    Damaged,
    NotAContainer,
}

/// The exception for an error with files and containers.
pub(crate) fn of_core(error: Error) -> PyErr {
    let text = error.to_string();
    match error {
        Error::Io { action, path, source } => of_io(action, &path, &source),
        Error::NotAFile { path } if path.is_dir() => PyIsADirectoryError::new_err(text),
        Error::NotAFile { .. } | Error::NoRoom { .. } | Error::Unnamed { .. } => PyOSError::new_err(text),
        Error::OutputExists { .. } => PyFileExistsError::new_err(text),
        Error::NoTensor { .. } => PyKeyError::new_err(text),
        Error::Memory { .. } => PyMemoryError::new_err(text),
        error => {
            let (kind, (path, tensor)) = (kind(&error), place(&error));
            ours(kind, text, path, tensor)
        }
    }
}

/// `ecf8.Error` with a text only.
pub(crate) fn plain(text: String) -> PyErr {
    ours(Kind::Error, text, None, None)
}

fn kind(error: &Error) -> Kind {
    match error {
        Error::NotCompressed { .. } => Kind::NotAContainer,
        Error::Header {
            source: HeaderError::NotSafetensors { .. } | HeaderError::SomethingElse { .. },
            ..
        } => Kind::Error,
        Error::Header { .. }
        | Error::Container { .. }
        | Error::Foreign { .. }
        | Error::Checksum { .. }
        | Error::BeyondRepair { .. }
        | Error::NothingGood { .. }
        | Error::Damaged { .. }
        | Error::Decode { .. }
        | Error::Differs { .. }
        | Error::OtherFile { .. }
        | Error::FileList { .. }
        | Error::MissingFile { .. } => Kind::Damaged,
        _ => Kind::Error,
    }
}

/// The file and the tensor that an error is about, as far as it says.
fn place(error: &Error) -> (Option<&Path>, Option<&str>) {
    let (path, tensor): (&PathBuf, Option<&String>) = match error {
        Error::Decode { path, tensor, .. }
        | Error::Encode { path, tensor, .. }
        | Error::NotLossless { path, tensor, .. }
        | Error::Promise { path, tensor, .. }
        | Error::Buffer { path, tensor, .. }
        | Error::Range { path, tensor, .. }
        | Error::UnknownTensor { path, tensor, .. } => (path, Some(tensor)),
        Error::Checksum { path, what, .. } => {
            let name = what.split('`').nth(1).filter(|_| what.ends_with('`'));
            return (Some(path), name);
        }
        Error::Damaged { path, tensor, .. } => (path, tensor.as_ref()),
        Error::Header { path, .. }
        | Error::BeyondRepair { path, .. }
        | Error::NothingGood { path, .. }
        | Error::AlreadyCompressed { path }
        | Error::NotCompressed { path }
        | Error::Version { path, .. }
        | Error::Container { path, .. }
        | Error::Changed { path, .. }
        | Error::OverLimit { path, .. }
        | Error::Unreadable { path, .. }
        | Error::Differs { path, .. }
        | Error::OutputIsInput { path, .. }
        | Error::NoModel { path }
        | Error::Special { path, .. }
        | Error::BrokenLink { path, .. }
        | Error::LinkCircle { path, .. }
        | Error::CacheEntry { path, .. }
        | Error::OutputIsFolder { path }
        | Error::OutputIsMounted { path }
        | Error::MissingFile { path, .. }
        | Error::OtherFile { path, .. }
        | Error::FileList { path, .. } => (path, None),
        Error::MissingShard { index, .. } | Error::Index { index, .. } => (index, None),
        _ => return (None, None),
    };
    (Some(path), tensor.map(String::as_str))
}

/// An `OSError` of the class that its number has in Python, for example `FileNotFoundError`.
fn of_io(action: &str, path: &Path, source: &std::io::Error) -> PyErr {
    let Some(number) = source.raw_os_error() else {
        return PyOSError::new_err(format!("cannot {action} {}: {source}", path.display()));
    };
    let text = source.to_string();
    let text = text.strip_suffix(&format!(" (os error {number})")).unwrap_or(&text).to_owned();
    PyOSError::new_err((number, format!("cannot {action}: {text}"), path.as_os_str().to_owned()))
}

fn ours(kind: Kind, text: String, path: Option<&Path>, tensor: Option<&str>) -> PyErr {
    static CLASSES: [PyOnceLock<Py<PyType>>; 3] = [const { PyOnceLock::new() }; 3];
    Python::attach(|py| {
        let (name, cell) = match kind {
            Kind::Error => ("Error", &CLASSES[0]),
            Kind::Damaged => ("Damaged", &CLASSES[1]),
            Kind::NotAContainer => ("NotAContainer", &CLASSES[2]),
        };
        match cell.import(py, "ecf8._errors", name) {
            Ok(class) => PyErr::from_type(
                class.clone(),
                (text, path.map(|path| path.as_os_str().to_owned()), tensor.map(str::to_owned)),
            ),
            Err(error) => error,
        }
    })
}
