//! A report for people.

use super::kept::{Copies, Kind, Machine, Report, Run, State};
use super::{loading, nvcomp, pages, proof, rates, tuning, updates};
use crate::cli::answer::{grouped, markdown_table, printable};
use crate::cli::size::in_words;
use serde_json::Value;

/// Tables in Markdown: the machine, the runs, each kind of step, and what is missing.
pub(super) fn markdown(report: &Report) -> String {
    let mut text = format!("# ecf8 on {}\n\n", printable(&report.machine.gpu.name));
    text += &markdown_table(&["machine", ""], machine(&report.machine));
    text += "\n## Runs\n\n";
    text += &markdown_table(
        &["date", "copies before, GB/s", "copies after, GB/s", "command"],
        report.runs.iter().map(run),
    );
    for reason in report.runs.iter().filter_map(|run| run.one_by_one.as_deref()) {
        text += &format!("\nLaunches were timed one by one, not as a graph: {}\n", printable(reason));
    }
    type Lines = fn(&Value) -> Vec<Vec<String>>;
    let kinds: [(Kind, &str, &[&str], Lines); 7] = [
        (Kind::Selftest, "Self-test", proof::HEAD, proof::lines),
        (Kind::Decoding, "Decoding, default variants", rates::HEAD, rates::lines),
        (Kind::Tuning, "The tuner beside a search of all variants", tuning::HEAD, tuning::lines),
        (Kind::Loading, "Loading a model that was just written", loading::HEAD, loading::lines),
        (Kind::Pages, "Pages of K/V caches", pages::HEAD, pages::lines),
        (Kind::Updates, "A layer of BF16 brought to a later state", updates::HEAD, updates::lines),
        (Kind::Nvcomp, "nvCOMP", nvcomp::HEAD, nvcomp::lines),
    ];
    for (kind, title, head, lines) in kinds {
        let found = report.steps.iter().filter(|entry| entry.kind == kind);
        let lines: Vec<_> = found.flat_map(|entry| lines(&entry.found)).collect();
        if !lines.is_empty() {
            text += &format!("\n## {title}\n\n{}", markdown_table(head, lines));
        }
    }
    let missing: Vec<Vec<String>> = report
        .steps
        .iter()
        .filter(|entry| entry.state != State::Done)
        .map(|entry| {
            let state = match entry.state {
                State::Failed => "failed",
                State::Begun => "under way, or ended with the process",
                State::LeftOut | State::Done => "left out",
            };
            vec![entry.name.clone(), state.to_owned(), entry.why.clone().unwrap_or_default()]
        })
        .collect();
    if !missing.is_empty() {
        text += &format!("\n## Missing\n\n{}", markdown_table(&["step", "state", "why"], missing));
    }
    text += "\nGB/s are 10^9 bytes of decoded output per second, at the median time. A copy is counted as read and written, and \
             \"of copy\" is what decoding reads and writes beside that. Predictions are no measurements.\n";
    text
}

fn machine(machine: &Machine) -> Vec<Vec<String>> {
    let gpu = &machine.gpu;
    let clock =
        |khz: Option<u32>| khz.map_or_else(|| "not told".to_owned(), |khz| format!("{} MHz", khz / 1000));
    let lines = [
        ("GPU", format!("cuda:{} {} ({})", gpu.ordinal, gpu.name, gpu.arch)),
        ("multiprocessors", gpu.sm_count.to_string()),
        ("memory", in_words(gpu.memory_bytes)),
        ("L2", in_words(gpu.l2_bytes)),
        (
            "highest clocks, multiprocessors and memory",
            format!("{}, {}", clock(gpu.clock_khz), clock(gpu.memory_clock_khz)),
        ),
        (
            "driver",
            format!("{}, CUDA {}", gpu.driver_release.as_deref().unwrap_or("unknown"), gpu.driver_cuda),
        ),
        ("NVRTC", machine.nvrtc.clone()),
        ("ecf8", machine.ecf8.clone()),
    ];
    lines.into_iter().map(|(what, value)| vec![what.to_owned(), value]).collect()
}

fn run(run: &Run) -> Vec<String> {
    let copies = |copies: &Option<Copies>| {
        let speed = copies.as_ref().and_then(|copies| copies.gb_per_s);
        speed.map_or_else(String::new, figure)
    };
    vec![run.date.clone(), copies(&run.copy_before), copies(&run.copy_after), format!("`{}`", run.command)]
}

/// Three digits, or all before the point.
fn figure(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        1.0.. => format!("{value:.1}"),
        _ => format!("{value:.4}"),
    }
}

/// A text of JSON, or nothing.
pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A whole number, or nothing.
pub(super) fn count(value: &Value) -> String {
    value.as_u64().map_or_else(String::new, grouped)
}

/// A speed, or nothing.
pub(super) fn rate(value: &Value) -> String {
    value.as_f64().map_or_else(String::new, figure)
}

/// What was measured of a row: the ratio, the speed or why there is none, its spread, and its share of a copy's.
pub(super) fn measured(row: &Value) -> [String; 4] {
    let speed = || rate(&row["gb_per_s"]["median"]);
    [
        row["ratio"].as_f64().map_or_else(String::new, |ratio| format!("{ratio:.4}")),
        row["failed"].as_str().map_or_else(speed, |why| format!("failed: {why}")),
        spread(&row["gb_per_s"]),
        percent(&row["share_of_copy"]),
    ]
}

/// The speeds between which three fifths of the samples lie.
fn spread(speeds: &Value) -> String {
    let ends = speeds["p20"].as_f64().zip(speeds["p80"].as_f64());
    ends.map_or_else(String::new, |(low, high)| format!("{}-{}", figure(low), figure(high)))
}

/// A part of a whole.
pub(super) fn percent(value: &Value) -> String {
    value.as_f64().map_or_else(String::new, |share| format!("{:.1} %", 100.0 * share))
}
