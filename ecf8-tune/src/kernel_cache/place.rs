//! Where a user's caches are.

use std::ffi::OsString;
use std::path::PathBuf;

/// What is said when there is no such place.
pub(crate) const NO_HOME: &str = "there is no folder for caches (HOME is not set): kernels are compiled in every run; \
                                  set ECF8_CACHE to a folder that can be written";

/// The folder of all caches of this program: `ECF8_CACHE`, or `ecf8` in `XDG_CACHE_HOME` or `~/.cache`; `None` if the
/// environment names none. It need not exist.
pub(crate) fn cache_home() -> Option<PathBuf> {
    choose(|name| std::env::var_os(name))
}

fn choose(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let folder = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // The XDG specification has relative paths ignored.
    let absolute = |name: &str| folder(name).filter(|path| path.is_absolute());
    folder("ECF8_CACHE")
        .or_else(|| absolute("XDG_CACHE_HOME").map(|home| home.join("ecf8")))
        .or_else(|| absolute("HOME").map(|home| home.join(".cache/ecf8")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(set: &[(&str, &str)]) -> Option<PathBuf> {
        choose(|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn the_first_that_is_set_and_usable_is_taken() {
        let all = [("ECF8_CACHE", "here"), ("XDG_CACHE_HOME", "/x"), ("HOME", "/h")];
        assert_eq!(chosen(&all), Some("here".into()));
        assert_eq!(chosen(&all[1..]), Some("/x/ecf8".into()));
        assert_eq!(chosen(&all[2..]), Some("/h/.cache/ecf8".into()));
        assert_eq!(chosen(&[("ECF8_CACHE", ""), ("XDG_CACHE_HOME", "relative"), ("HOME", "")]), None);
    }
}
