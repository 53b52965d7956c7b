//! What the machine is that is simulated, as environment variables say.

use std::env::var;

/// The machine. Without variables it is one H100 with a driver of CUDA 13.0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// `ECF8_SIM_GPUS`: how many GPUs there are.
    pub(crate) gpus: u32,
    /// `ECF8_SIM_ARCH`, as 90: what they are.
    pub(crate) arch: u32,
    /// `ECF8_SIM_MEMORY`: bytes of each.
    pub(crate) memory: u64,
    /// `ECF8_SIM_CUDA`, as 12.4: the driver's CUDA, here 12040.
    pub(crate) cuda: i32,
    /// `ECF8_SIM_POOLS=0`: whether memory can be allocated in the order of a stream.
    pub(crate) has_pools: bool,
    /// `ECF8_SIM_SEED`: what the order of threads and blocks depends on.
    pub(crate) seed: u64,
    /// `ECF8_SIM_LOG=1`: whether each call is told.
    pub(crate) is_logged: bool,
}

impl Settings {
    pub(crate) fn from_environment() -> Self {
        let number = |name: &str| var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let small = |name: &str| number(name).and_then(|number| u32::try_from(number).ok());
        Self {
            gpus: small("ECF8_SIM_GPUS").unwrap_or(1),
            arch: small("ECF8_SIM_ARCH").unwrap_or(90),
            memory: number("ECF8_SIM_MEMORY").unwrap_or(4 << 30),
            cuda: var("ECF8_SIM_CUDA").ok().and_then(|text| version(&text)).unwrap_or(13_000),
            has_pools: number("ECF8_SIM_POOLS") != Some(0),
            seed: number("ECF8_SIM_SEED").unwrap_or(1),
            is_logged: number("ECF8_SIM_LOG") == Some(1),
        }
    }

    /// Most shared memory of a block, after opting in, and of a multiprocessor, in bytes.
    pub(crate) fn shared(&self) -> (i32, i32) {
        let of_sm = match self.arch {
            80 | 87 => 164,
            90..=109 => 228,
            75 => 64,
            _ => 100,
        };
        let of_block = if self.arch == 75 { of_sm } else { of_sm - 1 };
        (of_block << 10, of_sm << 10)
    }
}

fn version(text: &str) -> Option<i32> {
    let (major, minor) = text.split_once('.')?;
    Some(major.parse::<i32>().ok()? * 1000 + minor.parse::<i32>().ok()? * 10)
}
