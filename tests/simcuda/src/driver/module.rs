//! Modules: cubins in a GPU's memory, and the kernels in them.

use std::collections::HashMap;
use std::sync::Arc;

use super::launch::Function;
use super::queue::Work;
use super::{Code, Context, Driver};
use crate::cubin::Cubin;
use crate::ptx::{Kernel, Module, PtxError};

/// A module that is loaded.
#[derive(Debug)]
pub(super) struct Loaded {
    kernels: Vec<Arc<Kernel>>,
    registers: u32,
    /// Addresses of its tables.
    tables: Vec<u64>,
    /// Handles of its functions, by the name of the kernel.
    functions: HashMap<String, u64>,
}

/// Since this version of CUDA drivers load the newer format of cubins.
const NEWER_FORMAT: (u8, i32) = (8, 13_000);

impl Context {
    /// Loads a cubin.
    pub(crate) fn load_cubin(&mut self, image: &[u8]) -> Result<u64, Code> {
        self.forbid_unsafe()?;
        let cubin = Cubin::read(image).ok_or(Code::INVALID_IMAGE)?;
        let (abi, since) = NEWER_FORMAT;
        if cubin.abi >= abi && self.settings.cuda < since {
            Driver::complain(&format!("a cubin of format {} is newer than the driver", cubin.abi));
            return Err(Code::INVALID_IMAGE);
        }
        let here = self.settings.arch;
        // Within a generation, newer GPUs run what is for older ones.
        let fits = cubin.arch == here || !cubin.is_exact && cubin.arch / 10 == here / 10 && cubin.arch < here;
        if !fits {
            Driver::complain(&format!("a cubin for sm_{} on a GPU that is sm_{here}", cubin.arch));
            return Err(Code::NO_BINARY_FOR_GPU);
        }
        let Some(ptx) = cubin.ptx else {
            Driver::complain("a cubin without its PTX: compile by the simulated NVRTC (ECF8_NVRTC)");
            return Err(Code::INVALID_IMAGE);
        };
        self.load_ptx(ptx, cubin.registers.unwrap_or(0))
    }

    /// Loads PTX, as if it were compiled first.
    pub(crate) fn load_ptx(&mut self, text: &str, registers: u32) -> Result<u64, Code> {
        self.forbid_unsafe()?;
        let refused = |error: PtxError| {
            Driver::complain(&error.to_string());
            Code::INVALID_PTX
        };
        let module = Module::parse(text).map_err(refused)?;
        let globals = module.globals.iter();
        let addresses: HashMap<&str, u64> =
            globals.map(|global| (global.name, self.gpu.memory.table(global.bytes.clone()))).collect();
        let kernels = module.kernels(&addresses).map_err(refused)?;
        let loaded = Loaded {
            kernels: kernels.into_iter().map(Arc::new).collect(),
            registers,
            tables: addresses.into_values().collect(),
            functions: HashMap::new(),
        };
        let handle = self.new_handle();
        self.modules.insert(handle, loaded);
        Ok(handle)
    }

    /// Nobody promises that this waits for kernels that run.
    pub(crate) fn unload(&mut self, module: u64) -> Result<(), Code> {
        self.forbid_unsafe()?;
        let loaded = self.modules.remove(&module).ok_or(Code::INVALID_HANDLE)?;
        let functions: Vec<u64> = loaded.functions.into_values().collect();
        functions.iter().for_each(|function| drop(self.functions.remove(function)));
        if self.is_queued(|work| matches!(work, Work::Launch(launch) if functions.contains(&launch.function)))
        {
            Driver::complain("a module is unloaded before its kernels are done");
            self.fault = Some(Code::LAUNCH_FAILED);
        }
        for table in loaded.tables {
            self.gpu.memory.free(table);
        }
        Ok(())
    }

    pub(crate) fn function(&mut self, module: u64, name: &str) -> Result<u64, Code> {
        let next = self.new_handle();
        let loaded = self.modules.get_mut(&module).ok_or(Code::INVALID_HANDLE)?;
        if let Some(function) = loaded.functions.get(name) {
            return Ok(*function);
        }
        let kernel = loaded.kernels.iter().find(|kernel| kernel.name == name).ok_or(Code::NOT_FOUND)?;
        self.functions.insert(next, Function::new(kernel.clone(), loaded.registers));
        loaded.functions.insert(name.to_owned(), next);
        Ok(next)
    }
}
