//! Figure 1 of the paper: exponent entropy along the blocks of a model, by what tensors do in them.

use super::canvas::{Area, Canvas, Draw, Undrawn, over_legend, under_title};
use super::kinds::Kinds;
use super::theme::{FAINT, GRID, INK, Tone};
use crate::report::Analysis;
use plotters::prelude::*;
use std::collections::BTreeMap;

/// Entropies by block.
pub(super) struct Blocks {
    /// Kind, block and bits: the mean over the matrices of a kind in a block, each as often as it has elements.
    points: Vec<(usize, u32, f64)>,
    kinds: Vec<(String, Tone)>,
}

impl Blocks {
    /// `None` if no matrix's name tells a block.
    pub(super) fn of(analysis: &Analysis, kinds: &Kinds) -> Option<Self> {
        let mut sums: BTreeMap<(usize, u32), (f64, f64)> = BTreeMap::new();
        // Vectors are norms, biases and scales, which often are all alike.
        let is_matrix = |shape: &[u64]| shape.iter().filter(|side| **side > 1).count() > 1;
        for tensor in analysis.tensors.iter().filter(|tensor| is_matrix(&tensor.shape)) {
            if let (Some(layer), Some(entropy), Some(kind)) =
                (tensor.layer, tensor.entropy, kinds.place(&tensor.kind))
            {
                let (bits, elements) = sums.entry((kind, layer)).or_default();
                let weight = tensor.elements as f64;
                *bits += entropy.exponent * weight;
                *elements += weight;
            }
        }
        let points = sums.into_iter().filter(|(_, (_, elements))| *elements > 0.0);
        let points: Vec<_> = points.map(|((kind, layer), (bits, all))| (kind, layer, bits / all)).collect();
        let kinds = kinds.entries();
        (!points.is_empty()).then_some(Self { points, kinds })
    }

    /// From the least to the most of them, and half a bit at least.
    fn range(&self) -> (f64, f64) {
        let bits = self.points.iter().map(|(.., bits)| *bits);
        let (least, most) =
            bits.fold((f64::MAX, 0.0f64), |(least, most), bits| (least.min(bits), most.max(bits)));
        let room = (0.5 - (most - least)).max(0.1) / 2.0;
        ((least - room).max(0.0), most + room)
    }
}

/// What is written at a place of the axis of blocks: nothing between two of them.
fn number_of_block(at: f64) -> String {
    let block = at.round();
    if (at - block).abs() < 1e-6 { format!("{:.0}", block.abs()) } else { String::new() }
}

impl Draw for Blocks {
    fn draw<B: DrawingBackend>(&self, area: &Area<B>, canvas: Canvas) -> Result<(), Undrawn<B>> {
        let area = under_title(area, canvas, "Exponent entropy by block, in bits")?;
        let used = |kind: usize| self.points.iter().any(|(of, ..)| *of == kind);
        let entries = (0..).zip(&self.kinds).filter(|(kind, _)| used(*kind)).map(|(_, entry)| entry.clone());
        let area = over_legend(&area, canvas, &entries.collect::<Vec<_>>())?;
        let last = self.points.iter().map(|(_, layer, _)| *layer).max().unwrap_or_default();
        let (least, most) = self.range();
        let mut chart = ChartBuilder::on(&area)
            .margin(canvas.text / 2)
            .margin_right(canvas.text)
            .x_label_area_size(canvas.text * 5 / 2)
            .y_label_area_size(canvas.text * 3)
            .build_cartesian_2d(-0.5..f64::from(last) + 0.5, least..most)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .bold_line_style(GRID.light)
            .light_line_style(TRANSPARENT)
            .axis_style(FAINT.light)
            .x_labels(if canvas.is_narrow() { 6 } else { 12 })
            .y_labels(6)
            .x_desc("block")
            .x_label_formatter(&|at| number_of_block(*at))
            .y_label_formatter(&|bits| format!("{bits:.1}"))
            .label_style(canvas.style(FAINT))
            .axis_desc_style(canvas.style(INK))
            .draw()?;
        let size = (canvas.text / 4).max(2);
        let marks = self.points.iter().filter_map(|(kind, layer, bits)| {
            let (_, tone) = self.kinds.get(*kind)?;
            Some(Circle::new((f64::from(*layer), *bits), size, tone.light.mix(0.85).filled()))
        });
        let _ = chart.draw_series(marks)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_blocks_have_numbers_and_places_between_them_none() {
        assert_eq!([-0.0, 0.0, 0.1, 0.5, 12.0].map(number_of_block), ["0", "0", "", "", "12"]);
    }
}
