//! The page of an analysis: what is in it, what it weighs, and how a real browser shows it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "tests choose their numbers")]

mod browser;
mod model;

use browser::Browser;
use ecf8_analysis::page;
use ecf8_core::synthetic::{SyntheticTensor, block_scaled, gaussian};
use ecf8_tests::cli::{Scratch, file};
use model::analysis;
use safetensors::Dtype;
use std::collections::BTreeSet;

/// A name that would be code, if it were written as it is.
const HOSTILE: &str = "<script>alert('&')</script>\u{1b}[2J\"";

#[test]
fn a_page_of_500_tensors_weighs_under_2_mb_and_fetches_nothing() {
    let analysis = analysis("Model-8B", 55);
    assert!(analysis.tensors.len() >= 496);
    let html = page::html(&analysis).unwrap();
    assert!(html.len() < 2_000_000, "{}", html.len());
    // What could make a browser fetch something, or do something.
    for word in ["src=", "@import", "url(", "<script", "<img", "<iframe", "<object", "onload"] {
        assert!(!html.contains(word), "{word}");
    }
    let links: BTreeSet<&str> =
        html.split("http").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(links, BTreeSet::from(["-equiv=", "://www.w3.org/2000/svg"]));
    assert!(!html.contains("NaN") && !html.contains("inf\""), "no figure without a value");
}

#[test]
fn names_are_text_wherever_they_are() {
    let mut analysis = analysis(HOSTILE, 3);
    for tensor in &mut analysis.tensors {
        tensor.name = format!("{HOSTILE}{}", tensor.name);
        tensor.kind = format!("{HOSTILE}{}", tensor.kind);
    }
    for kind in &mut analysis.kinds {
        kind.name = format!("{HOSTILE}{}", kind.name);
    }
    let html = page::html(&analysis).unwrap();
    assert!(!html.contains("<script") && !html.contains('\u{1b}'));
    for figure in page::figures(&analysis) {
        assert!(
            figure.name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'),
            "{}",
            figure.name
        );
        let svg = figure.svg().unwrap();
        assert!(!svg.contains("<script") && !svg.contains('\u{1b}'), "{svg}");
    }
}

#[test]
fn figures_are_files_of_their_own() {
    let figures = page::figures(&analysis("m", 36));
    let names: Vec<&str> = figures.iter().map(|figure| figure.name.as_str()).collect();
    assert_eq!(names[..3], ["blocks", "fields", "bytes"]);
    assert!(names.contains(&"exponents-embeddings") && names.contains(&"exponents-down"), "{names:?}");
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    for figure in &figures {
        let svg = figure.svg().unwrap();
        assert!(svg.starts_with("<svg ") && svg.contains("viewBox=\"0 0 ") && !svg.contains("var("), "{svg}");
        let png = figure.png().unwrap();
        let decoder = png::Decoder::new(std::io::Cursor::new(&png));
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert!(
            svg.contains(&format!("viewBox=\"0 0 {} {}\"", info.width / 2, info.height / 2)),
            "{}",
            figure.name
        );
        // On white, and something is drawn.
        let shade = |pixel: &[u8]| pixel.iter().map(|part| u32::from(*part)).sum::<u32>();
        let dark = pixels.chunks(3).filter(|pixel| shade(pixel) < 500).count();
        assert!(shade(&pixels[..3]) == 765 && dark > 500, "{}: {dark}", figure.name);
    }
}

#[test]
fn a_model_without_anything_has_a_page_too() {
    let mut nothing = analysis("empty", 0);
    let html = page::html(&nothing).unwrap();
    assert!(html.contains("no float tensor") && page::figures(&nothing).is_empty(), "{html}");
    // Integers only: tensors without entropies of fields, laws and sizes.
    let mut codes = analysis("codes", 1).tensors.remove(0);
    (codes.entropy, codes.hadamard, codes.law, codes.theory, codes.floor) = (None, None, None, None, None);
    (codes.layer, codes.exponents, codes.sizes) = (None, Vec::new(), Vec::new());
    nothing.tensors.push(codes);
    assert!(page::html(&nothing).unwrap().contains("q_proj.weight"));
}

/// A model of two layers, one of whose names is hostile.
fn two_layers() -> Vec<u8> {
    let matrix = |seed: u64, name: &str| {
        let values = gaussian(seed, 256 * 256, 1.0);
        SyntheticTensor::new(name, Dtype::F8_E4M3, &[256, 256], block_scaled(&values, 256).bytes)
    };
    let names = ["self_attn.q_proj.weight", "mlp.down_proj.weight", HOSTILE];
    let tensors = (0..2).flat_map(|layer| names.map(|name| (layer, name)));
    let tensors =
        tensors.zip(1..).map(|((layer, name), seed)| matrix(seed, &format!("model.layers.{layer}.{name}")));
    file(&tensors.collect::<Vec<_>>())
}

#[test]
fn the_program_writes_page_and_figures_and_replaces_nothing_unasked() {
    let scratch = Scratch::new();
    scratch.write("model.safetensors", two_layers());
    let line = "analyze model.safetensors --report page.html --figures figures";
    let said = scratch.ecf8(line).answer();
    assert!(said.contains("page: page.html\n") && said.contains("as SVG and PNG, in figures\n"), "{said}");
    let html = String::from_utf8(scratch.read("page.html")).unwrap();
    for words in [
        "model.safetensors",
        "id=\"blocks\"",
        "id=\"fields\"",
        "id=\"bytes\"",
        "ecf8 compress model.safetensors -o OUT",
    ] {
        assert!(html.contains(words), "{words}");
    }
    assert!(!html.contains("<script"));
    let names: BTreeSet<String> =
        scratch.contents().keys().map(|path| path.to_str().unwrap().to_owned()).collect();
    for name in ["figures/blocks.svg", "figures/blocks.png", "figures/bytes.svg", "figures/exponents-q.png"] {
        assert!(names.contains(name), "{name} in {names:?}");
    }
    if let Some(browser) = Browser::find() {
        let shown = browser.show(&html, 390, true);
        assert!(shown.complaints.is_empty() && shown.number("scroll-width") <= 390.0, "{shown:?}");
    }
    scratch.refuses(line, 2, &["page.html", "exists", "--force"]);
    scratch.refuses("analyze model.safetensors --figures figures", 2, &["figures", "not empty", "--force"]);
    scratch.refuses(
        "analyze model.safetensors --figures model.safetensors",
        2,
        &["model.safetensors", "no folder"],
    );
    scratch.refuses("analyze model.safetensors --report none/page.html", 2, &["none/page.html", "folder"]);
    let _ = scratch.ecf8(&format!("{line} --force")).answer();
    assert_eq!(scratch.read("page.html"), html.as_bytes());
}

#[test]
fn chromium_shows_it_without_errors_on_phones_and_desktops_light_and_dark() {
    let Some(browser) = Browser::find() else { return };
    let html = page::html(&analysis("Model-8B", 55)).unwrap();
    for (width, dark) in [(390, false), (390, true), (1280, false), (1280, true)] {
        let shown = browser.show(&html, width, dark);
        assert_eq!(shown.complaints, Vec::<String>::new(), "width {width}, dark {dark}");
        // The page measured itself: nothing is wider than the window but what scrolls on its own.
        assert!(shown.number("scroll-width") <= f64::from(width), "{shown:?}");
        let visible = shown.number("figures-visible");
        assert!(visible >= 3.0 + 9.0, "{shown:?}");
        assert!(shown.number("smallest-text") >= 9.0, "text of at least 9 pixels: {shown:?}");
        let paper = shown.text("paper");
        assert_eq!(paper, if dark { "rgb(15, 20, 26)" } else { "rgb(255, 255, 255)" }, "{shown:?}");
        assert_eq!(shown.number("requests"), 0.0, "{shown:?}");
        assert!(shown.screenshot > 20_000, "{shown:?}");
    }
}
