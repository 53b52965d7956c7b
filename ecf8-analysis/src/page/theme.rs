//! The colours of figures, by what they are for: as they are in files, and as names whose values a page sets for light and dark.

use plotters::style::RGBColor;
use std::fmt::Write;

/// A colour and its name in pages; no two are the same.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tone {
    name: &'static str,
    /// In files and on light pages.
    pub(super) light: RGBColor,
    dark: RGBColor,
}

const fn tone(name: &'static str, light: u32, dark: u32) -> Tone {
    Tone { name, light: colour(light), dark: colour(dark) }
}

const fn colour(rgb: u32) -> RGBColor {
    let [_, red, green, blue] = rgb.to_be_bytes();
    RGBColor(red, green, blue)
}

/// Text and axes.
pub(super) const INK: Tone = tone("ink", 0x001c_2128, 0x00e6_edf3);
/// Text that may be overlooked.
pub(super) const FAINT: Tone = tone("faint", 0x0059_636e, 0x0091_98a1);
/// Lines behind data.
pub(super) const GRID: Tone = tone("grid", 0x00d9_dee4, 0x0030_3742);
/// What is drawn on.
pub(super) const PAPER: Tone = tone("paper", 0x00ff_ffff, 0x000f_141a);
/// Text on areas that have a colour.
pub(super) const LABEL: Tone = tone("label", 0x00fd_fdfd, 0x000b_0f14);

/// What tells groups apart, in the order in which they are given away.
pub(super) const GROUPS: [Tone; 16] = [
    tone("g0", 0x001f_6fb4, 0x005a_a9e6),
    tone("g1", 0x00c8_5200, 0x00ff_9e4a),
    tone("g2", 0x0021_8a4c, 0x0057_c785),
    tone("g3", 0x00b4_2a3c, 0x00f0_7a85),
    tone("g4", 0x0074_49a6, 0x00b9_94e6),
    tone("g5", 0x0083_5a2c, 0x00c9_a06b),
    tone("g6", 0x00b8_3d8a, 0x00ee_86c4),
    tone("g7", 0x0000_7f8c, 0x0045_c4d1),
    tone("g8", 0x006b_7a00, 0x00b8_c843),
    tone("g9", 0x004a_5568, 0x00a3_b0c2),
    tone("g10", 0x009a_3b00, 0x00e8_8a55),
    tone("g11", 0x0000_5f73, 0x006f_d3e0),
    tone("g12", 0x0038_3f9e, 0x008f_97ff),
    tone("g13", 0x0056_7d46, 0x009c_cc8a),
    tone("g14", 0x008f_2d56, 0x00e5_7fa8),
    tone("g15", 0x0060_5b56, 0x00b5_afa8),
];

fn all() -> impl Iterator<Item = Tone> {
    [INK, FAINT, GRID, PAPER, LABEL].into_iter().chain(GROUPS)
}

/// As SVG and CSS write a colour.
fn hex(RGBColor(red, green, blue): RGBColor) -> String {
    format!("#{red:02X}{green:02X}{blue:02X}")
}

impl Tone {
    /// As a page's CSS names it.
    pub(super) fn variable(self) -> String {
        format!("var(--{})", self.name)
    }
}

/// An SVG whose colours are those that its page sets.
pub(super) fn themed(svg: &str) -> String {
    all().fold(svg.to_owned(), |svg, tone| {
        svg.replace(&format!("\"{}\"", hex(tone.light)), &format!("\"{}\"", tone.variable()))
    })
}

/// The CSS that sets the colours, as the reader's system wants them.
pub(super) fn css() -> String {
    let set = |of: fn(Tone) -> RGBColor| {
        all().fold(String::new(), |mut css, tone| {
            let _ = write!(css, "--{}:{};", tone.name, hex(of(tone)));
            css
        })
    };
    format!(
        ":root{{color-scheme:light dark;{}}}\n@media (prefers-color-scheme:dark){{:root{{{}}}}}\n",
        set(|tone| tone.light),
        set(|tone| tone.dark)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_tones_are_the_same_and_each_is_set_for_light_and_dark() {
        let light: HashSet<String> = all().map(|tone| hex(tone.light)).collect();
        assert_eq!(light.len(), all().count());
        for tone in all() {
            assert_eq!(css().matches(&format!("--{}:", tone.name)).count(), 2);
        }
        assert_eq!(themed("<a fill=\"#1C2128\"/>"), "<a fill=\"var(--ink)\"/>");
    }

    /// Contrast as WCAG 2 defines it.
    fn contrast(a: RGBColor, b: RGBColor) -> f64 {
        let linear = |byte: u8| {
            let value = f64::from(byte) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        let light =
            |RGBColor(r, g, b): RGBColor| 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
        let (a, b) = (light(a).max(light(b)), light(a).min(light(b)));
        (a + 0.05) / (b + 0.05)
    }

    #[test]
    fn text_and_groups_stand_out_on_light_and_dark_paper() {
        for of in [|tone: Tone| tone.light, |tone: Tone| tone.dark] {
            for tone in [INK, FAINT] {
                assert!(contrast(of(tone), of(PAPER)) > 4.5, "{tone:?}");
            }
            for tone in GROUPS {
                assert!(contrast(of(tone), of(PAPER)) > 3.0, "{tone:?}");
                assert!(contrast(of(tone), of(LABEL)) > 4.0, "{tone:?}");
            }
        }
    }
}
