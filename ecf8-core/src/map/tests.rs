use super::*;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::time::{Duration, SystemTime};

/// A file of some pages that was written a while ago.
fn file(bytes: usize) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, vec![7; bytes]).unwrap();
    set_time(&path, SystemTime::now() - Duration::from_millis(10_001));
    (folder, path)
}

fn set_time(path: &Path, time: SystemTime) {
    File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
}

fn change(file: &MappedFile) -> Option<String> {
    match file.check_unchanged() {
        Ok(()) => None,
        Err(error @ Error::Changed { .. }) => {
            assert!(error.is_data_error() && !error.to_string().contains('\n'));
            Some(error.to_string())
        }
        Err(error) => panic!("{error}"),
    }
}

#[cfg(unix)]
#[test]
fn what_is_gone_from_a_shortened_file_reads_as_zeros_and_is_known() {
    survive_truncation();
    survive_truncation();
    let (_folder, path) = file(1 << 20);
    let (_folder, other) = file(1 << 20);
    let [file, other] = [path.as_path(), &other].map(|path| MappedFile::open_settled(path).unwrap());
    File::options().write(true).open(&path).unwrap().set_len(5000).unwrap();
    assert_eq!((file[4999], file[(1 << 20) - 1], file[500_000]), (7, 0, 0));
    assert_eq!(file.iter().map(|byte| u64::from(*byte)).sum::<u64>(), 7 * 5000);
    assert!(change(&file).unwrap().contains("it had 1048576 bytes and has 5000"));
    // It has the size and time again, but its bytes were not there.
    let time = path.metadata().unwrap().modified().unwrap();
    fs::write(&path, vec![7; 1 << 20]).unwrap();
    set_time(&path, time);
    assert!(change(&file).is_some() && file.watch.is_cut());
    assert_eq!(change(&other), None);
    assert!(other.iter().all(|byte| *byte == 7));
    // The place in the list is used again, without the note.
    drop(file);
    assert_eq!(change(&MappedFile::open_settled(&path).unwrap()), None);
}

#[test]
fn a_file_that_is_only_read_is_unchanged() {
    let (_folder, path) = file(10_000);
    let file = MappedFile::open_settled(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), &file[..]);
    assert_eq!(change(&file), None);
    let empty = path.with_file_name("empty");
    fs::write(&empty, "").unwrap();
    let empty = MappedFile::open_settled(&empty).unwrap();
    assert!(empty.is_empty() && change(&empty).is_none());
}

#[test]
fn whatever_is_written_after_opening_is_noticed() {
    // Fresh files, too: one write just before opening, another just after.
    for fresh in [false, true] {
        let (_folder, path) = file(10_000);
        if fresh {
            OpenOptions::new().write(true).open(&path).unwrap().write_all(b"x").unwrap();
        }
        let file = MappedFile::open_settled(&path).unwrap();
        OpenOptions::new().write(true).open(&path).unwrap().write_all(b"y").unwrap();
        assert!(change(&file).unwrap().contains("it was written to"));
        let file = MappedFile::open_settled(&path).unwrap();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"y").unwrap();
        assert!(change(&file).unwrap().contains("it had 10000 bytes and has 10001"));
    }
}

#[cfg(unix)]
#[test]
fn a_write_whose_time_was_set_back_is_noticed() {
    let (_folder, path) = file(10_000);
    let time = path.metadata().unwrap().modified().unwrap();
    let file = MappedFile::open_settled(&path).unwrap();
    OpenOptions::new().write(true).open(&path).unwrap().write_all(b"y").unwrap();
    set_time(&path, time);
    assert!(change(&file).is_some());
}

#[cfg(unix)]
#[test]
fn permissions_and_links_are_no_change_of_the_bytes() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = file(10_000);
    let file = MappedFile::open_settled(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    assert_eq!(change(&file), None);
    let file = MappedFile::open_settled(&path).unwrap();
    fs::hard_link(&path, path.with_file_name("link")).unwrap();
    assert_eq!(change(&file), None);
}

#[cfg(unix)]
#[test]
fn another_file_of_the_same_name_is_a_change_and_a_removed_one_is_none() {
    let (folder, path) = file(10_000);
    let [file, without] = [0, 1].map(|_| MappedFile::open_settled(&path).unwrap());
    let without = without.without_handle();
    fs::remove_file(&path).unwrap();
    assert_eq!((change(&file), without.iter().all(|byte| *byte == 7)), (None, true));
    assert_eq!(change(&without), None);
    let other = folder.path().join("other");
    fs::write(&other, vec![7; 10_000]).unwrap();
    fs::rename(&other, &path).unwrap();
    assert!([file, without].iter().all(|file| change(file).unwrap().contains("another file")));
}

#[test]
fn a_change_is_told_instead_of_damage_but_not_instead_of_a_wrong_request() {
    let (_folder, path) = file(10_000);
    let file = MappedFile::open_settled(&path).unwrap();
    let damage = || Err::<(), _>(Error::Container { path: path.clone(), problem: String::new() });
    assert!(matches!(file.or_changed(damage()), Err(Error::Container { .. })));
    OpenOptions::new().write(true).open(&path).unwrap().write_all(b"y").unwrap();
    assert!(matches!(file.or_changed(damage()), Err(Error::Changed { .. })));
    let request = Err::<(), _>(Error::OutputExists { path: path.clone() });
    assert!(matches!(file.or_changed(request), Err(Error::OutputExists { .. })));
    assert!(file.or_changed(Ok(())).is_ok());
}
