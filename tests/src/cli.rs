//! The `ecf8` program as users have it: built once, run in folders of its own, its answers and refusals checked.

use ecf8_core::Scheme;
use ecf8_core::synthetic::{self, SyntheticTensor};
use safetensors::Dtype;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

/// The program, built for the profile that the tests were built for, in the same target folder. `ECF8_BIN` names another
/// one to test.
///
/// # Panics
/// If it cannot be built.
#[must_use]
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| std::env::var_os("ECF8_BIN").map_or_else(build, PathBuf::from))
}

fn build() -> PathBuf {
    // A test lies in TARGET/PROFILE/deps.
    let test = std::env::current_exe().unwrap();
    let [profile, target] = [2, 3].map(|up| test.ancestors().nth(up).unwrap());
    let name = profile.file_name().unwrap().to_str().unwrap();
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into()))
        // Of the workspace, dependencies have the features that the tests were built with: nothing is compiled again.
        .args(["build", "--quiet", "--workspace", "--bin", "ecf8", "--target-dir"])
        .arg(target)
        .args(["--profile", if name == "debug" { "dev" } else { name }, "--message-format", "json"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo should run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let messages = String::from_utf8(output.stdout).unwrap();
    let mut messages =
        messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let program = messages.find_map(|message| message["executable"].as_str().map(PathBuf::from));
    program.expect("cargo should name the program that it built")
}

/// What the program said and how it ended.
#[derive(Debug)]
pub struct Said {
    /// Its exit status; none if a signal ended it.
    pub status: Option<i32>,
    /// On standard output.
    pub stdout: String,
    /// On standard error.
    pub stderr: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("standard output should be text"),
            stderr: String::from_utf8(output.stderr).expect("standard error should be text"),
        }
    }
}

impl Said {
    /// Its answer, if it succeeded and had nothing to complain about.
    ///
    /// # Panics
    /// Otherwise.
    #[must_use]
    pub fn answer(self) -> String {
        assert_eq!((self.status, self.stderr.as_str()), (Some(0), ""), "{self:?}");
        self.stdout
    }

    /// Its answer, which must be one JSON document.
    ///
    /// # Panics
    /// If it is not, or it failed.
    #[must_use]
    pub fn json(self) -> serde_json::Value {
        let answer = self.answer();
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error} in {answer}"))
    }

    /// As [`Said::refuses`], of a command that also answers what it has found: `words` may be in its answer, too.
    ///
    /// # Panics
    /// Otherwise.
    pub fn finds(&self, status: i32, words: &[&str]) {
        let Self { stdout, stderr, .. } = self;
        let told = Self { status: self.status, stdout: String::new(), stderr: stderr.clone() };
        told.refuses(status, &[]);
        for word in words {
            assert!(stdout.contains(word) || stderr.contains(word), "should name {word:?}: {self:?}");
        }
    }

    /// Checks that it failed with `status`, said nothing on standard output, and one line on standard error that begins
    /// with `ecf8: ` and has all of `words` in it.
    ///
    /// # Panics
    /// Otherwise.
    pub fn refuses(&self, status: i32, words: &[&str]) {
        assert_eq!(self.status, Some(status), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        let line = self.stderr.strip_suffix('\n').unwrap_or_default();
        assert!(line.starts_with("ecf8: ") && !line.contains(['\n', '\r', '\x1b']), "{self:?}");
        for word in words {
            assert!(line.contains(word), "should name {word:?}: {line}");
        }
    }
}

/// A folder of its own for one test, in which the program runs; it goes when the test ends.
#[derive(Debug)]
pub struct Scratch(TempDir);

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl Scratch {
    /// An empty folder.
    #[must_use]
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A path in it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, and the folders it is in.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// The bytes of a file.
    #[must_use]
    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// The program with these arguments, ready to be run in this folder.
    pub fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(program());
        command.args(args).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    /// Runs the program in this folder.
    pub fn run<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Said {
        self.command(args).output().unwrap().into()
    }

    /// Runs the program with arguments that are words of one line.
    #[must_use]
    pub fn ecf8(&self, line: &str) -> Said {
        self.run(line.split_whitespace())
    }

    /// Runs the program under `strace`, which makes system calls fail as `injections` say, each as after its `-e`. `None`, and
    /// a line about it, where there is no `strace` and none is required.
    ///
    /// # Panics
    /// If `strace` is required and cannot be run.
    #[must_use]
    pub fn with_failing(&self, injections: &[&str], line: &str) -> Option<Said> {
        let mut command = Command::new("strace");
        command.args(["-f", "-o", "/dev/null"]);
        injections.iter().for_each(|injection| {
            let _ = command.args(["-e", injection]);
        });
        self.traced(command, line)
    }

    /// Runs the program under `command`, a `strace` with its options.
    ///
    /// # Panics
    /// If `strace` is required and cannot be run.
    #[must_use]
    pub fn traced(&self, mut command: Command, line: &str) -> Option<Said> {
        command.arg(program()).args(line.split(' ')).current_dir(self.0.path()).stdin(Stdio::null());
        match command.output() {
            Ok(output) => Some(output.into()),
            Err(error) if std::env::var_os("ECF8_REQUIRE_STRACE").is_some() => {
                panic!("strace is required: {error}")
            }
            Err(error) => {
                eprintln!("skipped: strace cannot be run: {error}");
                None
            }
        }
    }

    /// Runs the program, which must refuse as [`Said::refuses`] says and leave everything in this folder as it was.
    pub fn refuses(&self, line: &str, status: i32, words: &[&str]) {
        let before = self.contents();
        let said = self.ecf8(line);
        said.refuses(status, words);
        self.assert_unchanged(&before, line);
    }

    /// As [`Scratch::refuses`], of a command that also answers what it has found, see [`Said::finds`].
    pub fn finds(&self, line: &str, status: i32, words: &[&str]) {
        let before = self.contents();
        let said = self.ecf8(line);
        said.finds(status, words);
        self.assert_unchanged(&before, line);
    }

    /// Everything in this folder: each file with its bytes, each folder and whatever else with none.
    #[must_use]
    pub fn contents(&self) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        contents(self.0.path())
    }

    /// Checks that the folder holds exactly what it did `before`.
    ///
    /// # Panics
    /// Otherwise.
    pub fn assert_unchanged(&self, before: &BTreeMap<PathBuf, Option<Vec<u8>>>, what: &str) {
        let after = self.contents();
        let names = |contents: &BTreeMap<PathBuf, _>| contents.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(before), names(&after), "{what}: files appeared or disappeared");
        for (name, bytes) in before {
            assert!(bytes == &after[name], "{what}: {} changed", name.display());
        }
    }

    /// Compresses `name` to `name.packed`, verifies that on the CPU, on the emulator and against the original, inspects
    /// it, restores it to `name.back` and checks that this is `name`. Gives what `inspect --json` says.
    ///
    /// # Panics
    /// If any of that fails.
    pub fn round_trip(&self, name: &str) -> serde_json::Value {
        self.round_trip_under(ecf8_core::schemes()[0], name)
    }

    /// As [`Scratch::round_trip`], under another scheme than the usual one.
    ///
    /// # Panics
    /// If any of that fails.
    pub fn round_trip_under(&self, scheme: &dyn Scheme, name: &str) -> serde_json::Value {
        let (packed, back) = (format!("{name}.packed"), format!("{name}.back"));
        let _ = self.run(["compress", name, "-o", &packed, "--scheme", scheme.name()]).answer();
        let _ = self.run(["verify", &packed, "--against", name]).answer();
        let emulated = self.run(["verify", &packed, "--device", "emulator", "--json"]).json();
        assert_eq!(emulated["exact"], true, "{emulated}");
        let inspection = self.run(["inspect", &packed, "--json"]).json();
        let _ = self.run(["decompress", &packed, "-o", &back]).answer();
        assert!(contents(&self.path(name)) == contents(&self.path(&back)), "{name} is not byte-identical");
        inspection
    }
}

/// What is below a path: files with their bytes, anything else with none. A file has itself, under an empty path.
#[must_use]
pub fn contents(root: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(name) = pending.pop() {
        let path = if name.as_os_str().is_empty() { root.to_owned() } else { root.join(&name) };
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            pending.extend(fs::read_dir(&path).unwrap().map(|entry| name.join(entry.unwrap().file_name())));
        }
        found.insert(name, kind.is_file().then(|| fs::read(&path).unwrap()));
    }
    found
}

/// A safetensors file from its header's JSON and its data, whether or not they fit each other.
#[must_use]
pub fn raw_file(json: impl AsRef<[u8]>, data: &[u8]) -> Vec<u8> {
    let json = json.as_ref();
    [&(json.len() as u64).to_le_bytes()[..], json, data].concat()
}

/// A valid safetensors file.
///
/// # Panics
/// Never, for names and shapes that JSON can express.
#[must_use]
pub fn file(tensors: &[SyntheticTensor]) -> Vec<u8> {
    synthetic::safetensors_bytes(&[("format".to_owned(), "pt".to_owned())], tensors).unwrap()
}

/// An FP8 tensor with `count` weights that compress well.
#[must_use]
pub fn weights(name: &str, seed: u64, count: usize) -> SyntheticTensor {
    let bytes = synthetic::cast(&synthetic::gaussian(seed, count, 0.05));
    SyntheticTensor::new(name, Dtype::F8_E4M3, &[count as u64], bytes)
}

/// Weights that become larger by and by, so that runs of them have codebooks of their own.
///
/// # Panics
/// If numbers cannot be stored as this dtype.
#[must_use]
pub fn drifting(name: &str, dtype: Dtype) -> SyntheticTensor {
    let mut values = synthetic::gaussian(11, 300_000, 0.02);
    values.iter_mut().enumerate().for_each(|(place, value)| *value *= 1.0 + (place / 100_000 * 20) as f32);
    let bytes = synthetic::stored_as(&dtype.to_string(), &values).unwrap();
    SyntheticTensor::new(name, dtype, &[300, 1000], bytes)
}

/// A file with two tensors that compress, one that does not, and one that is not FP8.
#[must_use]
pub fn sample() -> Vec<u8> {
    let noise = SyntheticTensor::new("noise", Dtype::F8_E4M3, &[500], synthetic::noise(2, 500));
    let scale = SyntheticTensor::new("a.scale", Dtype::F32, &[3], vec![1; 12]);
    file(&[weights("a.weight", 1, 6400), noise, scale, weights("b.weight", 3, 8191)])
}
