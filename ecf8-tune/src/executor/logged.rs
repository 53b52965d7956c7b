//! An emulator that writes down what is asked of it, and offers as little as a test wants.

use super::{Dispatch, EmulatorExecutor, ExecutorError, Fingerprint, Limits, Target, Timing, Transfer};
use crate::nvrtc::CompileReport;
use ecf8_codegen::emulator::Checks;
use ecf8_codegen::ir;
use ecf8_codegen::launch::Gather;
use std::cell::RefCell;
use std::sync::Arc;

type Kernel = Arc<ir::Kernel>;
type Buffer = RefCell<Vec<u8>>;

/// The emulator, and a word for everything that it did.
pub(crate) struct Logged {
    emulator: EmulatorExecutor,
    pub(crate) log: Vec<&'static str>,
    limits: Limits,
    /// Why it makes launches one by one.
    pub(crate) one_by_one: Option<String>,
}

impl Logged {
    pub(crate) fn new() -> Self {
        let emulator = EmulatorExecutor { checks: Checks::Full };
        Self { limits: emulator.limits(), emulator, log: Vec::new(), one_by_one: None }
    }

    /// With no more shared memory for a block than this.
    pub(crate) fn with_shared_bytes(bytes: u32) -> Self {
        let new = Self::new();
        Self { limits: Limits { shared_per_block_bytes: bytes, ..new.limits }, ..new }
    }

    pub(crate) fn count(&self, word: &str) -> usize {
        self.log.iter().filter(|logged| **logged == word).count()
    }
}

impl Target for Logged {
    type Kernel = Kernel;
    type Buffer = Buffer;
    type Mark = ();
    type Replay = ();

    fn describe(&self) -> String {
        Target::describe(&self.emulator)
    }

    fn fingerprint(&self) -> Fingerprint {
        Target::fingerprint(&self.emulator)
    }

    fn limits(&self) -> Limits {
        self.limits
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

    fn upload(&mut self, bytes: &Gather<'_>) -> Result<Buffer, ExecutorError> {
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

    fn copy(&mut self, transfer: &Transfer<'_, Buffer>) -> Result<(), ExecutorError> {
        self.log.push("copy");
        self.emulator.copy(transfer)
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

    fn one_by_one(&self) -> Option<String> {
        self.one_by_one.clone()
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
