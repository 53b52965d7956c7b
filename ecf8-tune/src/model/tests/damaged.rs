//! Kernels that say which tensors are damaged.

use super::*;

const ELEMENTS: usize = 9000;

/// Three tensors in one layer and one in another.
fn model(scheme: &str) -> Arc<Model> {
    let tensor = |name: &str, seed| in_memory(name, seed, ELEMENTS, scheme);
    let layers = vec![
        ("first".to_owned(), vec![tensor("a", 1), tensor("b", 2), tensor("c", 3)]),
        ("second".to_owned(), vec![tensor("d", 4)]),
    ];
    Arc::new(Model::of(Path::new("memory"), layers).unwrap())
}

fn loaded(model: &Arc<Model>, checked: bool) -> EmulatedModel {
    let target = emulator();
    let plan = LoadPlan::new(model, &target).unwrap();
    let plan = if checked { plan.checked(model).unwrap() } else { plan };
    model.load_planned(target, plan).unwrap()
}

/// Changes some bits of the codewords of a tensor where they were uploaded to. Loading would notice it of chunks that several
/// warps share, since it looks for where their sections begin.
fn damage(loaded: &EmulatedModel, tensor: usize) {
    let codewords = loaded.model().compressed(tensor).unwrap().encoded().parts[0].bytes.to_vec();
    let layer = &loaded.layers[loaded.model().tensors()[tensor].layer];
    let step = layer.steps.iter().find(|step| step.tensors.contains(&tensor)).unwrap();
    let mut uploaded = step.launch.launch().inputs().next().unwrap().borrow_mut();
    let at = uploaded.windows(codewords.len()).position(|bytes| bytes == codewords).unwrap();
    uploaded[at + 100..at + 116].fill(0x5a);
}

fn decode_all(loaded: &mut EmulatedModel) -> Vec<Vec<u8>> {
    let mut scratch = loaded.scratch().unwrap();
    let layers = 0..loaded.model().layers().len();
    let layers = layers.map(|layer| {
        loaded.decode_layer(layer, &mut scratch).unwrap();
        scratch.borrow().clone()
    });
    layers.collect()
}

#[test]
fn a_checked_model_tells_which_tensors_are_damaged_until_it_has_told() {
    for scheme in ["quad-lanes", "triple-lanes", "pair-lanes", "byte-lanes", "ans-lanes"] {
        for damaged in [&[][..], &["b"], &["a", "c", "d"], &["d"]] {
            let model = model(scheme);
            let wanted: Vec<usize> = damaged.iter().map(|name| model.find(name).unwrap()).collect();
            let mut checked = loaded(&model, true);
            assert_eq!(checked.launches(0), 1);
            wanted.iter().for_each(|tensor| damage(&checked, *tensor));
            assert_eq!(checked.damaged().unwrap(), [0; 0], "nothing is decoded yet");
            let decoded = decode_all(&mut checked);
            assert_eq!(checked.damaged().unwrap(), wanted, "{scheme} {damaged:?}");
            assert_eq!(checked.damaged().unwrap(), [0; 0]);
            // Tensors beside damaged ones are right.
            for place in checked.places(0) {
                if !wanted.contains(&place.tensor) {
                    let seed = place.tensor as u64 + 1;
                    assert!(decoded[0][place.start..][..place.bytes] == weights(seed, ELEMENTS));
                }
            }
            let mut into = checked.scratch().unwrap();
            // What is decoded alone was uploaded once more, but for what is alone in its layer.
            for name in ["a", "d"] {
                checked.decode_tensor(name, &mut into).unwrap();
                let own = (name == "d" && damaged.contains(&name)).then(|| model.find(name).unwrap());
                assert_eq!(checked.damaged().unwrap(), Vec::from_iter(own), "{scheme} {name}");
            }
        }
    }
}

#[test]
fn a_model_that_is_not_checked_tells_nothing() {
    let mut unchecked = loaded(&model("pair-lanes"), false);
    damage(&unchecked, 1);
    decode_all(&mut unchecked);
    assert_eq!(unchecked.damaged().unwrap(), [0; 0]);
}

#[test]
fn strategies_that_cannot_tell_store_all_the_same() {
    let made = model_of_layers(1, 2, 5000, "exponent-gap");
    let mut checked = loaded(&Arc::new(Model::open(&made.path()).unwrap()), true);
    assert!(checked.verify().unwrap() > 10_000);
    assert_eq!(checked.damaged().unwrap(), [0; 0]);
}
