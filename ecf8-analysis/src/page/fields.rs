//! Figure 4 of the paper: entropies of the fields of numbers, before and after a Hadamard transform.

use super::canvas::{Area, Canvas, Draw, Undrawn, over_legend, pixel, under_title};
use super::theme::{FAINT, GRID, GROUPS, INK, Tone};
use crate::report::{Analysis, BitFieldEntropies};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

const BEFORE: Tone = GROUPS[0];
const AFTER: Tone = GROUPS[1];

/// The fields that are shown.
const NAMES: [&str; 5] = ["sign", "exponent", "mantissa", "sign + mantissa", "whole number"];

/// A field's name and its entropy in bits, before and after.
pub(super) struct Fields(Vec<(&'static str, f64, f64)>);

impl Fields {
    /// `None` if nothing was transformed.
    pub(super) fn of(analysis: &Analysis) -> Option<Self> {
        let effect = analysis.total.hadamard.filter(|effect| effect.elements > 0)?;
        let of = |bits: &BitFieldEntropies| {
            [bits.sign, bits.exponent, bits.mantissa, bits.sign_mantissa, bits.element]
        };
        let bars = NAMES.into_iter().zip(of(&effect.before)).zip(of(&effect.after));
        Some(Self(bars.map(|((name, before), after)| (name, before, after)).collect()))
    }
}

impl Draw for Fields {
    fn draw<B: DrawingBackend>(&self, area: &Area<B>, canvas: Canvas) -> Result<(), Undrawn<B>> {
        let area = under_title(area, canvas, "Entropy of the fields, in bits")?;
        let entries = [("before".to_owned(), BEFORE), ("after a Hadamard transform".to_owned(), AFTER)];
        let area = over_legend(&area, canvas, &entries)?;
        let most = self.0.iter().map(|(_, before, after)| before.max(*after)).fold(1.0, f64::max) * 1.12;
        let count = self.0.len() as f64;
        let mut chart = ChartBuilder::on(&area)
            .margin(canvas.text / 2)
            .margin_right(canvas.text)
            .x_label_area_size(canvas.line())
            .y_label_area_size(canvas.text * 5 / 2)
            .build_cartesian_2d(0.0..count, 0.0..most)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .disable_x_axis()
            .bold_line_style(GRID.light)
            .light_line_style(TRANSPARENT)
            .axis_style(FAINT.light)
            .y_labels(6)
            .y_label_formatter(&|bits| format!("{bits:.0}"))
            .label_style(canvas.style(FAINT))
            .draw()?;
        let bars = (0u32..).zip(&self.0).flat_map(|(at, (_, before, after))| {
            let left = f64::from(at);
            [(left + 0.14, *before, BEFORE), (left + 0.51, *after, AFTER)].map(|(left, bits, tone)| {
                Rectangle::new([(left, 0.0), (left + 0.35, bits)], tone.light.filled())
            })
        });
        let _ = chart.draw_series(bars)?;
        let above = canvas.style(INK).pos(Pos::new(HPos::Center, VPos::Bottom));
        let small = if canvas.is_narrow() { 1 } else { 2 };
        let figures = (0u32..).zip(&self.0).flat_map(|(at, (_, before, after))| {
            let left = f64::from(at);
            [(left + 0.315, *before), (left + 0.685, *after)]
                .map(|(middle, bits)| Text::new(format!("{bits:.small$}"), (middle, bits), above.clone()))
        });
        let _ = chart.draw_series(figures)?;
        // Names below the bars, on the area itself: the axis would have them at its ticks.
        let below = pixel(area.dim_in_pixel().1.saturating_sub(canvas.line() / 2 + canvas.text / 4));
        let middle_of = |at: u32| chart.backend_coord(&(f64::from(at) + 0.5, 0.0)).0;
        let base = area.get_base_pixel().0;
        for (at, (name, ..)) in (0u32..).zip(&self.0) {
            let style = canvas.style(FAINT).pos(Pos::new(HPos::Center, VPos::Center));
            let name = if canvas.is_narrow() { short(name) } else { name };
            area.draw_text(name, &style, (middle_of(at) - base, below))?;
        }
        Ok(())
    }
}

/// A name where there is little room.
fn short(name: &str) -> &str {
    match name {
        "sign + mantissa" => "s + m",
        "whole number" => "whole",
        name => name,
    }
}
