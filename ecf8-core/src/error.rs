//! What can go wrong with files, in one type whose texts are one line: what, where and what to do.

use crate::header::HeaderError;
use crate::layout::{DecodeError, EncodeError};
use std::io;
use std::path::{Path, PathBuf};

/// An error with files and containers.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refuses.
    #[error("cannot {action} {}: {source}{}", path.display(), remedy(source))]
    Io {
        /// What was to be done, for example `open`.
        action: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A folder or device where a file is needed.
    #[error("{} is not a regular file; give a .safetensors file", path.display())]
    NotAFile {
        /// What it was.
        path: PathBuf,
    },
    /// An input that is not valid safetensors.
    #[error("{}: {source}", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: HeaderError,
    },
    /// An input that is to be compressed but is a container already.
    #[error("{} is compressed already; use it as it is, or decompress it first", path.display())]
    AlreadyCompressed {
        /// The file.
        path: PathBuf,
    },
    /// An input that should be a container and is plain safetensors.
    #[error("{} is not compressed by ecf8 (its metadata has no `ecf8` entry); compress it first", path.display())]
    NotCompressed {
        /// The file.
        path: PathBuf,
    },
    /// A file of another compressor that contradicts itself.
    #[error("{}: {problem}; as a file of format {format} it is damaged, fetch or make it again", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The format that it has.
        format: &'static str,
        /// What is wrong, and with which tensor.
        problem: String,
    },
    /// A file that should have a format of another compressor and has none that is known.
    #[error("{} has no format of another compressor that is known here; use `ecf8 compress` for plain safetensors", path.display())]
    NotForeign {
        /// The file or folder.
        path: PathBuf,
    },
    /// A model without anything that a format of others is for.
    #[error("{} cannot be exported: {why}; choose another format, or give another model", path.display())]
    NothingToExport {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// An original that does not have the tensors of a file of another compressor.
    #[error("{} cannot give names and shapes for {}: {problem}; give the original itself, or leave it out", like.display(), path.display())]
    Like {
        /// The file.
        path: PathBuf,
        /// The original.
        like: PathBuf,
        /// What it lacks.
        problem: String,
    },
    /// A container of another format version.
    #[error("{} has container format version {found}, this program reads {known}; update the program", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// The version which is read here.
        known: u64,
    },
    /// A container whose manifest contradicts itself or the file.
    #[error("{}: {problem}; the file is damaged, fetch or make it again", path.display())]
    Container {
        /// The file.
        path: PathBuf,
        /// What is wrong, and with which tensor.
        problem: String,
    },
    /// Bytes that are not those that were written.
    #[error("{}: {what} is damaged (checksum {found:016x}, expected {expected:016x}); fetch or make the file again, or save what is good by `ecf8 decompress --partial`", path.display())]
    Checksum {
        /// The file.
        path: PathBuf,
        /// What of it.
        what: String,
        /// The checksum recorded.
        expected: u64,
        /// The checksum of what is there.
        found: u64,
    },
    /// A file that is damaged so that nothing of it can be saved.
    #[error("nothing can be saved of a file whose header or manifest cannot be read: {source}")]
    BeyondRepair {
        /// The file.
        path: PathBuf,
        /// What keeps it from being read.
        source: Box<Error>,
    },
    /// A file or folder of which everything is damaged.
    #[error("{}: nothing can be saved, all {what} are damaged; fetch or make it again", path.display())]
    NothingGood {
        /// The file or folder.
        path: PathBuf,
        /// Of what it consists.
        what: &'static str,
    },
    /// A file or folder of which something is damaged, and all of which was looked at.
    #[error("{}: {what}; {remedy}", path.display())]
    Damaged {
        /// The file or folder.
        path: PathBuf,
        /// What is damaged.
        what: String,
        /// The tensor that is, if it is one.
        tensor: Option<String>,
        /// What to do.
        remedy: String,
    },
    /// A tensor that cannot be decoded.
    #[error("{}: tensor `{tensor}` cannot be decoded: {source}; the file is damaged, fetch or make it again, or save what is good by `ecf8 decompress --partial`", path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Why not.
        source: DecodeError,
    },
    /// A tensor that cannot be encoded.
    #[error("{}: tensor `{tensor}` cannot be encoded: {source}; please report this", path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Why not.
        source: EncodeError,
    },
    /// A tensor that did not come back when it was decoded right after encoding.
    #[error("{}: tensor `{tensor}` does not come back from byte {offset} on; nothing was written, please report this", path.display())]
    NotLossless {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// First wrong byte.
        offset: u64,
    },
    /// A scheme that promised fewer bytes than it wrote.
    #[error("{}: tensor `{tensor}` became larger than scheme {scheme} promised; nothing was written, please report this", path.display())]
    Promise {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The scheme.
        scheme: &'static str,
    },
    /// An input that is not what it was when it was opened.
    #[error("{} changed while it was read ({how}); wait until its download or writer has ended and run it again", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// What tells.
        how: String,
    },
    /// Work that was given up because whoever asked for it does not want it any more.
    #[error("{}: the work was given up as was asked; nothing is left of it", path.display())]
    Cancelled {
        /// What was worked on.
        path: PathBuf,
    },
    /// A tensor that takes more memory than there is.
    #[error("{}: there is no memory for the {bytes} bytes that working on tensor `{tensor}` takes at once; free some, or allow more (`ulimit -v`)", path.display())]
    Memory {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// What was asked for in vain.
        bytes: u64,
    },
    /// A container that would be over a limit which readers enforce.
    #[error("{}: {what} would take {bytes} bytes, {} more than the {most} that readers accept, so nothing is written; {remedy}", path.display(), bytes.saturating_sub(*most))]
    OverLimit {
        /// The input.
        path: PathBuf,
        /// What of the container.
        what: &'static str,
        /// Bytes that it would take.
        bytes: u64,
        /// Bytes that it may take.
        most: u64,
        /// What to do.
        remedy: &'static str,
    },
    /// A finished container that the reader refuses.
    #[error("{}: the container that was made from it cannot be opened again, so it is not kept; please report this: {source}", path.display())]
    Unreadable {
        /// The input.
        path: PathBuf,
        /// What the reader says.
        source: Box<Error>,
    },
    /// No tensor of this name.
    #[error("{} has no tensor `{tensor}`; `ecf8 inspect` lists them", path.display())]
    NoTensor {
        /// The file.
        path: PathBuf,
        /// The name.
        tensor: String,
    },
    /// A buffer that is not as long as the tensor that is to be put into it.
    #[error("{}: the buffer for tensor `{tensor}` has {found} bytes, the tensor {expected}; give a buffer of just that length", path.display())]
    Buffer {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Bytes of the buffer.
        found: u64,
        /// Bytes of the tensor.
        expected: u64,
    },
    /// Bytes of a tensor that it does not have, or that cut its numbers.
    #[error("{}: tensor `{tensor}` has {bytes} bytes, and {count} from byte {first} on are no whole numbers of it; ask for others", path.display())]
    Range {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The first byte asked for.
        first: u64,
        /// How many are asked for.
        count: u64,
        /// Bytes of the tensor.
        bytes: u64,
    },
    /// A tensor that a later version wrote in a way which this one does not know.
    #[error("{}: tensor `{tensor}` cannot be read by this version of ecf8: {why}; use a newer one, or read the other tensors", path.display())]
    UnknownTensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// What is unknown.
        why: String,
    },
    /// A container that does not hold what the original does.
    #[error("{} differs from {}: {place}", path.display(), original.display())]
    Differs {
        /// The container.
        path: PathBuf,
        /// The original.
        original: PathBuf,
        /// The first difference: where, and which tensor.
        place: String,
    },
    /// A difference from another model, without that.
    #[error("{} is the difference from {named}; say where that is by --base", path.display())]
    NeedsBase {
        /// The container.
        path: PathBuf,
        /// What its base was called, and that one's checksum.
        named: String,
    },
    /// Another model than the one that a difference was made from.
    #[error("{} is the difference from {named}, and {} is another: {why}; give the right one by --base", path.display(), base.display())]
    WrongBase {
        /// The container.
        path: PathBuf,
        /// What its base was called, and that one's checksum.
        named: String,
        /// What was given as its base.
        base: PathBuf,
        /// What tells.
        why: String,
    },
    /// A base for what is no difference.
    #[error("{} is no difference from another model; leave out the --base behind it", path.display())]
    NoDelta {
        /// The file.
        path: PathBuf,
    },
    /// A base that has nothing in common with what is to be compressed.
    #[error("no tensor of {} has the name, dtype and shape of one in {}; give an earlier state of the same model, or compress without --base", path.display(), base.display())]
    NothingInCommon {
        /// The input.
        path: PathBuf,
        /// The base.
        base: PathBuf,
    },
    /// An output that exists.
    #[error("{} exists already; remove it or choose another output", path.display())]
    OutputExists {
        /// The output.
        path: PathBuf,
    },
    /// An output that is the input, or within it, or around it.
    #[error("the output {} {how}; choose another output", path.display())]
    OutputIsInput {
        /// The output.
        path: PathBuf,
        /// How they relate, for example `is the input`.
        how: &'static str,
    },
    /// A folder without any model.
    #[error("{} holds no .safetensors file; give a folder that does", path.display())]
    NoModel {
        /// The folder.
        path: PathBuf,
    },
    /// A shard that an index names and the folder lacks.
    #[error("{} names the shard {shard}, which is not there; fetch it into the same folder, or compress what is there with --allow-missing-shards", index.display())]
    MissingShard {
        /// The index.
        index: PathBuf,
        /// The shard's name.
        shard: String,
    },
    /// An index that cannot be read.
    #[error("{} is not a model index: {why}; fetch it again", index.display())]
    Index {
        /// The index.
        index: PathBuf,
        /// Why not.
        why: String,
    },
    /// Something in a folder that is neither file nor folder.
    #[error("{} is {kind}; move it out of the model's folder", path.display())]
    Special {
        /// Where.
        path: PathBuf,
        /// What it is, for example `a pipe`.
        kind: &'static str,
    },
    /// A link in a folder that leads nowhere.
    #[error("{} is a link to {}, which is not there; fetch that, or remove the link", path.display(), to.display())]
    BrokenLink {
        /// The link.
        path: PathBuf,
        /// What it leads to.
        to: PathBuf,
    },
    /// A link in a folder to a folder that it lies in.
    #[error("{} is a link to a folder that it lies in, {}; remove the link, or give a copy of the model without it", path.display(), to.display())]
    LinkCircle {
        /// The link.
        path: PathBuf,
        /// The folder.
        to: PathBuf,
    },
    /// An entry of a hub's cache with several snapshots.
    #[error("{} is an entry of a hub's cache with several snapshots or none; give one of those in {}", path.display(), snapshots.display())]
    CacheEntry {
        /// The entry.
        path: PathBuf,
        /// The folder of its snapshots.
        snapshots: PathBuf,
    },
    /// A file for which the output names a folder that is not there.
    #[error("the output {} names a folder, but the input is a file; give the output's own name", path.display())]
    OutputIsFolder {
        /// The output.
        path: PathBuf,
    },
    /// A folder that is to be replaced and on which a disk is mounted.
    #[error("a disk is mounted on {}, and there are files on it; empty it, or choose a folder in it as output", path.display())]
    OutputIsMounted {
        /// The output.
        path: PathBuf,
    },
    /// A disk without room for the output.
    #[error("cannot write {}: about {needed} bytes are needed and {free} are free; free some space or choose another disk", path.display())]
    NoRoom {
        /// The output.
        path: PathBuf,
        /// Bytes needed, about.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// An output that is whole and could not get its name.
    #[error("cannot give {} its name: {source}; it is whole, under the name {}: move it where you want it", path.display(), kept.display())]
    Unnamed {
        /// The output.
        path: PathBuf,
        /// Where it is.
        kept: PathBuf,
        /// Why it could not be renamed.
        source: io::Error,
    },
    /// A file that a compressed folder had and lacks.
    #[error("{} is missing, which was there when the model was compressed; fetch it again, or remove it from {}", path.display(), list.display())]
    MissingFile {
        /// Where it should be.
        path: PathBuf,
        /// The list that names it.
        list: PathBuf,
    },
    /// A part of an output that several processes make is not there.
    #[error("{} is missing: not all shares are finished; run `compress --shard` of the missing ones, then merge again", path.display())]
    MissingPart {
        /// Where it should be.
        path: PathBuf,
    },
    /// A single file was to be shared out.
    #[error("{} is one file, and shares are of a folder's files; compress it without --shard", path.display())]
    NoShares {
        /// The file.
        path: PathBuf,
    },
    /// A folder's configuration cannot be made to name ecf8.
    #[error("{}: {why}; give a model's folder with a config.json, or compress without --for", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A file of a compressed folder that is no container and has other bytes than when it was compressed.
    #[error("{} is not what it was when the model was compressed (checksum {found:016x}, expected {expected:016x}); fetch it again, or if the change is wanted remove the folder's ecf8.files.json", path.display())]
    OtherFile {
        /// The file.
        path: PathBuf,
        /// The checksum of what is there.
        found: u64,
        /// The checksum recorded.
        expected: u64,
    },
    /// A list of a compressed folder's files that cannot be read.
    #[error("{} is not a list of files: {why}; fetch it again, or remove it to go without its checks", path.display())]
    FileList {
        /// The list.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// The result of something with files.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// That a tensor cannot be decoded, for want of memory or for what is wrong with it.
    pub(crate) fn of_decoding(path: PathBuf, tensor: String, source: DecodeError) -> Self {
        match source {
            DecodeError::Memory { bytes } => Self::Memory { path, tensor, bytes },
            source => Self::Decode { path, tensor, source },
        }
    }

    /// That a tensor cannot be encoded, for want of memory or for what is wrong with it.
    pub(crate) fn of_encoding(path: PathBuf, tensor: String, source: EncodeError) -> Self {
        match source {
            EncodeError::Memory { bytes } => Self::Memory { path, tensor, bytes },
            source => Self::Encode { path, tensor, source },
        }
    }

    /// Whether it comes from the bytes of a file, so that other bytes may give another error or none.
    pub(crate) fn is_of_bytes(&self) -> bool {
        let is_of_header = matches!(
            self,
            Self::Header { .. }
                | Self::Version { .. }
                | Self::NotCompressed { .. }
                | Self::AlreadyCompressed { .. }
        );
        is_of_header || self.is_data_error()
    }

    /// Whether a file has wrong bytes that stay as they are, so that its other bytes may be looked at all the same.
    pub(crate) fn is_lasting_damage(&self) -> bool {
        self.is_of_bytes() && !matches!(self, Self::Changed { .. })
    }

    /// Whether the data are wrong (exit status 1) rather than the request (exit status 2).
    #[must_use]
    pub fn is_data_error(&self) -> bool {
        match self {
            Self::Header { source, .. } => !matches!(source, HeaderError::NotSafetensors { .. }),
            Self::Container { .. }
            | Self::Foreign { .. }
            | Self::Checksum { .. }
            | Self::BeyondRepair { .. }
            | Self::NothingGood { .. }
            | Self::Damaged { .. }
            | Self::Decode { .. }
            | Self::Encode { .. }
            | Self::NotLossless { .. }
            | Self::Promise { .. }
            | Self::Changed { .. }
            | Self::Unreadable { .. }
            | Self::UnknownTensor { .. }
            | Self::Differs { .. }
            | Self::MissingShard { .. }
            | Self::MissingFile { .. }
            | Self::OtherFile { .. }
            | Self::FileList { .. }
            | Self::Index { .. } => true,
            Self::Io { .. }
            | Self::NotAFile { .. }
            | Self::AlreadyCompressed { .. }
            | Self::NotCompressed { .. }
            | Self::Like { .. }
            | Self::NotForeign { .. }
            | Self::NothingToExport { .. }
            | Self::Version { .. }
            | Self::Memory { .. }
            | Self::OverLimit { .. }
            | Self::NoTensor { .. }
            | Self::Cancelled { .. }
            | Self::Buffer { .. }
            | Self::Range { .. }
            | Self::OutputExists { .. }
            | Self::OutputIsInput { .. }
            | Self::OutputIsFolder { .. }
            | Self::OutputIsMounted { .. }
            | Self::NoRoom { .. }
            | Self::Unnamed { .. }
            | Self::NoModel { .. }
            | Self::BrokenLink { .. }
            | Self::LinkCircle { .. }
            | Self::CacheEntry { .. }
            | Self::MissingPart { .. }
            | Self::NeedsBase { .. }
            | Self::WrongBase { .. }
            | Self::NoDelta { .. }
            | Self::NothingInCommon { .. }
            | Self::NoShares { .. }
            | Self::Config { .. }
            | Self::Special { .. } => false,
        }
    }
}

/// What to do about the commoner refusals.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "; check the path",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; check the permissions or choose another place"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "; free some space or choose another disk"
        }
        io::ErrorKind::OutOfMemory => "; free some memory, or allow more (`ulimit -v`)",
        io::ErrorKind::NotADirectory => "; a part of the path is a file, choose another place",
        _ => "",
    }
}

/// Adds to an I/O error what was to be done and where.
pub(crate) trait IoContext<T> {
    fn at(self, path: &Path, action: &'static str) -> Result<T>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn at(self, path: &Path, action: &'static str) -> Result<T> {
        self.map_err(|source| Error::Io { action, path: path.to_owned(), source })
    }
}
