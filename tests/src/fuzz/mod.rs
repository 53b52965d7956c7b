//! What fuzzers call, one short function for each thing that reads what somebody else wrote. A panic is a finding.
//!
//! `fuzz/` at the root of the repository has a target for each, and says how to run them; `tests/fuzz.rs` runs the same
//! functions on the seeds, on all findings so far, and on seeded changes of both.
//!
//! | file | what it does |
//! |---|---|
//! | `edits` | encoded tensors with some of their parts changed, as bytes say: behind all checksums, and consistent where wanted |
//! | `streams` | decoders against each other, and codebooks |
//! | `containers` | headers, containers, manifests, lists of folders, each sealed again after the change |
//! | `deltas` | descriptions of differences from a base |
//! | `foreign` | files of others |
//! | `caches` | tuning caches and kernel caches |
//! | `front_end` | the macros of the kernel language |
//! | `seeds` | what fuzzers start from |

mod caches;
mod containers;
mod deltas;
mod edits;
mod foreign;
mod front_end;
mod seeds;
mod streams;

pub use containers::{container, container_with};
pub use edits::{Bytes, changed, suited};
pub use seeds::seeds;

/// Something that is fuzzed.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The name of the target of `cargo fuzz`, and of the folders with its seeds and findings.
    pub name: &'static str,
    /// Tries one input.
    pub run: fn(&[u8]),
}

/// All that is fuzzed.
pub static TARGETS: [Target; 17] = [
    Target { name: "header", run: containers::header },
    Target { name: "container", run: containers::container },
    Target { name: "sealed", run: containers::sealed },
    Target { name: "manifest", run: containers::manifest },
    Target { name: "folder_list", run: containers::folder_list },
    Target { name: "index", run: containers::index },
    Target { name: "codebook", run: streams::codebook },
    Target { name: "exponent_gap", run: |data| streams::decoders(data, &["exponent-gap"]) },
    Target {
        name: "quad_triple_lanes",
        run: |data| streams::decoders(data, &["quad-lanes", "triple-lanes"]),
    },
    Target { name: "pair_lanes", run: |data| streams::decoders(data, &["pair-lanes", "pair6-lanes"]) },
    Target { name: "byte_ans_lanes", run: |data| streams::decoders(data, &["byte-lanes", "ans-lanes"]) },
    Target { name: "round_trip", run: streams::round_trip },
    Target { name: "delta", run: deltas::delta },
    Target { name: "foreign", run: foreign::foreign },
    Target { name: "tuning_cache", run: caches::tuning },
    Target { name: "kernel_cache", run: caches::kernels },
    Target { name: "front_end", run: front_end::front_end },
];

/// Tries an input on the target of this name.
///
/// # Panics
/// If there is no such target; or with a finding.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.unwrap_or_else(|| panic!("there is no target {name}")).run)(data);
}
