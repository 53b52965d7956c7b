//! What is really asked of a target.

use super::*;
use crate::executor::logged::Logged;

#[test]
fn parts_are_uploaded_once_and_a_layer_is_one_launch_whatever_is_decoded_how_often() {
    let made = model_of_layers(3, 4, 5000, "byte-lanes");
    let model = made.open();
    let mut loaded = model.load(Logged::new()).unwrap();
    assert_eq!(loaded.target().count("load"), loaded.plan().kernels());
    let uploads = loaded.target().count("upload");
    loaded.target().log.clear();
    let mut scratch = loaded.scratch().unwrap();
    for layer in [3, 1, 2, 1] {
        loaded.decode_layer(layer, &mut scratch).unwrap();
    }
    loaded.decode_layer(0, &mut scratch).unwrap();
    // Three launches took the parts of twelve tensors; four norms and embeddings are stored as they are, and stay where
    // they are.
    assert!(uploads < 3 * 5 + 4 + 1, "{uploads}");
    assert_eq!(loaded.target().log, ["alloc", "launch", "launch", "launch", "launch"]);

    loaded.target().log.clear();
    for _ in 0..2 {
        loaded.decode_tensor("model.layers.1.w2.weight", &mut scratch).unwrap();
    }
    let log = std::mem::take(&mut loaded.target().log);
    let launches = log.iter().rev().take_while(|word| **word == "launch").count();
    assert_eq!((launches, log.iter().filter(|word| **word == "launch").count()), (2, 2), "{log:?}");
    assert!(!log.contains(&"compile") && !log.contains(&"load"), "its kernel is there already: {log:?}");
}

#[test]
fn a_walk_asks_for_the_next_layer_before_it_waits_for_this_one() {
    let made = model_of_layers(2, 2, 5000, "pair-lanes");
    let model = made.open();
    let mut loaded = model.load(Logged::new()).unwrap();
    loaded.target().log.clear();
    loaded
        .walk(|loaded, _, _| {
            loaded.target().log.push("use");
            Ok::<(), ModelError>(())
        })
        .unwrap();
    // The embedding is where it stays; each of the two layers is a launch.
    let expected = [
        "alloc", "alloc", "mark", // layer 0 begins
        "launch", "mark", "wait", "use", // layer 1 begins, 0 is used
        "launch", "mark", "wait", "use", // layer 2 begins, 1 is used
        "wait", "use",
    ];
    assert_eq!(loaded.target().log, expected);
}

#[test]
fn loaded_models_own_all_that_they_need_and_go_to_other_threads() {
    fn is_free<T: Send + 'static>() {}
    is_free::<CudaModel>();
    is_free::<EmulatedModel>();
    let made = model_of_layers(1, 2, 5000, "pair-lanes");
    let mut loaded: EmulatedModel = made.open().load(emulator()).unwrap();
    let verified = std::thread::spawn(move || loaded.verify().unwrap()).join();
    assert_eq!(verified.unwrap(), 10_412);
}
