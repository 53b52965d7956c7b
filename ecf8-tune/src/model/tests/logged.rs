//! What is really asked of a target, seen by an emulator that writes it down.

use super::*;
use crate::executor::{Dispatch, ExecutorError, Fingerprint, Limits, Target, Timing};
use crate::nvrtc::CompileReport;
use ecf8_codegen::ir;
use std::cell::RefCell;
use std::sync::Arc;

type Kernel = Arc<ir::Kernel>;
type Buffer = RefCell<Vec<u8>>;

/// The emulator, and a word for everything that it did.
struct Logged {
    emulator: EmulatorExecutor,
    log: Vec<&'static str>,
}

impl Logged {
    fn new() -> Self {
        Self { emulator: emulator(), log: Vec::new() }
    }

    fn count(&self, word: &str) -> usize {
        self.log.iter().filter(|logged| **logged == word).count()
    }
}

impl Target for Logged {
    type Kernel = Kernel;
    type Buffer = Buffer;
    type Mark = ();

    fn describe(&self) -> String {
        Target::describe(&self.emulator)
    }

    fn fingerprint(&self) -> Fingerprint {
        Target::fingerprint(&self.emulator)
    }

    fn limits(&self) -> Limits {
        self.emulator.limits()
    }

    fn timing(&self) -> Timing {
        Target::timing(&self.emulator)
    }

    fn fillings(&self) -> &'static [u8] {
        self.emulator.fillings()
    }

    fn compile(&mut self, kernels: &[ir::Kernel]) -> Vec<Result<Option<CompileReport>, ExecutorError>> {
        self.log.push("compile");
        self.emulator.compile(kernels)
    }

    fn load(&mut self, kernel: &ir::Kernel) -> Result<Kernel, ExecutorError> {
        self.log.push("load");
        self.emulator.load(kernel)
    }

    fn upload(&mut self, bytes: &[u8]) -> Result<Buffer, ExecutorError> {
        self.log.push("upload");
        self.emulator.upload(bytes)
    }

    fn alloc(&mut self, bytes: usize) -> Result<Buffer, ExecutorError> {
        self.log.push("alloc");
        self.emulator.alloc(bytes)
    }

    fn bytes(&self, buffer: &Buffer) -> usize {
        self.emulator.bytes(buffer)
    }

    fn copy(
        &mut self,
        from: &Buffer,
        bytes: usize,
        into: &mut Buffer,
        start: usize,
    ) -> Result<(), ExecutorError> {
        self.log.push("copy");
        self.emulator.copy(from, bytes, into, start)
    }

    fn fill(&mut self, buffer: &mut Buffer, value: u8) -> Result<(), ExecutorError> {
        self.emulator.fill(buffer, value)
    }

    fn launch(&mut self, dispatch: &Dispatch<'_, Kernel, Buffer>) -> Result<(), ExecutorError> {
        self.log.push("launch");
        self.emulator.launch(dispatch)
    }

    fn download(&mut self, buffer: &Buffer, out: &mut [u8]) -> Result<(), ExecutorError> {
        self.emulator.download(buffer, out)
    }

    fn mark(&mut self) -> Result<(), ExecutorError> {
        self.log.push("mark");
        self.emulator.mark()
    }

    fn wait(&mut self, mark: &()) -> Result<(), ExecutorError> {
        self.log.push("wait");
        self.emulator.wait(mark)
    }

    fn time(
        &mut self,
        dispatches: &[Dispatch<'_, Kernel, Buffer>],
        runs: usize,
        launches: usize,
    ) -> Result<Vec<u64>, ExecutorError> {
        self.emulator.time(dispatches, runs, launches)
    }
}

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
    // Three launches took the parts of twelve tensors; four norms and embeddings are stored as they are.
    assert!(uploads < 3 * 5 + 4 + 1, "{uploads}");
    assert_eq!(
        loaded.target().log,
        ["alloc", "launch", "copy", "launch", "copy", "launch", "copy", "launch", "copy", "copy"]
    );

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
    // The embedding is copied; each of the two layers is a launch and the copy of a norm.
    let expected = [
        "alloc", "alloc", "copy", "mark", // layer 0 begins
        "launch", "copy", "mark", "wait", "use", // layer 1 begins, 0 is used
        "launch", "copy", "mark", "wait", "use", // layer 2 begins, 1 is used
        "wait", "use",
    ];
    assert_eq!(loaded.target().log, expected);
}
