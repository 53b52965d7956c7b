//! What figures are drawn on: a text for SVG, or pixels for PNG, by the same code.

use super::theme::{FAINT, INK, PAPER, Tone};
use plotters::coord::Shift;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, TextStyle, register_font};
use std::io::Cursor;
use std::sync::OnceLock;

/// Where a figure is drawn.
pub(super) type Area<B> = DrawingArea<B, Shift>;

/// Why it could not be.
pub(super) type Undrawn<B> = DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>;

/// A figure could not be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FigureError(pub(super) String);

impl std::fmt::Display for FigureError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a figure cannot be drawn: {}; please report this", self.0)
    }
}

impl std::error::Error for FigureError {}

/// The name under which the font is known, which is that of whatever font without serifs a viewer of SVG has.
const FONT: &str = "sans-serif";

/// How large figures are, in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Canvas {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Of text.
    pub(super) text: u32,
}

impl Canvas {
    /// A line's height.
    pub(super) fn line(self) -> u32 {
        self.text * 3 / 2
    }

    /// Whether there is little room beside the data.
    pub(super) fn is_narrow(self) -> bool {
        self.width < 40 * self.text
    }

    /// The same with all pixels twice as dense.
    fn doubled(self) -> Self {
        Self { width: 2 * self.width, height: 2 * self.height, text: 2 * self.text }
    }

    /// The style of text of a colour.
    pub(super) fn style(self, tone: Tone) -> TextStyle<'static> {
        (FONT, self.text).into_font().color(&tone.light)
    }

    /// Text of one line that begins, ends or has its middle at a place.
    pub(super) fn write<B: DrawingBackend>(
        self,
        area: &Area<B>,
        text: &str,
        at: (u32, u32),
        anchor: HPos,
        tone: Tone,
    ) -> Result<(), Undrawn<B>> {
        let style = self.style(tone).pos(Pos::new(anchor, VPos::Center));
        area.draw_text(text, &style, (pixel(at.0), pixel(at.1)))
    }

    /// Pixels that a text is wide, about.
    pub(super) fn width_of(self, text: &str) -> u32 {
        let characters = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        characters.saturating_mul(self.text).saturating_mul(3) / 5
    }
}

/// A coordinate as the library has it.
pub(super) fn pixel(at: u32) -> i32 {
    i32::try_from(at).unwrap_or(i32::MAX)
}

/// What can be drawn.
pub(super) trait Draw {
    fn draw<B: DrawingBackend>(&self, area: &Area<B>, canvas: Canvas) -> Result<(), Undrawn<B>>;
}

/// A heading over a drawing, which leaves the rest of the area.
pub(super) fn under_title<B: DrawingBackend>(
    area: &Area<B>,
    canvas: Canvas,
    title: &str,
) -> Result<Area<B>, Undrawn<B>> {
    let (above, below) = area.split_vertically(canvas.line() + canvas.text / 2);
    canvas.write(&above, title, (canvas.text / 2, canvas.line() / 2 + canvas.text / 4), HPos::Left, INK)?;
    Ok(below)
}

/// Squares of colours with their names, in rows below a drawing, which has the rest of the area.
pub(super) fn over_legend<B: DrawingBackend>(
    area: &Area<B>,
    canvas: Canvas,
    entries: &[(String, Tone)],
) -> Result<Area<B>, Undrawn<B>> {
    let (text, line) = (canvas.text, canvas.line());
    let mut rows: Vec<Vec<(u32, &(String, Tone))>> = Vec::new();
    let mut at = u32::MAX;
    for entry in entries {
        let width = canvas.width_of(&entry.0) + 3 * text;
        if at.saturating_add(width) > canvas.width {
            (at, _) = (text, rows.push(Vec::new()));
        }
        if let Some(row) = rows.last_mut() {
            row.push((at, entry));
        }
        at += width;
    }
    let height = u32::try_from(rows.len()).unwrap_or(1) * line + text / 2;
    let (above, below) = area.split_vertically(area.dim_in_pixel().1.saturating_sub(height));
    for (row, entries) in (0..).zip(rows) {
        let middle = line / 2 + row * line;
        for (left, (name, tone)) in entries {
            let half = text * 2 / 5;
            let [x, y] = [left, middle].map(pixel);
            let corner = (x + pixel(2 * half), y + pixel(half));
            below.draw(&Rectangle::new([(x, y - pixel(half)), corner], tone.light.filled()))?;
            canvas.write(&below, name, (left + text * 6 / 5, middle), HPos::Left, FAINT)?;
        }
    }
    Ok(above)
}

/// The font is part of the program, so that figures are the same everywhere.
fn with_font() -> Result<(), FigureError> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let registered =
        REGISTERED.get_or_init(|| register_font(FONT, FontStyle::Normal, dejavu::sans::regular()).is_ok());
    if *registered { Ok(()) } else { Err(FigureError("its font is not one".to_owned())) }
}

fn on<B: DrawingBackend>(backend: B, drawing: &impl Draw, canvas: Canvas) -> Result<(), FigureError> {
    let why = |error: Undrawn<B>| FigureError(error.to_string());
    let area = backend.into_drawing_area();
    area.fill(&PAPER.light).map_err(why)?;
    drawing.draw(&area, canvas).map_err(why)?;
    area.present().map_err(why)
}

/// A drawing as SVG.
pub(super) fn svg(drawing: &impl Draw, canvas: Canvas) -> Result<String, FigureError> {
    with_font()?;
    let mut text = String::new();
    on(SVGBackend::with_string(&mut text, (canvas.width, canvas.height)), drawing, canvas)?;
    Ok(text)
}

/// A drawing as PNG, with twice as many pixels each way.
pub(super) fn png(drawing: &impl Draw, canvas: Canvas) -> Result<Vec<u8>, FigureError> {
    with_font()?;
    let canvas = canvas.doubled();
    let pixels = usize::try_from(u64::from(canvas.width) * u64::from(canvas.height));
    let mut buffer = vec![0; 3 * pixels.map_err(|error| FigureError(error.to_string()))?];
    on(BitMapBackend::with_buffer(&mut buffer, (canvas.width, canvas.height)), drawing, canvas)?;
    let why = |error: png::EncodingError| FigureError(error.to_string());
    let mut file = Cursor::new(Vec::new());
    let mut encoder = png::Encoder::new(&mut file, canvas.width, canvas.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(why)?;
    writer.write_image_data(&buffer).map_err(why)?;
    writer.finish().map_err(why)?;
    Ok(file.into_inner())
}
