//! How often each exponent occurs in a tensor, with the law that was fitted to its values over that.

use super::canvas::{Area, Canvas, Draw, Undrawn, under_title};
use super::text::{ends, shown, sum};
use super::theme::{FAINT, GRID, GROUPS, INK, Tone};
use crate::report::{ExponentBin, TensorAnalysis};
use plotters::prelude::*;

const SHARES: Tone = GROUPS[0];
const LAW: Tone = GROUPS[3];

/// Most exponents that are shown; the rarest at the lower end are left out.
const SHOWN: usize = 18;

/// One tensor's exponents.
pub(super) struct Exponents {
    title: String,
    /// Exponent, share of the elements, share by the law.
    bins: Vec<(i32, f64, Option<f64>)>,
}

impl Exponents {
    /// `None` if it has none.
    pub(super) fn of(tensor: &TensorAnalysis) -> Option<Self> {
        let all = sum(tensor.exponents.iter().map(|bin| bin.count));
        let share = |bin: &ExponentBin| (bin.exponent, bin.count as f64 / all.max(1) as f64, bin.law);
        let skipped = tensor.exponents.len().saturating_sub(SHOWN);
        let bins: Vec<_> = tensor.exponents.iter().skip(skipped).map(share).collect();
        let law = tensor.law.as_ref().map_or_else(String::new, |law| format!(", α {:.2}", law.alpha));
        (!bins.is_empty()).then_some(Self { title: format!("{}{law}", shown(&tensor.kind)), bins })
    }
}

impl Draw for Exponents {
    fn draw<B: DrawingBackend>(&self, area: &Area<B>, canvas: Canvas) -> Result<(), Undrawn<B>> {
        let area = under_title(area, canvas, &ends(&self.title, 34))?;
        let shares = self.bins.iter().flat_map(|(_, share, law)| [*share, law.unwrap_or(0.0)]);
        let most = shares.fold(0.05, f64::max) * 1.1;
        let (first, last) =
            (self.bins.first().map_or(0, |bin| bin.0), self.bins.last().map_or(0, |bin| bin.0));
        let (left, right) = (f64::from(first) - 0.6, f64::from(last) + 0.6);
        let mut chart = ChartBuilder::on(&area)
            .margin(canvas.text / 2)
            .x_label_area_size(canvas.text * 5 / 2)
            .y_label_area_size(canvas.text * 3)
            .build_cartesian_2d(left..right, 0.0..most)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .bold_line_style(GRID.light)
            .light_line_style(TRANSPARENT)
            .axis_style(FAINT.light)
            .x_labels(6)
            .y_labels(4)
            .x_desc("exponent")
            .x_label_formatter(&|at| format!("{at:.0}"))
            .y_label_formatter(&|share| format!("{:.0} %", 100.0 * share))
            .label_style(canvas.style(FAINT))
            .axis_desc_style(canvas.style(INK))
            .draw()?;
        let bars = self.bins.iter().map(|(exponent, share, _)| {
            let middle = f64::from(*exponent);
            Rectangle::new([(middle - 0.4, 0.0), (middle + 0.4, *share)], SHARES.light.filled())
        });
        let _ = chart.draw_series(bars)?;
        let law: Vec<(f64, f64)> =
            self.bins.iter().filter_map(|(exponent, _, law)| Some((f64::from(*exponent), (*law)?))).collect();
        let line = LAW.light.stroke_width((canvas.text / 6).max(1));
        let _ = chart.draw_series([PathElement::new(law.clone(), line)])?;
        let dots = law.into_iter().map(|at| Circle::new(at, canvas.text / 4, LAW.light.filled()));
        let _ = chart.draw_series(dots)?;
        Ok(())
    }
}
