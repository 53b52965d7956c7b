//! nvCOMP's ANS for FP8 on the bytes that our strategies are timed on.

use super::markdown::{count, measured, text};
use super::{Outcome, Worker};
use crate::cli::answer::Failure;
use crate::device::{CudaDevice, DeviceError, Nvcomp, NvcompError, Packed};
use crate::executor::nanoseconds;
use crate::tuner::{TIMES_L2, launches_of_a_run};
use serde_json::{Value, json};

/// Sizes of its chunks, which are what its threads share: its documentation recommends the first.
const CHUNKS: [usize; 2] = [64 << 10, 256 << 10];

/// Most copies of the buffers that launches take in turns.
const MOST_COPIES: u64 = 16;

const WARM_UP: usize = 3;

pub(super) fn run(worker: &mut Worker<'_>, bytes: u64) -> Result<Outcome, Failure> {
    let Some(path) = &worker.bench.nvcomp else { return Err(Failure::request("no nvCOMP was named")) };
    let library = Nvcomp::open(path).map_err(Failure::request)?;
    let weights = worker.weights_of_a_model(bytes)?;
    let device = worker.target.device();
    let rows = CHUNKS.map(|chunk| {
        let name = format!("nvCOMP {} ANS, FLOAT8_E4M3", library.version());
        let mut row = json!({
            "name": name,
            "data": weights.name,
            "chunk_bytes": chunk,
            "output_bytes": weights.bytes.len(),
        });
        let bytes = weights.bytes.len() as u64;
        let timed = time(&library, device, &weights.bytes, chunk, worker.bench.runs());
        let encoded_bytes = timed.as_ref().map_or(0, |timed| timed.encoded_bytes);
        if timed.is_ok() {
            row["encoded_bytes"] = json!(encoded_bytes);
            row["ratio"] = json!(encoded_bytes as f64 / bytes as f64);
        }
        let outcome = timed.map(|timed| timed.samples_ns);
        worker.about.add_outcome(&mut row, bytes, bytes + encoded_bytes, &outcome);
        row
    });
    Ok(Outcome::of_rows(rows.to_vec()))
}

/// What was measured.
struct Timed {
    encoded_bytes: u64,
    samples_ns: Vec<u64>,
}

/// Compresses bytes on the GPU, sees that they come back, and times that.
fn time(
    library: &Nvcomp,
    device: &CudaDevice,
    bytes: &[u8],
    chunk: usize,
    runs: usize,
) -> Result<Timed, String> {
    let words = |error: NvcompError| error.to_string();
    let in_words = |error: DeviceError| error.to_string();
    let source = device.upload(bytes).map_err(in_words)?;
    let l2 = device.info().l2_bytes;
    let copies = (TIMES_L2 * l2).div_ceil(bytes.len().max(1) as u64).clamp(1, MOST_COPIES);
    let packed = (0..copies).map(|_| library.pack(device, &source, chunk).map_err(words));
    let packed = packed.collect::<Result<Vec<Packed>, String>>()?;
    for one in &packed {
        library.unpack(device, one).map_err(words)?;
        library.check_unpacked(device, one).map_err(words)?;
        let mut back = vec![0; bytes.len()];
        device.download(one.output(), &mut back).map_err(in_words)?;
        if let Some(at) = back.iter().zip(bytes).position(|(found, wanted)| found != wanted) {
            return Err(format!(
                "nvCOMP decompresses byte {at} as {:#04x} instead of {:#04x}",
                back[at], bytes[at]
            ));
        }
    }
    let mut turn = packed.iter().cycle();
    let mut timed = |runs: usize, launches: usize| {
        let unpack = |_| turn.by_ref().take(launches).try_for_each(|one| library.unpack(device, one));
        device.time(runs, unpack).map_err(words)
    };
    let once = timed(WARM_UP, 1)?.last().copied();
    let launches = once.map_or(1, |ms| launches_of_a_run(nanoseconds(ms.into())));
    let samples = timed(runs, launches)?;
    let samples_ns = samples.into_iter().map(|ms| nanoseconds(f64::from(ms) / launches as f64)).collect();
    Ok(Timed { encoded_bytes: packed.first().map_or(0, |one| one.encoded_bytes), samples_ns })
}

pub(super) const HEAD: &[&str] =
    &["library", "weights", "bytes", "chunk", "ratio", "GB/s", "p20-p80", "of copy"];

pub(super) fn lines(found: &Value) -> Vec<Vec<String>> {
    let line = |row: &Value| {
        let mut line = vec![
            text(&row["name"]),
            text(&row["data"]),
            count(&row["output_bytes"]),
            count(&row["chunk_bytes"]),
        ];
        line.extend(measured(row));
        line
    };
    found.as_array().into_iter().flatten().map(line).collect()
}
