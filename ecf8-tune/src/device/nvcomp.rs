//! nvCOMP, NVIDIA's library of compressors, as far as to measure its ANS beside our kernels: loaded by hand from a path, and
//! only if somebody names one.
//!
//! Its functions take the address of a stream and addresses on the GPU, in arrays that lie there as well, one element per
//! chunk. What is declared here is what `nvcomp/ans.h` of version 6.0 says, as the PyPI package `nvidia-libnvcomp-cu12` has it.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::path::{Path, PathBuf};

use libloading::Library;
use thiserror::Error;

use super::ffi::{check, functions};
use super::{CudaDevice, DeviceBuffer, DeviceError};
use crate::nvrtc::elf;

/// The version whose numbers of data types are known: they differ from those of version 5.
const MAJOR: u32 = 6;

/// `NVCOMP_TYPE_FLOAT8_E4M3`.
const FLOAT8_E4M3: c_int = 9;

/// Buffers begin at multiples of this, twice what is asked for.
const ALIGNMENT: usize = 32;

/// Why nvCOMP did not do what it was asked. Every message is one line and ends with what to do.
#[derive(Debug, Error)]
pub enum NvcompError {
    /// The file is no library that can be loaded.
    #[error("nvCOMP cannot be loaded from {}: {reason}; name libnvcomp.so.6 of `pip install nvidia-libnvcomp-cu12`", .path.display())]
    NotLoaded {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The library is another one, or of another version.
    #[error("{} is no nvCOMP {MAJOR} ({reason}); name libnvcomp.so.6 of `pip install nvidia-libnvcomp-cu12`", .path.display())]
    OtherVersion {
        /// The file.
        path: PathBuf,
        /// A function that it lacks, or its version.
        reason: String,
    },
    /// A function failed.
    #[error("nvCOMP refused {function}: {reason}; its documentation says what that means")]
    Refused {
        /// The function.
        function: &'static str,
        /// The status, in its words.
        reason: String,
    },
    /// A chunk could not be compressed or decompressed.
    #[error("nvCOMP failed at chunk {chunk} in {function}: {reason}; report it to NVIDIA")]
    Chunk {
        /// The function.
        function: &'static str,
        /// The chunk, from 0.
        chunk: usize,
        /// The status, in its words.
        reason: String,
    },
    /// Not nvCOMP, but the GPU.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

/// `nvcompBatchedANSCompressOpts_t` and `nvcompBatchedANSDecompressOpts_t`, which have the same form.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Options {
    /// The algorithm, of which there is one, and the backend of decompression, which nvCOMP chooses.
    default: c_int,
    data_type: c_int,
    /// 0 for the usual number.
    sub_chunks: u8,
    /// Two interleaved streams are what it takes anyway; said for both ways, a more specialised kernel is launched.
    states_per_lane: u8,
    zero: [u8; 54],
}

/// Its mode for FP8.
const FP8: Options =
    Options { default: 0, data_type: FLOAT8_E4M3, sub_chunks: 0, states_per_lane: 2, zero: [0; 54] };

/// `nvcompProperties_t`.
#[repr(C)]
#[derive(Default)]
pub(super) struct Properties {
    version: c_uint,
    cuda: c_uint,
}

functions! {
    /// The functions of nvCOMP's batched ANS.
    Functions {
        nvcompGetProperties(*mut Properties);
        nvcompBatchedANSCompressGetTempSize(usize, usize, Options, *mut usize, usize, *mut c_void);
        nvcompBatchedANSCompressGetMaxOutputChunkSize(usize, Options, *mut usize);
        nvcompBatchedANSCompressAsync(
            u64, u64, usize, usize, u64, usize, u64, u64, Options, u64, *mut c_void
        );
        nvcompBatchedANSDecompressGetTempSize(usize, usize, Options, *mut usize, usize, *mut c_void);
        nvcompBatchedANSDecompressAsync(
            u64, u64, u64, u64, usize, u64, usize, u64, Options, u64, *mut c_void
        );
    }
}

/// The library, loaded.
#[derive(Debug)]
pub struct Nvcomp {
    functions: Functions,
    describe: Option<unsafe extern "C" fn(c_int) -> *const c_char>,
    version: u32,
    _library: Library,
}

/// Bytes on a GPU compressed by nvCOMP chunk by chunk, and room to decompress them to.
#[derive(Debug)]
pub struct Packed {
    /// Bytes that the compressed chunks have together.
    pub encoded_bytes: u64,
    chunks: usize,
    /// The chunks, each in as much room as it could have needed.
    _encoded: DeviceBuffer,
    output: DeviceBuffer,
    temporary: DeviceBuffer,
    /// Arrays with an element per chunk: where it is, its bytes, where it goes, its room there, its bytes there, and what
    /// became of it.
    from: DeviceBuffer,
    from_bytes: DeviceBuffer,
    to: DeviceBuffer,
    room: DeviceBuffer,
    to_bytes: DeviceBuffer,
    statuses: DeviceBuffer,
}

impl Packed {
    /// Where [`Nvcomp::unpack`] writes to: all bytes in their order.
    pub fn output(&self) -> &DeviceBuffer {
        &self.output
    }
}

impl Nvcomp {
    /// Loads the library of this path.
    ///
    /// # Errors
    /// [`NvcompError::NotLoaded`] or [`NvcompError::OtherVersion`].
    pub fn open(path: &Path) -> Result<Self, NvcompError> {
        let not_loaded = |reason: String| NvcompError::NotLoaded { path: path.to_owned(), reason };
        // The loader would die of a library that is cut short.
        elf::check_library(path).map_err(not_loaded)?;
        // SAFETY: this runs the initialisers of the library that the user has named.
        let library =
            unsafe { Library::new(path) }.map_err(|error| not_loaded(one_line(&error.to_string())))?;
        let other = |reason: String| NvcompError::OtherVersion { path: path.to_owned(), reason };
        let functions = Functions::of(&library).map_err(|lacks| other(format!("it lacks {lacks}")))?;
        // SAFETY: the type is what nvcomp.h gives the function, and the library stays as long as the address.
        let describe = unsafe { library.get(c"nvcompGetStatusString") }.ok().map(|found| *found);
        let mut properties = Properties::default();
        // SAFETY: the pointer is to a live struct of the form that the function fills.
        check(unsafe { (functions.nvcompGetProperties)(&raw mut properties) })
            .map_err(|code| other(format!("status {} when asked for its version", code.0)))?;
        let version = properties.version;
        if version / 1000 != MAJOR {
            return Err(other(format!("its version is {}", dotted(version))));
        }
        Ok(Self { functions, describe, version, _library: library })
    }

    /// Its version, such as `6.0.0`.
    pub fn version(&self) -> String {
        dotted(self.version)
    }

    /// Compresses bytes on a GPU in chunks of `chunk` bytes, the last of which may be shorter, and waits for it.
    ///
    /// # Errors
    /// If there is no memory left, or nvCOMP refuses.
    pub fn pack(
        &self,
        device: &CudaDevice,
        bytes: &DeviceBuffer,
        chunk: usize,
    ) -> Result<Packed, NvcompError> {
        const COMPRESSING: &str = "nvcompBatchedANSCompressAsync";
        device.own("a buffer", bytes.ordinal())?;
        let total = bytes.len();
        let chunk = chunk.clamp(1, total.max(1));
        let chunks = total.div_ceil(chunk);
        let stream = device.stream.handle.cast();
        let _current = device.enter("compressing with nvCOMP")?;
        let ask = |function, status: c_int| {
            check(status).map_err(|code| NvcompError::Refused { function, reason: self.words(code.0) })
        };
        let (mut most, mut packing, mut unpacking) = (0usize, 0usize, 0usize);
        // SAFETY: the pointer is to a live number, and the options are of the form that the function takes.
        ask("nvcompBatchedANSCompressGetMaxOutputChunkSize", unsafe {
            (self.functions.nvcompBatchedANSCompressGetMaxOutputChunkSize)(chunk, FP8, &raw mut most)
        })?;
        // SAFETY: as above; the stream is live and of the current context.
        ask("nvcompBatchedANSCompressGetTempSize", unsafe {
            let size = self.functions.nvcompBatchedANSCompressGetTempSize;
            size(chunks, chunk, FP8, &raw mut packing, total, stream)
        })?;
        // SAFETY: as above.
        ask("nvcompBatchedANSDecompressGetTempSize", unsafe {
            let size = self.functions.nvcompBatchedANSDecompressGetTempSize;
            size(chunks, chunk, FP8, &raw mut unpacking, total, stream)
        })?;
        let stride = most.next_multiple_of(ALIGNMENT);
        let encoded = device.alloc(chunks.saturating_mul(stride))?;
        let output = device.alloc(total)?;
        let upload = |values: Vec<u64>| {
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
            device.upload(&bytes)
        };
        let places = |first: u64, stride: usize| {
            let places = (0..chunks).map(|nth| first + nth as u64 * stride as u64);
            upload(places.collect())
        };
        let sizes: Vec<u64> = (0..chunks).map(|nth| chunk.min(total - nth * chunk) as u64).collect();
        let source = places(bytes.device_address(), chunk)?;
        let temporary = device.alloc(packing)?;
        let mut packed = Packed {
            encoded_bytes: 0,
            chunks,
            from: places(encoded.device_address(), stride)?,
            from_bytes: device.alloc(8 * chunks)?,
            to: places(output.device_address(), chunk)?,
            room: upload(sizes)?,
            to_bytes: device.alloc(8 * chunks)?,
            statuses: device.alloc(4 * chunks)?,
            temporary: device.alloc(unpacking)?,
            _encoded: encoded,
            output,
        };
        // SAFETY: the arrays have an element per chunk, those of addresses lead to live buffers with room for what is
        // written there, all of the current context, whose stream is live; they are used again only in its order.
        ask(COMPRESSING, unsafe {
            (self.functions.nvcompBatchedANSCompressAsync)(
                source.device_address(),
                packed.room.device_address(),
                chunk,
                chunks,
                temporary.device_address(),
                packing,
                packed.from.device_address(),
                packed.from_bytes.device_address(),
                FP8,
                packed.statuses.device_address(),
                stream,
            )
        })?;
        self.check_chunks(device, &packed, COMPRESSING)?;
        let mut sizes = vec![0; 8 * chunks];
        device.download(&packed.from_bytes, &mut sizes)?;
        let sizes = sizes.chunks_exact(8).map(|size| u64::from_ne_bytes(size.try_into().unwrap_or_default()));
        packed.encoded_bytes = sizes.fold(0, u64::saturating_add);
        Ok(packed)
    }

    /// Decompresses what was packed; only queues the work.
    ///
    /// # Errors
    /// [`NvcompError::Refused`], or what the driver says.
    pub fn unpack(&self, device: &CudaDevice, packed: &Packed) -> Result<(), NvcompError> {
        device.own("a buffer", packed.output.ordinal())?;
        let _current = device.enter("decompressing with nvCOMP")?;
        // SAFETY: as for compressing; what is read is what was written there before in the order of the same stream.
        let status = unsafe {
            (self.functions.nvcompBatchedANSDecompressAsync)(
                packed.from.device_address(),
                packed.from_bytes.device_address(),
                packed.room.device_address(),
                packed.to_bytes.device_address(),
                packed.chunks,
                packed.temporary.device_address(),
                packed.temporary.len(),
                packed.to.device_address(),
                FP8,
                packed.statuses.device_address(),
                device.stream.handle.cast(),
            )
        };
        let function = UNPACKING;
        check(status).map_err(|code| NvcompError::Refused { function, reason: self.words(code.0) })
    }

    /// Waits for what was unpacked last, and asks what became of each chunk.
    ///
    /// # Errors
    /// [`NvcompError::Chunk`] for the first that failed, or what the driver says.
    pub fn check_unpacked(&self, device: &CudaDevice, packed: &Packed) -> Result<(), NvcompError> {
        self.check_chunks(device, packed, UNPACKING)
    }

    fn check_chunks(
        &self,
        device: &CudaDevice,
        packed: &Packed,
        function: &'static str,
    ) -> Result<(), NvcompError> {
        let mut statuses = vec![0; 4 * packed.chunks];
        device.download(&packed.statuses, &mut statuses)?;
        let statuses =
            statuses.chunks_exact(4).map(|code| c_int::from_ne_bytes(code.try_into().unwrap_or_default()));
        match statuses.enumerate().find(|(_, status)| *status != 0) {
            Some((chunk, status)) => Err(NvcompError::Chunk { function, chunk, reason: self.words(status) }),
            None => Ok(()),
        }
    }

    /// A status in nvCOMP's words, on one line.
    fn words(&self, status: c_int) -> String {
        // SAFETY: the function takes any number, and gives null or a terminated constant.
        let words =
            self.describe.map(|describe| unsafe { describe(status) }).filter(|words| !words.is_null());
        // SAFETY: as above.
        let words = words.map(|words| unsafe { CStr::from_ptr(words) }.to_string_lossy().into_owned());
        match words {
            Some(words) => format!("status {status}, {}", one_line(&words)),
            None => format!("status {status}"),
        }
    }
}

const UNPACKING: &str = "nvcompBatchedANSDecompressAsync";

/// A version as nvCOMP packs it.
fn dotted(version: u32) -> String {
    format!("{}.{}.{}", version / 1000, version % 1000 / 100, version % 100)
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}
