//! What can be wrong with a tensor to encode or to decode.

/// Why a tensor cannot be encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A symbol without a codeword.
    #[error("the codebook has no codeword for symbol {symbol}, which occurs in the data")]
    NoCodeword {
        /// The symbol.
        symbol: usize,
    },
    /// A codebook of another alphabet or with longer codewords than the scheme can hold.
    #[error("the codebook has {symbols} symbols and codewords up to {max_len} bits; {scheme} takes {takes}")]
    Codebook {
        /// The scheme.
        scheme: &'static str,
        /// Symbols of the codebook.
        symbols: usize,
        /// Its longest codeword in bits.
        max_len: u8,
        /// What the scheme takes.
        takes: &'static str,
    },
    /// Runs of which the scheme's chunks have no whole number.
    #[error("{scheme} cannot have a codebook for each {run} elements; it must be {takes}")]
    Runs {
        /// The scheme.
        scheme: &'static str,
        /// Elements of a run.
        run: u64,
        /// What a run may be.
        takes: &'static str,
    },
    /// A parameter out of its range.
    #[error("{param} = {value} is not possible; it must be {range}")]
    Param {
        /// The parameter.
        param: &'static str,
        /// Its value.
        value: u64,
        /// What it may be.
        range: &'static str,
    },
    /// More words than the scheme can point at.
    #[error("part `{part}` would become larger than the scheme can point into; choose another scheme")]
    TooLarge {
        /// The part.
        part: &'static str,
    },
    /// Numbers that the scheme does not take, or that are not whole.
    #[error("{scheme} does not take {bytes} bytes of {dtype} that are split like this")]
    Split {
        /// The scheme.
        scheme: &'static str,
        /// The number type.
        dtype: &'static str,
        /// How many bytes.
        bytes: u64,
    },
    /// No memory for what is proportional to the tensor.
    #[error("there is no memory for {bytes} bytes; free some, or allow more")]
    Memory {
        /// What was asked for in vain.
        bytes: u64,
    },
}

/// Why an encoded tensor cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A part that the scheme needs is absent.
    #[error("part `{part}` is missing")]
    MissingPart {
        /// The part.
        part: &'static str,
    },
    /// A parameter that the scheme needs is absent.
    #[error("parameter {param} is missing")]
    MissingParam {
        /// The parameter.
        param: &'static str,
    },
    /// A parameter out of its range.
    #[error("{param} = {value} is not possible; it must be {range}")]
    Param {
        /// The parameter.
        param: &'static str,
        /// Its value.
        value: u64,
        /// What it may be.
        range: &'static str,
    },
    /// A codebook that the scheme cannot have made.
    #[error("the codebook has {symbols} symbols and codewords up to {max_len} bits; {scheme} takes {takes}")]
    Codebook {
        /// The scheme.
        scheme: &'static str,
        /// Symbols of the codebook.
        symbols: usize,
        /// Its longest codeword in bits.
        max_len: u8,
        /// What the scheme takes.
        takes: &'static str,
    },
    /// Runs of which the scheme's chunks have no whole number, or not as many as there are elements for.
    #[error("{scheme} cannot have {runs} codebooks for {run} elements each; it must be {takes}")]
    Runs {
        /// The scheme.
        scheme: &'static str,
        /// How many runs there are.
        runs: u64,
        /// Elements of a run.
        run: u64,
        /// What a run may be.
        takes: &'static str,
    },
    /// Numbers that are split in a way which the scheme or the number type does not have.
    #[error("{scheme} has no {dtype} that is split like this")]
    Split {
        /// The scheme.
        scheme: &'static str,
        /// The number type.
        dtype: &'static str,
    },
    /// A part of the wrong length.
    #[error("part `{part}` has {found} bytes, expected {expected}")]
    PartLength {
        /// The part.
        part: &'static str,
        /// Bytes that follow from the other parts.
        expected: u64,
        /// Bytes found.
        found: u64,
    },
    /// An output buffer of the wrong length.
    #[error("the output has {found} bytes, expected {expected}")]
    OutputLength {
        /// Bytes of the decoded tensor.
        expected: u64,
        /// Bytes of the buffer.
        found: u64,
    },
    /// A range of elements that goes beyond the last.
    #[error("elements {first} to {end} are asked for, of {elements}")]
    OutputRange {
        /// The first element that is asked for.
        first: u64,
        /// The one after the last.
        end: u64,
        /// How many there are.
        elements: u64,
    },
    /// More elements than the parts could possibly hold.
    #[error("{elements} elements cannot be held by parts this small")]
    TooManyElements {
        /// Elements promised.
        elements: u64,
    },
    /// Positions that do not start at 0, fall, or miss the number of elements.
    #[error(
        "output position {entry} is {found}, which does not follow from its neighbours and the element count"
    )]
    Position {
        /// Which entry, from 0.
        entry: u64,
        /// Its value.
        found: u64,
    },
    /// A gap that does not point at the start of a codeword.
    #[error("the gap of thread {thread} is {found}, but the codewords say {expected}")]
    Gap {
        /// The thread, counted over all blocks.
        thread: u64,
        /// Gap found in bits.
        found: u64,
        /// Gap that follows from the stream in bits.
        expected: u64,
    },
    /// Bits that are no codeword, which happens only where a codebook has one symbol or none.
    #[error("the bits from {bit} on are no codeword")]
    NoCodeword {
        /// Where they start in the stream.
        bit: u64,
    },
    /// Codewords that end before or after the stream does.
    #[error("the codewords of all elements end at bit {end} of a stream of {bits} bits")]
    StreamEnd {
        /// Where the last codeword ends.
        end: u64,
        /// Bits of the stream.
        bits: u64,
    },
    /// Bits that should be zero and are not.
    #[error("padding in part `{part}` is not zero")]
    Padding {
        /// The part.
        part: &'static str,
    },
    /// A dictionary that is not what the part with it holds.
    #[error("part `dictionary` is not the dictionary of its numbers")]
    Dictionary,
    /// An entry of `chunks` that points where its chunk cannot be.
    #[error("entry {chunk} of part `chunks` does not fit its neighbours and the other parts")]
    ChunkEntry {
        /// The chunk, or the number of chunks for the entry after the last.
        chunk: u64,
    },
    /// Patches that are for elements out of order, or for some that the chunk has not.
    #[error("the patches of chunk {chunk} do not rise, or are for elements that it has not")]
    Patches {
        /// The chunk.
        chunk: u64,
    },
    /// A lane whose codewords end before or after its stream does.
    #[error("in chunk {chunk}, the codewords of lane {lane} end at bit {end} of a stream of {bits} bits")]
    LaneEnd {
        /// The chunk.
        chunk: u64,
        /// The lane.
        lane: u64,
        /// Where its last codeword ends, or how far it is known to go on or end at most.
        end: u64,
        /// Bits of its stream.
        bits: u64,
    },
    /// Lanes that run further apart than `lead_rows` allows.
    #[error("chunk {chunk} needs lead_rows = {needed}, but the tensor says {found}")]
    Lead {
        /// The chunk.
        chunk: u64,
        /// The parameter.
        found: u32,
        /// Its least value for this chunk.
        needed: u32,
    },
    /// No memory for what is proportional to the tensor.
    #[error("there is no memory for {bytes} bytes; free some, or allow more")]
    Memory {
        /// What was asked for in vain.
        bytes: u64,
    },
}
