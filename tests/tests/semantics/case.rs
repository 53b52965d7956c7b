//! A kernel, what it is given, and what must come out.

use ecf8_codegen::emulator::{self, Checks};
use ecf8_codegen::ir::{BuildErrors, Kernel};
use ecf8_codegen::lang::Scalar;
use ecf8_codegen::launch::{Arg, Gather, Launch, OutputSlot};

/// A kernel whose parameters are inputs first and the output last.
pub(crate) struct Case {
    pub(crate) kernel: Kernel,
    pub(crate) expected: Vec<u8>,
    inputs: Vec<Vec<u8>>,
    grid: u32,
    dynamic_shared_bytes: u32,
}

impl Case {
    /// One block, no inputs.
    pub(crate) fn new<T: Scalar>(kernel: Result<Kernel, BuildErrors>, expected: &[T]) -> Self {
        let kernel = kernel.unwrap_or_else(|errors| panic!("{errors}"));
        Self { kernel, expected: bytes(expected), inputs: Vec::new(), grid: 1, dynamic_shared_bytes: 0 }
    }

    pub(crate) fn input<T: Scalar>(mut self, values: &[T]) -> Self {
        self.inputs.push(bytes(values));
        self
    }

    pub(crate) fn blocks(self, grid: u32) -> Self {
        Self { grid, ..self }
    }

    pub(crate) fn dynamic_shared(self, dynamic_shared_bytes: u32) -> Self {
        Self { dynamic_shared_bytes, ..self }
    }

    pub(crate) fn launch(&self) -> Launch<Gather<'_>> {
        let inputs = self.inputs.iter().map(|bytes| Arg::Input(bytes.as_slice().into()));
        Launch {
            grid: self.grid,
            dynamic_shared_bytes: self.dynamic_shared_bytes,
            args: inputs.chain([Arg::Output(0)]).collect(),
            outputs: vec![OutputSlot::whole(self.expected.len() as u64)],
        }
    }

    pub(crate) fn assert_emulated(&self) {
        match emulator::run(&self.kernel, &self.launch(), Checks::Full) {
            Ok(outputs) => assert_eq!(outputs, std::slice::from_ref(&self.expected)),
            Err(error) => panic!("{error}"),
        }
    }
}

/// The values as they stand in memory.
pub(crate) fn bytes<T: Scalar>(values: &[T]) -> Vec<u8> {
    values.iter().flat_map(|x| x.bits().to_le_bytes().into_iter().take(T::TY.bytes())).collect()
}

/// Sentences and the case that shows each: a test on the emulator, and an entry of `all` for the C++ compiler.
#[macro_export]
macro_rules! cases {
    ($($sentence:ident: $case:expr;)*) => {
        $(
            #[test]
            fn $sentence() {
                $case.assert_emulated();
            }
        )*
        pub(crate) fn all() -> Vec<(&'static str, $crate::case::Case)> {
            vec![$((stringify!($sentence), $case)),*]
        }
    };
}
