//! Table 6: how fast kernels decode, by size.

use super::clock::{Clock, PAPERS, Timed};
use super::encoding::default_scheme;
use super::memory;
use super::paper::SPEEDS;
use super::table::{Source, Table, figure};
use super::{Request, consistency, normal};
use crate::cli::answer::Failure;
use crate::cli::size::in_words;
use ecf8_codegen::strategy::{Strategy, strategies_for, strategy};
use ecf8_core::element::Numbers;
use ecf8_core::{Aim, Encoded, Scheme, scheme};
use serde_json::{Value, json};

/// Bytes of the largest tensor that variants are chosen on, as `ecf8 bench` does.
const CHOSEN_AT: u64 = 64 << 20;

/// The paper's scheme by one pass, which is ours.
const ONE_PASS: &str = "gap-wide";

/// A kernel and the scheme of what it decodes.
#[derive(Clone, Copy)]
pub(super) struct Way {
    pub(super) strategy: &'static dyn Strategy,
    pub(super) scheme: &'static dyn Scheme,
}

impl Way {
    fn named(name: &str, of: &str) -> Result<Self, Failure> {
        let unknown = || Failure::request(format!("there is no strategy {name} for scheme {of}"));
        Ok(Self { strategy: strategy(name).ok_or_else(unknown)?, scheme: scheme(of).ok_or_else(unknown)? })
    }

    /// The paper's kernel.
    pub(super) fn papers() -> Result<Self, Failure> {
        Self::named(PAPERS, memory::PAPERS)
    }

    /// The scheme that `ecf8 compress` chooses for such weights, and its fastest kernel.
    pub(super) fn default_for(request: &Request<'_>, bytes: &[u8]) -> Result<Self, Failure> {
        let scheme = default_scheme(request, bytes)?;
        let strategy = strategies_for(scheme.name()).next();
        strategy
            .map(|strategy| Self { strategy, scheme })
            .ok_or_else(|| Failure::request(format!("no strategy decodes {}", scheme.name())))
    }

    /// Encodes tensors with one codebook for all.
    pub(super) fn encoded(&self, tensors: &[&[u8]]) -> Result<Vec<Encoded<'static>>, Failure> {
        let Some(first) = tensors.first() else { return Ok(Vec::new()) };
        let codebook = self.scheme.codebook(&self.scheme.symbol_histogram(Numbers::e4m3(first)));
        let encode = |tensor: &&[u8]| {
            let encoded = self.scheme.encode_for(Numbers::e4m3(tensor), &(&codebook).into(), Aim::default());
            encoded.map_err(Failure::data)
        };
        tensors.iter().map(encode).collect()
    }

    /// What a launch that decodes `bytes` bytes took, as JSON.
    pub(super) fn json(&self, bytes: u64, timed: &Timed, source: Source) -> Value {
        json!({
            "strategy": self.strategy.name(),
            "scheme": self.scheme.name(),
            "params": timed.params,
            "microseconds": timed.nanoseconds / 1e3,
            "gb_per_s": bytes as f64 / timed.nanoseconds,
            "samples_ns": timed.samples_ns,
            "source": source,
        })
    }
}

pub(super) fn table(request: &Request<'_>, clock: &mut dyn Clock) -> Result<Table, Failure> {
    let at = request.sizes.iter().copied().filter(|size| *size <= CHOSEN_AT).max();
    let at = at.or(request.sizes.first().copied()).unwrap_or(CHOSEN_AT);
    let chosen_on = normal(at)?;
    let ways =
        [Way::papers()?, Way::named(ONE_PASS, memory::PAPERS)?, Way::default_for(request, &chosen_on)?];
    for way in &ways {
        for encoded in way.encoded(&[&chosen_on])? {
            clock.choose(way.strategy, &encoded, &chosen_on)?;
        }
    }
    drop(chosen_on);
    let (mut lines, mut rows) = (Vec::new(), Vec::new());
    for &size in request.sizes {
        let bytes = normal(size)?;
        let paper = SPEEDS.iter().find(|row| row.mb << 20 == size);
        let papers_speed = paper.map(|paper| paper.decimal_gb_per_s());
        let mut line =
            vec![in_words(size), figure(paper.map(|paper| paper.microseconds), 1), figure(papers_speed, 0)];
        let mut kernels = Vec::new();
        let mut speed = 0.0;
        for way in &ways {
            let encoded = way.encoded(&[&bytes])?;
            let timed = clock.launch(way.strategy, &encoded.iter().collect::<Vec<_>>(), &[&bytes])?;
            speed = size as f64 / timed.nanoseconds;
            line.push(format!("{speed:.0}"));
            kernels.push(way.json(size, &timed, clock.source()));
        }
        // Of the last one, which is the default.
        line.push(figure(papers_speed.map(|papers| speed / papers), 1));
        lines.push(line);
        rows.push(json!({ "bytes": size, "device": clock.device(), "paper": paper, "paper_gb_per_s_of_1e9": papers_speed, "kernels": kernels }));
    }
    let word = clock.source().word();
    let head = [
        "size".to_owned(),
        "paper, H100: µs".to_owned(),
        "GB/s".to_owned(),
        format!("{PAPERS} (the paper's), GB/s, {word}"),
        format!("{ONE_PASS}, GB/s, {word}"),
        format!("{} (the default), GB/s, {word}", ways[ways.len() - 1].strategy.name()),
        "times the paper's".to_owned(),
    ];
    let notes = vec![format!("E4M3 from N(0, 1); {}", clock.about()), consistency::of_speed()];
    let title = format!("speed of decoding kernels by size, {}", clock.device());
    Ok(Table { number: 6, title, head: head.to_vec(), lines, rows, notes })
}
