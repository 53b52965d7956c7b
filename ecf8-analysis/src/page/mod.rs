//! An analysis to look at: one page of HTML that needs nothing else, and its figures as files.
//!
//! | file | what it does |
//! |---|---|
//! | `canvas` | what figures are drawn on: SVG or pixels, by the same code |
//! | `theme` | their colours, for light and dark |
//! | `blocks`, `fields`, `exponents`, `treemap` | the figures |
//! | `kinds` | kinds of tensors and their colours |
//! | `tables`, `advice` | figures in numbers, and what to do about them |
//! | `text` | words and numbers as pages have them |

mod advice;
mod blocks;
mod canvas;
mod exponents;
mod fields;
mod kinds;
mod tables;
mod text;
mod theme;
mod treemap;

pub use canvas::FigureError;
pub use text::grouped;

use crate::report::{Analysis, TensorAnalysis};
use blocks::Blocks;
use canvas::{Area, Canvas, Draw, Undrawn};
use exponents::Exponents;
use fields::Fields;
use kinds::Kinds;
use plotters::prelude::DrawingBackend;
use text::{bytes, escaped, sum};
use treemap::Treemap;

/// Kinds whose exponents are shown.
const HISTOGRAMS: usize = 12;

/// A figure of a page, which can be a file of its own.
pub struct Figure {
    /// What its file is called, without an ending.
    pub name: String,
    caption: String,
    drawing: Drawing,
}

enum Drawing {
    Blocks(Blocks),
    Fields(Fields),
    Exponents(Exponents),
    Treemap(Treemap),
}

impl Draw for Drawing {
    fn draw<B: DrawingBackend>(&self, area: &Area<B>, canvas: Canvas) -> Result<(), Undrawn<B>> {
        match self {
            Self::Blocks(figure) => figure.draw(area, canvas),
            Self::Fields(figure) => figure.draw(area, canvas),
            Self::Exponents(figure) => figure.draw(area, canvas),
            Self::Treemap(figure) => figure.draw(area, canvas),
        }
    }
}

impl Figure {
    /// Its size where there is room.
    fn canvas(&self) -> Canvas {
        match self.drawing {
            Drawing::Exponents(_) => Canvas { width: 300, height: 220, text: 12 },
            _ => Canvas { width: 960, height: 440, text: 15 },
        }
    }

    /// Its size on a phone, if it is another.
    fn narrow(&self) -> Option<Canvas> {
        let canvas = Canvas { width: 358, height: 360, text: 12 };
        (!matches!(self.drawing, Drawing::Exponents(_))).then_some(canvas)
    }

    /// As SVG, on white.
    ///
    /// # Errors
    /// If it cannot be drawn, which is a mistake in this program.
    pub fn svg(&self) -> Result<String, FigureError> {
        canvas::svg(&self.drawing, self.canvas())
    }

    /// As PNG, on white, with twice as many pixels as its SVG says.
    ///
    /// # Errors
    /// As [`Figure::svg`].
    pub fn png(&self) -> Result<Vec<u8>, FigureError> {
        canvas::png(&self.drawing, self.canvas())
    }

    /// In a page, in its colours.
    fn html(&self) -> Result<String, FigureError> {
        let caption = escaped(&self.caption);
        let inline = |canvas: Canvas| -> Result<String, FigureError> {
            let svg = theme::themed(&canvas::svg(&self.drawing, canvas)?);
            Ok(svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{caption}\" "), 1))
        };
        let svg = match self.narrow() {
            Some(narrow) => format!(
                "<div class=\"wide\">{}</div><div class=\"narrow\">{}</div>",
                inline(self.canvas())?,
                inline(narrow)?
            ),
            None => inline(self.canvas())?,
        };
        let name = escaped(&self.name);
        Ok(format!("<figure id=\"{name}\">{svg}<figcaption>{caption}</figcaption></figure>\n"))
    }

    fn new(name: impl Into<String>, caption: impl Into<String>, drawing: Drawing) -> Self {
        Self { name: name.into(), caption: caption.into(), drawing }
    }
}

/// The largest tensor with exponents of each kind, in the order of kinds.
fn examples(analysis: &Analysis) -> impl Iterator<Item = &TensorAnalysis> {
    let largest = |kind: &str| {
        let of_it =
            analysis.tensors.iter().filter(move |tensor| tensor.kind == kind && !tensor.exponents.is_empty());
        of_it.max_by_key(|tensor| tensor.elements)
    };
    analysis.kinds.iter().filter_map(move |kind| largest(&kind.name)).take(HISTOGRAMS)
}

/// The figures of an analysis, as far as it has what they show: `blocks`, `fields`, `bytes`, and `exponents-KIND` for the kinds with the
/// most bytes.
#[must_use]
pub fn figures(analysis: &Analysis) -> Vec<Figure> {
    let kinds = Kinds::of(analysis);
    let mut figures = Vec::new();
    if let Some(blocks) = Blocks::of(analysis, &kinds) {
        let caption = "Bits per exponent, a mark for the matrices of a kind in a block (figure 1 of the paper). Vectors, and what is outside of \
                       blocks, such as embeddings, are not in it.";
        figures.push(Figure::new("blocks", caption, Drawing::Blocks(blocks)));
    }
    if let Some(fields) = Fields::of(analysis) {
        let caption = "Bits of sign, exponent and mantissa before and after a Hadamard transform, as means over all float tensors \
                       (figure 4 of the paper).";
        figures.push(Figure::new("fields", caption, Drawing::Fields(fields)));
    }
    if let Some(bytes) = Treemap::of(analysis, &kinds) {
        let caption = "Each area is a tensor, as large as its bytes without compression; the smallest tensors of a kind may share one.";
        figures.push(Figure::new("bytes", caption, Drawing::Treemap(bytes)));
    }
    for tensor in examples(analysis) {
        if let Some(exponents) = Exponents::of(tensor) {
            let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
            let name = format!("exponents-{}", tensor.kind.chars().map(plain).collect::<String>());
            figures.push(Figure::new(name, text::shown(&tensor.name), Drawing::Exponents(exponents)));
        }
    }
    figures
}

/// An analysis as one page of HTML, without scripts, that fetches nothing.
///
/// # Errors
/// If a figure cannot be drawn, which is a mistake in this program.
pub fn html(analysis: &Analysis) -> Result<String, FigureError> {
    let (mut large, mut small) = (String::new(), String::new());
    for figure in figures(analysis) {
        match figure.drawing {
            Drawing::Exponents(_) => small += &figure.html()?,
            _ => large += &figure.html()?,
        }
    }
    if !small.is_empty() {
        small = format!(
            "<h2>Exponents and the law fitted to them</h2>\n\
             <p class=\"faint\">Of the largest tensor of each kind: how often each power of two occurs (bars), and what the α-stable law fitted to \
             its values gives it after rounding (line).</p>\n<div class=\"figures\">\n{small}</div>\n"
        );
    }
    let sources = analysis.sources.iter().map(|source| escaped(source)).collect::<Vec<_>>().join(", ");
    Ok(format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>{sources} – ecf8 analyze</title>\n<style>\n{}{}</style>\n</head>\n<body>\n<main>\n\
         <h1>{sources}</h1>\n{}{}{large}{small}{}</main>\n</body>\n</html>\n",
        theme::css(),
        include_str!("style.css"),
        summary(analysis),
        advice::html(analysis),
        tables::html(analysis),
    ))
}

/// The figures to know first.
fn summary(analysis: &Analysis) -> String {
    let total = &analysis.total;
    let all = sum(analysis.tensors.iter().map(|tensor| tensor.bytes));
    let stored = sum(analysis.tensors.iter().map(|tensor| tensor.stored_bytes));
    let mut figures = vec![
        ("tensors", grouped(analysis.tensors.len() as u64)),
        ("without compression", bytes(all)),
        ("in its files", bytes(stored)),
        ("bits per exponent", format!("{:.3}", total.entropy.exponent)),
        ("bits per number", format!("{:.3}", total.entropy.element)),
    ];
    if let Some(alpha) = total.alpha {
        figures.push(("α, the median of laws", format!("{:.2}", alpha.median)));
    }
    if let Some(best) = advice::smallest(total) {
        figures.push(("smallest by one scheme", format!("{:.1} %", 100.0 * best.ratio)));
    }
    let items = figures
        .iter()
        .map(|(name, value)| format!("<div><dt>{name}</dt><dd>{}</dd></div>\n", escaped(value)));
    let sampled = match analysis.method.sample {
        Some(most) => {
            format!(" Transforms and sizes are from at most {} elements of a tensor.", grouped(most))
        }
        None => String::new(),
    };
    format!(
        "<dl>\n{}</dl>\n<p class=\"faint\">Means over the float tensors, each as often as it has elements.{sampled}</p>\n",
        items.collect::<String>()
    )
}
