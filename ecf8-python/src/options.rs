//! How something is to be done, from the keywords of a call.

use crate::threads;
use ecf8_core::Aim;
use ecf8_core::container::CompressOptions;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rayon::ThreadPool;
use std::path::PathBuf;

/// Threads that can be asked for; starting many more takes longer than any work for them.
const MAX_THREADS: usize = 1024;

/// All keywords, those which a function does not know refused.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) compress: CompressOptions,
    pub(crate) threads: Option<usize>,
    pub(crate) partial: bool,
    /// What the input is the difference from, and the bases of that.
    pub(crate) base: Vec<PathBuf>,
    pub(crate) progress: Option<Py<PyAny>>,
}

impl Options {
    /// Reads keywords, of which a function has those in `known`.
    pub(crate) fn of(keywords: Option<&Bound<'_, PyDict>>, known: &[&str]) -> PyResult<Self> {
        let mut options = Self::default();
        for (key, value) in keywords.into_iter().flatten() {
            let key: String = key.extract()?;
            if !known.contains(&key.as_str()) {
                return Err(PyTypeError::new_err(format!(
                    "{key} is no option here; there are {}",
                    known.join(", ")
                )));
            }
            if !value.is_none() {
                options.set(&key, &value)?;
            }
        }
        Ok(options)
    }

    fn set(&mut self, key: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let compress = &mut self.compress;
        match key {
            "scheme" => {
                let name: String = value.extract()?;
                let names =
                    || ecf8_core::schemes().iter().map(|scheme| scheme.name()).collect::<Vec<_>>().join(", ");
                let scheme = ecf8_core::scheme(&name);
                compress.scheme = Some(scheme.ok_or_else(|| {
                    PyValueError::new_err(format!("there is no scheme {name:?}; there are {}", names()))
                })?);
            }
            "optimize" => {
                compress.aim = match value.extract::<String>()?.as_str() {
                    "size" => Aim::Size,
                    "speed" => Aim::Speed,
                    other => {
                        return Err(PyValueError::new_err(format!(
                            "optimize is \"size\" or \"speed\", not {other:?}"
                        )));
                    }
                };
            }
            "codebooks" => compress.codebooks = Some(within(key, value, 1, u32::MAX as usize)?),
            "code_bits" => compress.code_bits = u8::try_from(within(key, value, 10, 13)?).ok(),
            "base" => self.base = value.extract()?,
            "partial" => self.partial = value.extract()?,
            "overwrite" => compress.overwrite = value.extract()?,
            "allow_missing_shards" => compress.allow_missing_shards = value.extract()?,
            "threads" => self.threads = Some(within(key, value, 1, MAX_THREADS)?),
            _ => self.progress = Some(value.clone().unbind()),
        }
        Ok(())
    }

    /// The pool that was asked for, if one was.
    pub(crate) fn pool(&self) -> PyResult<Option<ThreadPool>> {
        self.threads.map(threads::build).transpose()
    }
}

fn within(key: &str, value: &Bound<'_, PyAny>, least: usize, most: usize) -> PyResult<usize> {
    let number: i64 = value.extract()?;
    let number = usize::try_from(number).ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| {
        PyValueError::new_err(format!("{key} is a number from {least} to {most}, not {value}"))
    })
}
