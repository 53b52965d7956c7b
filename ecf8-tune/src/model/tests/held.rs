//! Models of tensors that somebody holds.

use super::*;
use ecf8_core::CompressedFile;

#[test]
fn tensors_in_memory_and_in_files_make_a_model_in_the_order_that_they_are_given() {
    let made = model_of_layers(1, 1, 5000, "pair-lanes");
    let file = Arc::new(CompressedFile::open(&made.path()).unwrap());
    let name = "model.layers.0.w0.weight".to_owned();
    let in_file = NamedTensor {
        name: name.clone(),
        dtype: "F8_E4M3".to_owned(),
        shape: vec![5000],
        held: HeldTensor::File(file.clone(), name),
    };
    let layers = vec![
        ("second".to_owned(), vec![in_memory("z", 3, 6000, "pair-lanes"), in_file.clone()]),
        ("first".to_owned(), vec![in_memory("a", 4, 300, "pair-lanes")]),
    ];
    let model = Arc::new(Model::of(Path::new("memory"), layers).unwrap());
    let mut loaded = model.load(emulator()).unwrap();
    assert_eq!(loaded.launches(0), 1);
    let mut scratch = loaded.scratch().unwrap();
    loaded.decode_layer(0, &mut scratch).unwrap();
    let starts: Vec<usize> = loaded.places(0).iter().map(|place| place.start).collect();
    // One after the other, each at a multiple of 256.
    assert_eq!(starts, [0, 6144]);
    let decoded = scratch.borrow().clone();
    assert_eq!(decoded[..6000], weights(3, 6000));
    assert_eq!(decoded[6144..][..5000], *file.read_tensor(&in_file.name).unwrap());
    assert_eq!(loaded.verify().unwrap(), 11_300);

    let a = |seed| in_memory("a", seed, 10, "pair-lanes");
    let twice = vec![("one".to_owned(), vec![a(1), a(2)])];
    let error = Model::of(Path::new("memory"), twice).unwrap_err();
    assert!(matches!(error, ModelError::Twice { .. }), "{error}");
    let other = NamedTensor { held: HeldTensor::File(file, "other".to_owned()), ..in_file };
    let error = Model::of(Path::new("memory"), vec![("one".to_owned(), vec![other])]).unwrap_err();
    assert!(error.to_string().contains("model.layers.0.w0.weight"), "{error}");
}
