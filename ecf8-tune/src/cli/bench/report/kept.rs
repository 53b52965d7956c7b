//! What a report holds, and the file that keeps it: written anew after every step, so that a run may end at any time.

use crate::cache;
use crate::cli::answer::Failure;
use crate::device::{CopyBandwidth, DeviceInfo};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The version of the file's form.
const FORM: u32 = 1;

/// All that a report holds.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Report {
    /// The version of this form, which also tells a report from other JSON.
    ecf8_report: u32,
    pub(super) machine: Machine,
    /// Of small tensors only.
    quick: bool,
    /// The runs of the program that have added to it, in order.
    pub(super) runs: Vec<Run>,
    /// In order of worth.
    pub(super) steps: Vec<Entry>,
}

impl Report {
    /// Whether today's results belong into it; why not, if they do not.
    fn goes_on_with(&self, machine: &Machine, quick: bool) -> Result<(), String> {
        if self.ecf8_report != FORM {
            return Err("another version of ecf8 made this report".to_owned());
        }
        if self.machine != *machine {
            let Machine { gpu, nvrtc, ecf8 } = &self.machine;
            let driver = gpu.driver_release.as_deref().unwrap_or("unknown");
            return Err(format!(
                "this report is of {} with driver {driver}, NVRTC {nvrtc} and ecf8 {ecf8}, and not of what is here now",
                gpu.name
            ));
        }
        match (self.quick, quick) {
            (true, false) => Err("this report was made with --quick and goes on with it only".to_owned()),
            (false, true) => {
                Err("this report was made without --quick and goes on without it only".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// What was measured: results of two of these do not belong into one report.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Machine {
    pub(super) gpu: DeviceInfo,
    pub(super) nvrtc: String,
    pub(super) ecf8: String,
}

/// One run of the program.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Run {
    pub(super) date: String,
    pub(super) command: String,
    pub(super) copy_before: Option<Copies>,
    pub(super) copy_after: Option<Copies>,
    /// Why launches were not replayed as a graph.
    pub(super) one_by_one: Option<String>,
    pub(super) warnings: Vec<String>,
}

/// Copies within the GPU's memory.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Copies {
    /// Bytes read and written per second, in units of 10⁹, at the median time.
    pub(super) gb_per_s: Option<f64>,
    #[serde(flatten)]
    pub(super) samples: CopyBandwidth,
}

impl From<CopyBandwidth> for Copies {
    fn from(samples: CopyBandwidth) -> Self {
        Self { gb_per_s: samples.gb_per_s(), samples }
    }
}

/// One step.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Entry {
    /// What tells it from other steps.
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) state: State,
    /// Why it has failed or was left out.
    pub(super) why: Option<String>,
    /// How many times it was begun and not ended by an interrupt.
    pub(super) tries: u32,
    /// How long it took the last time.
    pub(super) seconds: f64,
    pub(super) found: Value,
}

/// The kinds of steps, each with a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Selftest,
    Decoding,
    Tuning,
    Loading,
    Pages,
    Updates,
    Nvcomp,
}

/// How far a step has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Done,
    /// It has ended, and something is wrong.
    Failed,
    /// It is under way, or the process ended in it.
    Begun,
    /// It was not begun, or an interrupt or the end of the time has ended it.
    LeftOut,
}

/// A report and its folder.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) report: Report,
    folder: PathBuf,
}

impl Kept {
    /// The report of a folder, which is made if it is not there.
    pub(super) fn open(folder: &Path, machine: Machine, quick: bool) -> Result<Self, Failure> {
        let path = folder.join("report.json");
        let refused = |why: String| {
            Failure::request(format!("{}: {why}; choose another folder, or move it away", path.display()))
        };
        fs::create_dir_all(folder)
            .map_err(|error| refused(format!("the folder cannot be made ({error})")))?;
        let report = match fs::read(&path) {
            Ok(bytes) => {
                let report = serde_json::from_slice::<Report>(&bytes).map_err(|error| {
                    refused(format!("this is no report of this version of ecf8 ({error})"))
                })?;
                report.goes_on_with(&machine, quick).map_err(refused)?;
                report
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let (runs, steps) = (Vec::new(), Vec::new());
                Report { ecf8_report: FORM, machine, quick, runs, steps }
            }
            Err(error) => return Err(refused(format!("it cannot be read ({error})"))),
        };
        Ok(Self { report, folder: folder.to_owned() })
    }

    /// The place of a step's entry, which is made if it is not there.
    pub(super) fn place(&mut self, name: &str, kind: Kind) -> usize {
        let steps = &mut self.report.steps;
        steps.iter().position(|entry| entry.name == name).unwrap_or_else(|| {
            let (state, why, found) = (State::LeftOut, None, Value::Null);
            steps.push(Entry { name: name.to_owned(), kind, state, why, tries: 0, seconds: 0.0, found });
            steps.len() - 1
        })
    }

    /// The run of the program that adds to it now.
    pub(super) fn run(&mut self) -> Option<&mut Run> {
        self.report.runs.last_mut()
    }

    /// Writes report.json and report.md, each whole or not at all.
    pub(super) fn save(&self) -> Result<(), Failure> {
        let json = serde_json::to_vec_pretty(&self.report).map_err(Failure::request)?;
        let text = super::markdown::markdown(&self.report);
        for (name, bytes) in [("report.json", json), ("report.md", text.into_bytes())] {
            let path = self.folder.join(name);
            cache::replace(&path, &bytes).map_err(|error| {
                Failure::request(format!(
                    "cannot write {}: {error}; make room, or choose another folder",
                    path.display()
                ))
            })?;
        }
        Ok(())
    }
}
