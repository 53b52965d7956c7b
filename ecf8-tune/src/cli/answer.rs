//! What a command answers, for people and for scripts, and what it says when it fails.

use crate::executor::ExecutorError;
use crate::model::ModelError;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, TableStyle, presets};
use serde_json::Value;
use std::io::{self, Write};

pub(super) use ecf8_analysis::page::grouped;

/// The answer of a command that succeeded, in both forms.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// For people; ends with a line break unless it is empty.
    pub(super) text: String,
    /// For scripts.
    pub(super) json: Value,
    /// What was found wrong, if the command's purpose is to find that out: the answer is given all the same.
    pub(super) failure: Option<Failure>,
}

/// Why a command failed.
#[derive(Debug)]
pub(super) struct Failure {
    message: String,
    status: u8,
}

impl Failure {
    /// The data are wrong: exit status 1.
    #[expect(clippy::needless_pass_by_value, reason = "used as a function of errors")]
    pub(super) fn data(message: impl ToString) -> Self {
        Self { message: message.to_string(), status: 1 }
    }

    /// The request is wrong, or cannot be served here: exit status 2.
    #[expect(clippy::needless_pass_by_value, reason = "used as a function of errors")]
    pub(super) fn request(message: impl ToString) -> Self {
        Self { message: message.to_string(), status: 2 }
    }

    /// What is told.
    pub(super) fn message(&self) -> &str {
        &self.message
    }
}

impl From<ecf8_core::Error> for Failure {
    fn from(error: ecf8_core::Error) -> Self {
        if error.is_data_error() { Self::data(error) } else { Self::request(error) }
    }
}

impl From<ExecutorError> for Failure {
    fn from(error: ExecutorError) -> Self {
        Self::request(error)
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Container(error) => error.into(),
            error => Self::request(error),
        }
    }
}

/// Writes the answer or the failure, and gives the exit status.
pub(super) fn give(answer: Result<Answer, Failure>, json: bool) -> u8 {
    let failure = match answer {
        Ok(answer) => {
            let text = if json { format!("{:#}\n", answer.json) } else { answer.text };
            match io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()) {
                Ok(()) => answer.failure,
                // Whoever read the answer has seen enough of it.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => answer.failure,
                Err(error) => Some(Failure::request(format!("cannot write to standard output: {error}"))),
            }
        }
        Err(failure) => Some(failure),
    };
    let Some(failure) = failure else { return 0 };
    let _ = writeln!(io::stderr(), "ecf8: {}", printable(&failure.message));
    failure.status
}

/// On one line and harmless to terminals, whatever characters the names of files and tensors are made of.
pub(super) fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            printable.extend(c.escape_default());
        } else {
            printable.push(c);
        }
    }
    printable
}

/// A table for terminals.
pub(super) fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    aligned(presets::NOTHING, head, rows)
}

/// A table in Markdown.
pub(super) fn markdown_table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let escaped = |row: Vec<String>| row.iter().map(|cell| cell.replace('|', "\\|")).collect();
    aligned(presets::ASCII_MARKDOWN, head, rows.into_iter().map(escaped))
}

/// A table with the first column to the left and the others to the right.
fn aligned(style: TableStyle, head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(style).set_content_arrangement(ContentArrangement::Disabled);
    let cells = |row: Vec<String>| -> Vec<Cell> {
        let align = |i| if i == 0 { CellAlignment::Left } else { CellAlignment::Right };
        row.into_iter()
            .enumerate()
            .map(|(i, text)| Cell::new(printable(&text)).set_alignment(align(i)))
            .collect()
    };
    table.set_header(cells(head.iter().map(|&text| text.to_owned()).collect()));
    for row in rows {
        table.add_row(cells(row));
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// The line for people that says why launches were not replayed as a graph, if they were not.
pub(super) fn one_by_one(reason: Option<&str>) -> String {
    reason.map_or_else(String::new, |why| {
        format!("launches are timed one by one, not as a graph: {}\n", printable(why))
    })
}
