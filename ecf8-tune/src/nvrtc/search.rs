//! Where NVRTC may be on this machine, in the order of preference.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The places to look in. [`SearchPath::from_environment`] fills it for real; tests fill it themselves.
#[derive(Clone, Debug, Default)]
pub struct SearchPath {
    /// A file or folder that the user named (`ECF8_NVRTC`). When set, nothing else is tried.
    pub explicit: Option<PathBuf>,
    /// Whether to ask the dynamic loader for `libnvrtc.so` by name (system folders, `LD_LIBRARY_PATH`).
    pub loader: bool,
    /// The folders among those of the loader that are known here (`LD_LIBRARY_PATH`): what it would find there is
    /// looked over first, since it dies on a library that is cut short.
    pub loader_folders: Vec<PathBuf>,
    /// Folders that may hold `libnvrtc.so*` themselves: those of CUDA toolkits.
    pub folders: Vec<PathBuf>,
    /// Folders of Python packages, in whose `nvidia/…/lib` NVRTC's wheels put it.
    pub site_packages: Vec<PathBuf>,
    /// A Python interpreter to ask for more such folders when everything else failed.
    pub python: Option<PathBuf>,
}

impl SearchPath {
    /// The places on this machine for this process.
    pub fn from_environment() -> Self {
        let (current, root) = (std::env::current_dir().ok(), Path::new("/"));
        Self::from_variables(&|name| std::env::var_os(name), current.as_deref(), root)
    }

    /// The same for given environment variables and working directory, on a system whose folders are in `root`.
    fn from_variables(
        variable: &dyn Fn(&str) -> Option<OsString>,
        current: Option<&Path>,
        root: &Path,
    ) -> Self {
        let folder = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let environments = ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(folder);
        let beside = current.into_iter().flat_map(Path::ancestors).map(|parent| parent.join(".venv"));
        let environments: Vec<PathBuf> = environments.chain(beside.filter(|venv| venv.is_dir())).collect();
        let python = if cfg!(windows) { "python.exe" } else { "python3" };
        let python = variable("PATH").and_then(|path| on_path(&path, python));

        let mut site_packages: Vec<PathBuf> =
            environments.iter().flat_map(|root| packages_under(root)).collect();
        for interpreter in python.iter().flat_map(|python| links(python)) {
            // On Windows the interpreter itself is at the root, except in virtual environments.
            let roots = interpreter.ancestors().skip(1).take(2);
            site_packages.extend(roots.flat_map(packages_under));
        }
        site_packages.extend(folder("HOME").iter().flat_map(|home| packages_under(&home.join(".local"))));

        let toolkits = ["CUDA_HOME", "CUDA_PATH", "CUDA_ROOT", "CONDA_PREFIX"].into_iter().filter_map(folder);
        let toolkits = toolkits.chain(usual_toolkits(root));
        // Where WSL shows what Windows brings.
        let wsl = Some(root.join("usr/lib/wsl/lib")).filter(|folder| folder.is_dir());
        Self {
            explicit: folder("ECF8_NVRTC"),
            loader: true,
            loader_folders: variable("LD_LIBRARY_PATH").iter().flat_map(std::env::split_paths).collect(),
            folders: unique(
                toolkits.flat_map(|root| toolkit_folders(&root, cfg!(windows))).chain(wsl).collect(),
            ),
            site_packages: unique(site_packages),
            python,
        }
    }
}

/// Names under which the dynamic loader may know NVRTC. From CUDA 12 on they have the major version only.
pub(super) const LOADER_NAMES: &[&str] = if cfg!(windows) {
    &["nvrtc64_130_0.dll", "nvrtc64_120_0.dll", "nvrtc64_112_0.dll"]
} else {
    &["libnvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2"]
};

/// The libraries called `libnvrtc.so…`, or `nvrtc64_….dll` as on Windows, in `folder`, newest first.
pub(super) fn libraries_in(folder: &Path) -> Vec<PathBuf> {
    let named = |entry: &PathBuf| {
        let name = entry.file_name().unwrap_or_default().to_string_lossy();
        let rest = name.strip_prefix("nvrtc64_").and_then(|name| name.strip_suffix(".dll"));
        // Beside it lies one that needs less memory to compile and more time, `….alt.dll`.
        let is_dll = rest.is_some_and(|version| version.bytes().all(|b| b.is_ascii_digit() || b == b'_'));
        is_dll || name == "libnvrtc.so" || name.starts_with("libnvrtc.so.")
    };
    newest_first(entries(folder).into_iter().filter(named).collect())
}

/// The folders of NVIDIA's wheels within a folder of Python packages.
///
/// The wheel of CUDA 12 and earlier comes first: its cubins load on more drivers than those of CUDA 13.
pub(super) fn wheel_folders(site_packages: &Path, is_windows: bool) -> Vec<PathBuf> {
    let nvidia = site_packages.join("nvidia");
    let within: &[&str] = if is_windows { &["bin/x86_64", "bin"] } else { &["lib"] };
    let known = ["cuda_nvrtc", "cu13"].into_iter().map(|name| nvidia.join(name));
    let packages = known.chain(newest_first(entries(&nvidia)));
    let folders = packages.flat_map(|package| within.iter().map(move |name| package.join(name)));
    unique(folders.filter(|folder| folder.is_dir()).collect())
}

/// Asks an interpreter where its packages are; nothing if it does not answer.
pub(super) fn packages_of(python: &Path) -> Vec<PathBuf> {
    let script = "import sys; print('\\n'.join(p for p in sys.path if p.endswith('-packages')))";
    let answer = Command::new(python).args(["-c", script]).output();
    let text = answer.ok().filter(|answer| answer.status.success()).map(|answer| answer.stdout);
    let text = String::from_utf8(text.unwrap_or_default()).unwrap_or_default();
    text.lines().map(PathBuf::from).filter(|folder| folder.is_dir()).collect()
}

/// `lib/python3.*/site-packages` and its distribution-specific relatives under `root`, newest Python first, and
/// `Lib/site-packages`, which Windows has instead.
fn packages_under(root: &Path) -> Vec<PathBuf> {
    let python =
        |entry: &PathBuf| entry.file_name().is_some_and(|name| name.to_string_lossy().starts_with("python3"));
    let libraries = ["lib", "lib64"].into_iter().map(|name| root.join(name));
    let versions = libraries.flat_map(|lib| newest_first(entries(&lib).into_iter().filter(python).collect()));
    let folders =
        versions.flat_map(|version| ["site-packages", "dist-packages"].map(|name| version.join(name)));
    let folders = folders.chain([root.join("Lib/site-packages")]);
    folders.filter(|folder| folder.is_dir()).collect()
}

/// `/usr/local/cuda`, then its versioned siblings, then Arch Linux's place.
fn usual_toolkits(root: &Path) -> Vec<PathBuf> {
    let versioned =
        |entry: &PathBuf| entry.file_name().is_some_and(|name| name.to_string_lossy().starts_with("cuda-"));
    let siblings = newest_first(entries(&root.join("usr/local")).into_iter().filter(versioned).collect());
    [root.join("usr/local/cuda")].into_iter().chain(siblings).chain([root.join("opt/cuda")]).collect()
}

/// Where a toolkit installed at `root` keeps its libraries; `root` itself if it is not there, for the record.
fn toolkit_folders(root: &Path, is_windows: bool) -> Vec<PathBuf> {
    let target = match std::env::consts::ARCH {
        "aarch64" => "targets/sbsa-linux/lib",
        _ => "targets/x86_64-linux/lib",
    };
    if !root.is_dir() {
        return vec![root.to_owned()];
    }
    let within: &[&str] = if is_windows { &["bin/x64", "bin"] } else { &["lib64", "lib", target] };
    within.iter().map(|name| root.join(name)).filter(|folder| folder.is_dir()).collect()
}

/// The first executable called `name` in the folders of a `PATH`.
fn on_path(path: &OsString, name: &str) -> Option<PathBuf> {
    std::env::split_paths(path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// `file` and what it links to, link by link: a virtual environment's `python3` is a link out of it.
fn links(file: &Path) -> Vec<PathBuf> {
    /// More than any sane chain; a loop ends here.
    const LONGEST: usize = 16;
    let mut chain = vec![file.to_owned()];
    while let Some(last) = chain.last().filter(|_| chain.len() < LONGEST) {
        let Ok(target) = std::fs::read_link(last) else { break };
        let folder = last.parent().map_or_else(PathBuf::new, Path::to_owned);
        chain.push(folder.join(target));
    }
    chain
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

/// Sorts by the numbers in the file names, highest first; `libnvrtc.so` itself counts as having none.
fn newest_first(mut paths: Vec<PathBuf>) -> Vec<PathBuf> {
    let numbers = |path: &PathBuf| -> Vec<u32> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let runs = name.split(|c: char| !c.is_ascii_digit()).filter(|run| !run.is_empty());
        runs.map(|run| run.parse().unwrap_or(u32::MAX)).collect()
    };
    paths.sort_by_key(|path| (std::cmp::Reverse(numbers(path)), path.clone()));
    paths
}

/// Drops later repetitions, also by way of links.
fn unique(paths: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut seen = HashSet::new();
    paths
        .into_iter()
        .filter(|path| seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        root
    }

    #[test]
    fn libraries_come_newest_first_and_helpers_are_left_out() {
        let names = [
            "libnvrtc.so",
            "libnvrtc.so.12",
            "libnvrtc.so.13",
            "libnvrtc-builtins.so.13.5",
            "libnvrtc.alt.so.12",
        ];
        let root = tree(&names);
        let found = libraries_in(root.path());
        let found: Vec<_> = found.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(found, ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"]);
    }

    #[test]
    fn the_names_and_folders_of_windows_are_known() {
        let root = tree(&[
            "toolkit/bin/nvrtc64_120_0.dll",
            "toolkit/bin/x64/nvrtc64_130_0.dll",
            "toolkit/bin/x64/nvrtc64_130_0.alt.dll",
            "toolkit/bin/x64/nvrtc-builtins64_135.dll",
            "venv/Lib/site-packages/nvidia/cuda_nvrtc/bin/nvrtc64_120_0.dll",
            "venv/Lib/site-packages/nvidia/cu13/bin/x86_64/nvrtc64_130_0.dll",
        ]);
        let packages = packages_under(&root.path().join("venv"));
        assert_eq!(packages, [root.path().join("venv/Lib/site-packages")]);
        let toolkit = toolkit_folders(&root.path().join("toolkit"), true);
        let all = toolkit.into_iter().chain(wheel_folders(&packages[0], true));
        let found: Vec<_> = all.flat_map(|folder| libraries_in(&folder)).collect();
        let found: Vec<_> =
            found.iter().map(|file| file.strip_prefix(root.path()).unwrap().to_str().unwrap()).collect();
        assert_eq!(
            found,
            [
                "toolkit/bin/x64/nvrtc64_130_0.dll",
                "toolkit/bin/nvrtc64_120_0.dll",
                "venv/Lib/site-packages/nvidia/cuda_nvrtc/bin/nvrtc64_120_0.dll",
                "venv/Lib/site-packages/nvidia/cu13/bin/x86_64/nvrtc64_130_0.dll",
            ]
        );
    }

    #[test]
    fn wheels_of_cuda_12_come_before_13_and_others_last() {
        let root =
            tree(&["nvidia/cu13/lib/a", "nvidia/cu14/lib/a", "nvidia/cuda_nvrtc/lib/a", "nvidia/cudnn/x"]);
        let found = wheel_folders(root.path(), false);
        let expected =
            ["cuda_nvrtc", "cu13", "cu14"].map(|name| root.path().join("nvidia").join(name).join("lib"));
        assert_eq!(found, expected);
    }

    #[test]
    fn variables_environments_and_the_python_on_the_path_are_followed() {
        let root = tree(&[
            "venv/lib/python3.9/site-packages/a",
            "venv/lib/python3.12/site-packages/a",
            "project/.venv/lib/python3.11/site-packages/a",
            "project/deep/file",
            "toolkit/lib64/a",
            "real/lib/python3.10/dist-packages/a",
            "real/bin/python3.10",
            "other/lib/python3.10/site-packages/a",
            "home/.local/lib/python3.8/site-packages/a",
            "usr/lib/wsl/lib/a",
            "usr/local/cuda-12.4/lib64/a",
        ]);
        let at = |name: &str| root.path().join(name);
        fs::create_dir_all(at("other/bin")).unwrap();
        std::os::unix::fs::symlink("../../real/bin/python3.10", at("other/bin/python3")).unwrap();
        let variable = |name: &str| match name {
            "VIRTUAL_ENV" => Some(at("venv").into()),
            "PATH" => Some(at("other/bin").into()),
            "HOME" => Some(at("home").into()),
            "CUDA_HOME" => Some(at("toolkit").into()),
            "ECF8_NVRTC" => Some("".into()),
            _ => None,
        };
        let search = SearchPath::from_variables(&variable, Some(&at("project/deep")), root.path());
        let strip = |path: &PathBuf| path.strip_prefix(root.path()).unwrap().to_str().unwrap().to_owned();
        let packages: Vec<_> =
            search.site_packages.iter().map(|path| strip(&path.canonicalize().unwrap())).collect();
        assert_eq!(
            packages,
            [
                "venv/lib/python3.12/site-packages",
                "venv/lib/python3.9/site-packages",
                "project/.venv/lib/python3.11/site-packages",
                "other/lib/python3.10/site-packages",
                "real/lib/python3.10/dist-packages",
                "home/.local/lib/python3.8/site-packages",
            ]
        );
        let folders: Vec<_> = search.folders.iter().map(&strip).collect();
        let wanted =
            ["toolkit/lib64", "usr/local/cuda", "usr/local/cuda-12.4/lib64", "opt/cuda", "usr/lib/wsl/lib"];
        assert_eq!(folders, wanted, "toolkits, then where WSL shows what Windows brings");
        assert_eq!(search.python, Some(at("other/bin/python3")));
        assert_eq!((search.explicit, search.loader), (None, true), "an empty ECF8_NVRTC counts as unset");
    }

    #[test]
    fn a_loop_of_links_ends() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("b", root.path().join("a")).unwrap();
        std::os::unix::fs::symlink("a", root.path().join("b")).unwrap();
        assert!(links(&root.path().join("a")).len() <= 16);
    }
}
