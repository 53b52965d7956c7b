//! The example that loads a model does what it says.

#![allow(clippy::unwrap_used, reason = "that is how a test fails")]

#[path = "../examples/walk_layers.rs"]
#[allow(dead_code, reason = "its main is not called")]
mod example;

fn said(path: Option<&std::path::Path>) -> Result<String, String> {
    let mut out = Vec::new();
    example::run(path, &mut out).map_err(|error| error.to_string())?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn the_example_walks_a_model_of_its_own_exactly_with_a_launch_per_scheme_and_layer() {
    let said = said(None).unwrap();
    eprintln!("{said}");
    for layer in 0..3 {
        let line = said.lines().find(|line| line.starts_with(&format!("model.layers.{layer}.: "))).unwrap();
        // One, or two where both of the schemes that are chosen from are in a layer.
        assert!(line.ends_with(" 1 launches, exact") || line.ends_with(" 2 launches, exact"), "{line}");
    }
}

#[test]
fn the_example_says_what_is_wrong_with_its_argument() {
    let error = said(Some(std::path::Path::new("no such file"))).unwrap_err();
    assert!(error.contains("no such file"), "{error}");
}
