//! Inputs that someone writes to while they are read.

use super::*;
use std::fs::{File, OpenOptions};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Does something when it hears of progress for the `at`th time.
struct Meanwhile<F> {
    at: usize,
    heard: AtomicUsize,
    act: Mutex<F>,
}

impl<F: FnMut() + Send> Meanwhile<F> {
    fn new(at: usize, act: F) -> Self {
        Self { at, heard: AtomicUsize::new(0), act: Mutex::new(act) }
    }

    fn has_acted(&self) -> bool {
        self.heard.load(Ordering::Relaxed) >= self.at
    }
}

impl<F: FnMut() + Send> Progress for Meanwhile<F> {
    fn start(&self, _what: &str, _total_bytes: u64) {}

    fn advance(&self, _bytes: u64) {
        if self.heard.fetch_add(1, Ordering::Relaxed) + 1 == self.at {
            (self.act.lock().unwrap())();
        }
    }

    fn finish(&self) {}
}

/// Elements of the tensor that is changed: more than fit the pool of small ones.
const LARGE: usize = 1_200_000;

/// A file with a large tensor, a small one, and one that is kept; and where the large one's bytes are.
fn input() -> (Vec<u8>, std::ops::Range<usize>) {
    let large = weights(1, LARGE);
    let tensors = [
        fp8("large", &[LARGE as u64], large.clone()),
        fp8("small", &[20_000], weights(2, 20_000)),
        SyntheticTensor::new("kept", Dtype::F32, &[50_000], vec![3; 200_000]),
    ];
    let file = safetensors_bytes(&[], &tensors).unwrap();
    let start = file.windows(64).position(|window| window == &large[..64]).unwrap();
    (file, start..start + LARGE)
}

#[test]
fn what_is_written_to_while_it_is_compressed_is_an_error_and_leaves_nothing() {
    let (before, large) = input();
    for at in 1..7 {
        let folder = folder();
        let (input, output) = (folder.path().join("in"), folder.path().join("out"));
        fs::write(&input, &before).unwrap();
        let write = || {
            use std::io::{Seek, SeekFrom, Write};
            let mut file = OpenOptions::new().write(true).open(&input).unwrap();
            file.seek(SeekFrom::Start(large.start as u64 + 500_000)).unwrap();
            file.write_all(&weights(9, 100_000)).unwrap();
        };
        let meanwhile = Meanwhile::new(at, write);
        let result = compress(&input, &output, &CompressOptions::default(), &meanwhile);
        if meanwhile.has_acted() {
            let error = result.unwrap_err();
            assert!(matches!(&error, Error::Changed { .. }), "{at}: {error}");
            assert_eq!(names_in(folder.path()), ["in"]);
        } else {
            assert!(at > 4 && result.is_ok(), "{at}");
        }
    }
}

/// Another process's writable map is the one way to change a file of which the system does not tell.
#[cfg(target_os = "linux")]
#[test]
#[allow(unsafe_code)]
fn what_is_written_is_what_was_checksummed_even_where_nobody_tells_of_the_change() {
    let (before, large) = input();
    for scheme in schemes() {
        let mut errors = 0;
        for at in 1..7 {
            let folder = folder();
            let (input, output) = (folder.path().join("in"), folder.path().join("out"));
            fs::write(&input, &before).unwrap();
            let file = File::options().read(true).write(true).open(&input).unwrap();
            // SAFETY: nobody shortens the file while it is mapped.
            let mut map = unsafe { memmap2::MmapMut::map_mut(&file) }.unwrap();
            // From here on these pages are the map's to write.
            map.copy_from_slice(&before);
            let write = || map[large.start + 500_000..][..100_000].copy_from_slice(&weights(9, 100_000));
            match compress(&input, &output, &by(*scheme), &Meanwhile::new(at, write)) {
                Ok(_) => {
                    decompress(&output, &folder.path().join("back"), false, &()).unwrap();
                    let back = fs::read(folder.path().join("back")).unwrap();
                    assert!(back == before || back == fs::read(&input).unwrap(), "{} {at}", scheme.name());
                }
                Err(error) => {
                    assert!(matches!(&error, Error::Changed { .. }), "{} {at}: {error}", scheme.name());
                    assert_eq!(names_in(folder.path()), ["in"]);
                    errors += 1;
                }
            }
        }
        assert!(errors > 0, "{}: no change was between the readings", scheme.name());
    }
}

#[test]
fn a_container_that_is_written_to_while_it_is_read_is_an_error_and_leaves_nothing() {
    let (before, _) = input();
    let folder = folder();
    let container = compressed_with(folder.path(), &before, CompressOptions::default());
    let good = fs::read(&container).unwrap();
    let output = folder.path().join("back");
    let write = |file: &Path| {
        use std::io::Write;
        OpenOptions::new().append(true).open(file).unwrap().write_all(b"more").unwrap();
    };
    let changed = |result: Result<()>, at: usize| {
        let error = result.unwrap_err();
        assert!(matches!(&error, Error::Changed { path, .. } if *path == container), "{at}: {error}");
        fs::write(&container, &good).unwrap();
    };
    for at in 1..6 {
        let meanwhile = Meanwhile::new(at, || write(&container));
        let result = decompress(&container, &output, false, &meanwhile);
        assert!(meanwhile.has_acted() && !output.exists());
        changed(result.map(|_| ()), at);
        let model = CompressedModel::open(&container).unwrap();
        let meanwhile = Meanwhile::new(at, || write(&container));
        changed(model.files[0].verify_integrity(&meanwhile).and_then(|()| model.check_unchanged()), at);
    }
    let model = CompressedModel::open(&container).unwrap();
    let original = folder.path().join("in.safetensors");
    let meanwhile = Meanwhile::new(1, || write(&original));
    let error = verify_against(&model, &original, &meanwhile).unwrap_err();
    assert!(matches!(&error, Error::Changed { path, .. } if *path == original), "{error}");
}
