//! Where a model's bytes are: areas as large as tensors, those of a kind together.

use super::canvas::{Area, Canvas, Draw, Undrawn, pixel, under_title};
use super::kinds::Kinds;
use super::text::{ends, sum};
use super::theme::{LABEL, PAPER, Tone};
use crate::report::Analysis;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

/// Tensors that have areas of their own at most; the smaller ones of a kind share one.
const MOST: usize = 600;

/// Kinds, the largest first.
pub(super) struct Treemap(Vec<Kind>);

struct Kind {
    name: String,
    tone: Tone,
    /// Of its tensors, the largest first.
    bytes: Vec<u64>,
}

impl Kind {
    fn all(&self) -> u64 {
        sum(self.bytes.iter().copied())
    }
}

impl Treemap {
    /// `None` if there are no bytes.
    pub(super) fn of(analysis: &Analysis, kinds: &Kinds) -> Option<Self> {
        let mut sizes: Vec<u64> = analysis.tensors.iter().map(|tensor| tensor.bytes).collect();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        let least = sizes.get(MOST).copied().unwrap_or(0);
        let kind = |(place, (name, tone)): (usize, (String, Tone))| {
            let of_it = analysis.tensors.iter().filter(|tensor| kinds.place(&tensor.kind) == Some(place));
            let (mut own, shared): (Vec<u64>, Vec<u64>) =
                of_it.map(|tensor| tensor.bytes).filter(|bytes| *bytes > 0).partition(|bytes| *bytes > least);
            let together = sum(shared);
            own.extend((together > 0).then_some(together));
            own.sort_unstable_by(|a, b| b.cmp(a));
            Kind { name, tone, bytes: own }
        };
        let mut all: Vec<Kind> = kinds.entries().into_iter().enumerate().map(kind).collect();
        all.retain(|kind| !kind.bytes.is_empty());
        all.sort_by_key(|kind| std::cmp::Reverse(kind.all()));
        (!all.is_empty()).then_some(Self(all))
    }
}

impl Draw for Treemap {
    fn draw<B: DrawingBackend>(&self, area: &Area<B>, canvas: Canvas) -> Result<(), Undrawn<B>> {
        let area = under_title(area, canvas, "Where the bytes are")?;
        let (width, height) = area.dim_in_pixel();
        let sizes: Vec<u64> = self.0.iter().map(Kind::all).collect();
        let all = sum(sizes.iter().copied());
        let whole = Place { left: 0.0, top: 0.0, width: f64::from(width), height: f64::from(height) };
        for (kind, place) in self.0.iter().zip(squarified(&sizes, whole)) {
            for tensor in squarified(&kind.bytes, place) {
                let [from, to] = tensor.corners();
                area.draw(&Rectangle::new([from, to], kind.tone.light.filled()))?;
                area.draw(&Rectangle::new([from, to], PAPER.light.mix(0.55)))?;
            }
            let [from, to] = place.corners();
            area.draw(&Rectangle::new([from, to], PAPER.light.stroke_width(2)))?;
            let share = 100.0 * kind.all() as f64 / all as f64;
            let room = (place.width / (0.62 * f64::from(canvas.text)) - 1.5).max(0.0);
            if place.height > 1.3 * f64::from(canvas.text) && room >= 3.0 {
                let name = format!("{} {share:.0} %", kind.name);
                let text = if name.chars().count() as f64 <= room {
                    name
                } else {
                    ends(&kind.name, whole_number(room))
                };
                let at = (positive(from.0) + canvas.text / 2, positive(from.1) + canvas.text * 4 / 5);
                // Behind the text its kind's colour, so that no lines run through it.
                let end = pixel(canvas.width_of(&text));
                let back = [
                    (from.0 + 2, from.1 + 2),
                    (from.0 + end + pixel(canvas.text / 2), from.1 + pixel(canvas.line())),
                ];
                area.draw(&Rectangle::new(back, kind.tone.light.filled()))?;
                canvas.write(&area, &text, at, HPos::Left, LABEL)?;
            }
        }
        Ok(())
    }
}

/// A rectangle.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Place {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl Place {
    fn corners(self) -> [(i32, i32); 2] {
        [
            (rounded(self.left), rounded(self.top)),
            (rounded(self.left + self.width), rounded(self.top + self.height)),
        ]
    }
}

#[expect(clippy::cast_possible_truncation, reason = "coordinates of a figure")]
fn rounded(at: f64) -> i32 {
    at.round() as i32
}

fn positive(at: i32) -> u32 {
    u32::try_from(at).unwrap_or(0)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "characters that have room in a figure"
)]
fn whole_number(room: f64) -> usize {
    room.max(0.0) as usize
}

/// Places whose areas are as the sizes, which descend, and that are about as wide as high: row by row along the shorter side, each with
/// as many as make it less narrow (Bruls, Huizing and van Wijk, *Squarified treemaps*, 2000).
fn squarified(sizes: &[u64], within: Place) -> Vec<Place> {
    let mut places = Vec::new();
    let (mut rest, mut left) = (within, sizes);
    while !left.is_empty() {
        let all = sum(left.iter().copied());
        let scale = rest.width * rest.height / all.max(1) as f64;
        let side = rest.width.min(rest.height).max(1e-9);
        // The longest side of a row's narrowest place by its shorter one.
        let worst = |row: &[u64]| {
            let area = sum(row.iter().copied()) as f64 * scale;
            let of = |size: u64| {
                let shape = side * side * size as f64 * scale / (area * area);
                shape.max(shape.recip())
            };
            row.iter().map(|size| of(*size)).fold(0.0, f64::max)
        };
        let mut count = 1;
        while count < left.len() && worst(&left[..=count]) <= worst(&left[..count]) {
            count += 1;
        }
        let (row, later) = left.split_at(count);
        let together = sum(row.iter().copied());
        let depth = together as f64 * scale / side;
        let mut along = 0.0;
        for size in row {
            let length = side * *size as f64 / together.max(1) as f64;
            places.push(if rest.width <= rest.height {
                Place { left: rest.left + along, top: rest.top, width: length, height: depth }
            } else {
                Place { left: rest.left, top: rest.top + along, width: depth, height: length }
            });
            along += length;
        }
        rest = if rest.width <= rest.height {
            Place { top: rest.top + depth, height: (rest.height - depth).max(0.0), ..rest }
        } else {
            Place { left: rest.left + depth, width: (rest.width - depth).max(0.0), ..rest }
        };
        left = later;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_as_sizes_and_fill_their_place_without_overlaps() {
        let sizes = [600, 600, 400, 300, 200, 200, 100];
        let within = Place { left: 10.0, top: 20.0, width: 60.0, height: 40.0 };
        let places = squarified(&sizes, within);
        // The example of the paper that the way is from: 2,400 in 6 by 4.
        for (size, place) in sizes.iter().zip(&places) {
            assert!((place.width * place.height - *size as f64).abs() < 1e-6, "{place:?}");
            assert!(place.left >= 10.0 - 1e-9 && place.left + place.width <= 70.0 + 1e-9, "{place:?}");
            assert!(place.top >= 20.0 - 1e-9 && place.top + place.height <= 60.0 + 1e-9, "{place:?}");
            assert!(place.width / place.height < 4.0 && place.height / place.width < 4.0, "{place:?}");
        }
        for (i, a) in places.iter().enumerate() {
            for b in &places[i + 1..] {
                let apart = |a0: f64, a1: f64, b0: f64, b1: f64| a0 + a1 <= b0 + 1e-9 || b0 + b1 <= a0 + 1e-9;
                assert!(
                    apart(a.left, a.width, b.left, b.width) || apart(a.top, a.height, b.top, b.height),
                    "{a:?} {b:?}"
                );
            }
        }
    }

    #[test]
    fn nothing_and_one_alone_have_their_places() {
        let within = Place { left: 0.0, top: 0.0, width: 3.0, height: 5.0 };
        assert_eq!(squarified(&[], within), []);
        assert_eq!(squarified(&[7], within), [within]);
    }
}
