//! One of the paper's tables with our figures beside it.

use crate::cli::answer::{self, markdown_table};
use serde::Serialize;
use serde_json::{Value, json};

/// Where a figure that is not the paper's comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Source {
    /// Measured by this run on this machine.
    Measured,
    /// Computed from what was measured or from data sheets.
    Predicted,
}

impl Source {
    /// As a word over a column.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Measured => "measured here",
            Self::Predicted => "predicted",
        }
    }
}

/// One table.
#[derive(Debug)]
pub(super) struct Table {
    /// Its number in the paper.
    pub(super) number: u8,
    pub(super) title: String,
    pub(super) head: Vec<String>,
    /// For people, a line per row.
    pub(super) lines: Vec<Vec<String>>,
    /// For scripts, the same rows with all figures.
    pub(super) rows: Vec<Value>,
    /// How it was done, and where the paper contradicts itself.
    pub(super) notes: Vec<String>,
}

impl Table {
    pub(super) fn text(&self) -> String {
        self.with(&answer::table(&self.head(), self.lines.iter().cloned()))
    }

    /// In Markdown, as the README has it.
    pub(super) fn markdown(&self) -> String {
        self.with(&markdown_table(&self.head(), self.lines.iter().cloned()))
    }

    fn head(&self) -> Vec<&str> {
        self.head.iter().map(String::as_str).collect()
    }

    fn with(&self, table: &str) -> String {
        let notes: String = self.notes.iter().map(|note| format!("- {note}\n")).collect();
        format!("Table {}: {}\n\n{table}\n{notes}", self.number, self.title)
    }

    pub(super) fn json(&self) -> Value {
        json!({ "table": self.number, "title": self.title, "rows": self.rows, "notes": self.notes })
    }
}

/// A number with `digits` digits behind the point, or nothing.
pub(super) fn figure(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(String::new, |value| format!("{value:.digits$}"))
}
