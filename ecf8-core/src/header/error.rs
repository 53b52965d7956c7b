//! What can be wrong with the header of a safetensors file.

/// Why a file is not valid safetensors; the texts name the tensor and say what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Something else than safetensors.
    #[error("not a safetensors file ({why}); give a .safetensors file or a folder of them")]
    NotSafetensors {
        /// How it shows.
        why: &'static str,
    },
    /// Something that one meets under the name of a safetensors file.
    #[error("this is not a safetensors file but {what}; {remedy}")]
    SomethingElse {
        /// What it is.
        what: &'static str,
        /// What to do about it.
        remedy: &'static str,
    },
    /// A header length which the file cannot hold.
    #[error(
        "the header claims {claimed} bytes but only {available} follow; the file is truncated or damaged, fetch it again"
    )]
    Length {
        /// Bytes that the first 8 bytes announce.
        claimed: u64,
        /// Bytes after them.
        available: u64,
    },
    /// A header above the format's limit.
    #[error(
        "the header has {claimed} bytes, over the limit of 100,000,000 that readers of safetensors have; write the file again with shorter metadata and names, or as several files"
    )]
    TooLarge {
        /// Bytes that it has.
        claimed: u64,
    },
    /// A header that is not JSON of the right shape.
    #[error(
        "the header is not valid: {why}; no reader of safetensors takes the file, fetch it again or have it written again"
    )]
    Json {
        /// What the parser says.
        why: String,
    },
    /// A name that occurs twice.
    #[error("the header names `{name}` twice; the file is ambiguous, write it again")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// An entry that lacks something.
    #[error("tensor `{tensor}`: {why}; the header is damaged, fetch the file again")]
    Entry {
        /// The tensor.
        tensor: String,
        /// What is wrong with its entry.
        why: String,
    },
    /// A dtype nobody knows.
    #[error(
        "tensor `{tensor}`: unknown dtype {dtype:?}; write the file with a dtype that safetensors 0.8 has"
    )]
    UnknownDtype {
        /// The tensor.
        tensor: String,
        /// The dtype it claims.
        dtype: String,
    },
    /// A tensor whose bytes are not those of its dtype and shape.
    #[error(
        "tensor `{tensor}`: its offsets span {found} bytes, but dtype and shape need {expected}; the header is damaged"
    )]
    Size {
        /// The tensor.
        tensor: String,
        /// Bytes of dtype × shape.
        expected: u64,
        /// Bytes between the offsets.
        found: u64,
    },
    /// A tensor that does not lie within the file.
    #[error(
        "tensor `{tensor}` ends at byte {end} of the data, but the file has {available}; it is truncated or damaged, fetch it again"
    )]
    OutsideFile {
        /// The tensor.
        tensor: String,
        /// End offset in the data section.
        end: u64,
        /// Bytes of the data section.
        available: u64,
    },
    /// Two tensors that share bytes.
    #[error("tensor `{tensor}` starts at byte {begin} of the data, within `{other}`; the header is damaged")]
    Overlap {
        /// The tensor.
        tensor: String,
        /// Its start offset.
        begin: u64,
        /// The tensor before it.
        other: String,
    },
    /// Bytes that belong to no tensor.
    #[error(
        "bytes {from} to {to} of the data belong to no tensor; the file is damaged or has something appended"
    )]
    Hole {
        /// First byte, counted in the data section.
        from: u64,
        /// First byte after them.
        to: u64,
    },
}
