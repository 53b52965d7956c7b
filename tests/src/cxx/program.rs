//! Many kernels in one program, and many launches in one run of it.

use super::Compiler;
use ecf8_codegen::cuda;
use ecf8_codegen::ir::{Kernel, Param};
use ecf8_codegen::launch::{ALIGNMENT, Arg, Gather, Launch};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// Kernels compiled for the CPU.
#[derive(Debug)]
pub struct Program {
    folder: TempDir,
    program: PathBuf,
    /// Per kernel and parameter: bytes of the widest access, to which an output is aligned. (Inputs start at a multiple of
    /// [`ALIGNMENT`] and are padded with zeros to one, as a launch promises.)
    alignments: Vec<Vec<u64>>,
}

impl Program {
    /// Compiles the emitted text of `kernels`.
    ///
    /// # Errors
    /// The compiler's messages.
    pub fn new(compiler: &Compiler, kernels: &[Kernel]) -> Result<Self, String> {
        let folder = tempfile::tempdir().unwrap();
        let (source, program) = (folder.path().join("kernels.cpp"), folder.path().join("kernels"));
        std::fs::write(&source, text(kernels)).unwrap();
        compiler.compile(&source, &program)?;
        Ok(Self { folder, program, alignments: kernels.iter().map(alignments).collect() })
    }

    /// Runs launches, each of the kernel with that number, and returns their outputs; those of one launch end to end.
    ///
    /// # Errors
    /// What the program said before it stopped, or the signal that stopped it (a page beyond a buffer was touched).
    pub fn run(&self, launches: &[(usize, &Launch<Gather<'_>>)]) -> Result<Vec<Vec<u8>>, String> {
        let (input, output) = (self.folder.path().join("launches"), self.folder.path().join("outputs"));
        std::fs::write(&input, self.launches(launches)).unwrap();
        let ended = Command::new(&self.program).args([&input, &output]).output().unwrap();
        if !ended.status.success() {
            return Err(format!("{}: {}", ended.status, String::from_utf8_lossy(&ended.stderr)));
        }
        let bytes = std::fs::read(&output).unwrap();
        let mut rest = bytes.as_slice();
        let outputs = launches.iter().map(|(_, launch)| {
            let (own, after) = rest.split_at(usize::try_from(launch.output_bytes()).unwrap());
            rest = after;
            own.to_vec()
        });
        Ok(outputs.collect())
    }

    /// The file of launches that the program reads: 64-bit little-endian numbers and the inputs' bytes.
    fn launches(&self, launches: &[(usize, &Launch<Gather<'_>>)]) -> Vec<u8> {
        let mut file = Vec::new();
        let number = |file: &mut Vec<u8>, x: u64| file.extend(x.to_le_bytes());
        number(&mut file, launches.len() as u64);
        for (kernel, launch) in launches {
            number(&mut file, *kernel as u64);
            number(&mut file, launch.grid.into());
            number(&mut file, launch.dynamic_shared_bytes.into());
            number(&mut file, launch.outputs.len() as u64);
            launch.outputs.iter().for_each(|output| number(&mut file, output.bytes));
            number(&mut file, launch.args.len() as u64);
            for (arg, &alignment) in launch.args.iter().zip(&self.alignments[*kernel]) {
                match arg {
                    Arg::Input(bytes) => {
                        number(&mut file, 0);
                        number(&mut file, ALIGNMENT as u64);
                        number(&mut file, bytes.len());
                        file.extend_from_slice(&bytes.bytes());
                    }
                    Arg::Output(index) => {
                        number(&mut file, 1);
                        number(&mut file, alignment);
                        number(&mut file, *index as u64);
                    }
                    Arg::U32(x) => {
                        number(&mut file, 2);
                        number(&mut file, (*x).into());
                    }
                    Arg::U64(x) => {
                        number(&mut file, 2);
                        number(&mut file, *x);
                    }
                }
            }
        }
        file
    }
}

fn alignments(kernel: &Kernel) -> Vec<u64> {
    let bytes = |param: &Param| match param {
        // No more: what an output is aligned to beyond its widest access hides as many bytes from the guard page.
        Param::Memory(id) => kernel.widest_access(*id).max(kernel.memory(*id).ty.bytes()) as u64,
        Param::Scalar(_) => 1,
    };
    kernel.params.iter().map(bytes).collect()
}

/// The C++ source: the shim, each kernel in a namespace with a function that calls it, and `main`.
fn text(kernels: &[Kernel]) -> String {
    let mut text = String::from(include_str!("shim.h"));
    let mut list = String::new();
    for (n, kernel) in kernels.iter().enumerate() {
        let arguments: Vec<String> =
            kernel.params.iter().enumerate().map(|(i, param)| argument(kernel, i, *param)).collect();
        let _ = writeln!(
            text,
            "\nnamespace kernel_{n} {{\n{}\nvoid call(const shim::Argument* a) {{\n    (void)a;\n    {}({});\n}}\n}}",
            as_cxx(&cuda::source(kernel)),
            kernel.name,
            arguments.join(", ")
        );
        let _ = write!(list, "{{kernel_{n}::call, {}}}, ", kernel.threads);
    }
    let _ = writeln!(
        text,
        "\nint main(int argc, char** argv) {{\n    static const shim::Kernel kernels[] = {{{list}}};\n    \
         return shim::main(argc, argv, kernels);\n}}"
    );
    text
}

/// The argument with this number, converted to its parameter's type.
fn argument(kernel: &Kernel, number: usize, param: Param) -> String {
    match param {
        Param::Memory(id) => format!("static_cast<{}*>(a[{number}].pointer)", kernel.memory(id).ty),
        Param::Scalar(id) => format!("static_cast<{}>(a[{number}].number)", kernel.value(id).ty),
    }
}

/// The emitted text with the two things changed that C++ cannot say: functions of C linkage that share a name, and
/// arrays whose length the launch gives.
fn as_cxx(emitted: &str) -> String {
    let mut text = String::new();
    for line in emitted.lines() {
        let indent = &line[..line.len() - line.trim_start().len()];
        let declaration = line.trim_start().strip_prefix("extern __shared__ __align__(16) ");
        match declaration.and_then(|rest| rest.strip_suffix("[];")?.split_once(' ')) {
            Some((ty, name)) => {
                let _ = writeln!(
                    text,
                    "{indent}{ty}* const {name} = reinterpret_cast<{ty}*>(shim::dynamic_shared);"
                );
            }
            None => {
                let _ = writeln!(text, "{}", line.strip_prefix("extern \"C\" ").unwrap_or(line));
            }
        }
    }
    text
}
