//! An analysis as a page, and its figures as files.

use super::super::answer::Failure;
use super::super::results;
use clap::Args;
use ecf8_analysis::page;
use ecf8_analysis::report::Analysis;
use std::fs;
use std::path::{Path, PathBuf};

/// What is written to look at.
#[derive(Debug, Args)]
pub(super) struct Outputs {
    /// Also write a page of HTML to this file: figures, tables and what to do, which needs no network and no scripts
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Also write the page's figures into this folder, each as SVG and as PNG; the folder is made if it is not there
    #[arg(long, value_name = "DIR")]
    figures: Option<PathBuf>,
    /// Replace the page and figures that exist
    #[arg(long)]
    force: bool,
}

impl Outputs {
    /// Whether all can get their names is found out before the work.
    pub(super) fn require_places(&self) -> Result<(), Failure> {
        if let Some(report) = &self.report {
            results::require_place(report, self.force)?;
        }
        let Some(folder) = &self.figures else { return Ok(()) };
        let refused =
            |why: &str| Failure::request(format!("cannot write figures to {}: {why}", folder.display()));
        if folder.exists() && !folder.is_dir() {
            return Err(refused("it is no folder; choose another name"));
        }
        let is_used = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
        if is_used && !self.force {
            return Err(refused("it is not empty; choose another folder, or add --force"));
        }
        fs::create_dir_all(folder).map_err(|error| refused(&format!("{error}; choose another folder")))
    }

    /// Writes what is asked for, and says what, a line each.
    pub(super) fn write(&self, analysis: &Analysis) -> Result<String, Failure> {
        let mut said = String::new();
        if let Some(report) = &self.report {
            results::write(report, page::html(analysis).map_err(Failure::data)?.as_bytes())?;
            said += &format!("page: {}\n", report.display());
        }
        if let Some(folder) = &self.figures {
            let count = figures(folder, analysis)?;
            said += &format!("figures: {count}, as SVG and PNG, in {}\n", folder.display());
        }
        Ok(said)
    }
}

/// Writes the figures of an analysis, and says how many.
fn figures(folder: &Path, analysis: &Analysis) -> Result<usize, Failure> {
    let figures = page::figures(analysis);
    for figure in &figures {
        let svg = figure.svg().map_err(Failure::data)?;
        results::write(&folder.join(format!("{}.svg", figure.name)), svg.as_bytes())?;
        let png = figure.png().map_err(Failure::data)?;
        results::write(&folder.join(format!("{}.png", figure.name)), &png)?;
    }
    Ok(figures.len())
}
