//! Elements and vectors of memories.

use super::Writer;
use crate::cuda::expression::Expr;
use crate::cuda::type_name;
use crate::ir::{Memory, MemoryId, Space, Ty, ValueId};

impl Writer<'_> {
    /// An element of a memory, seen as elements of type `ty`.
    pub(super) fn element(&self, memory: MemoryId, ty: Ty, index: &str) -> String {
        let declared = self.kernel.memory(memory);
        if ty == declared.ty {
            return format!("{}[{index}]", declared.name);
        }
        format!("(({}{}*){})[{index}]", constness(declared), type_name(ty), declared.name)
    }

    pub(super) fn load_vector(&mut self, results: &[ValueId], memory: MemoryId, index: ValueId) {
        let Some(first) = results.first() else { return };
        let index = self.take(index).0.converted();
        let value = self.kernel.value(*first);
        let ty = vector_type(value.ty, results.len());
        // The parts of `let quad = memory.load4(i)` are named quad0, quad1 and so on.
        let name = value.name.as_deref().map_or("v", |name| name.trim_end_matches('0'));
        let name = self.fresh(name);
        let declared = self.kernel.memory(memory);
        self.line(format!("const {ty} {name} = ((const {ty}*){})[{index}];", declared.name));
        for (result, part) in results.iter().zip(["x", "y", "z", "w"]) {
            self.written.insert(*result, Expr::name(format!("{name}.{part}")));
        }
    }
}

/// CUDA's name for a vector.
pub(super) fn vector_type(ty: Ty, width: usize) -> String {
    let element = if ty == Ty::U64 { "ulonglong" } else { "uint" };
    format!("{element}{width}")
}

/// `const ` for pointers into what cannot be written.
fn constness(memory: &Memory) -> &'static str {
    match memory.space {
        Space::Global { writable: false } | Space::Table { .. } => "const ",
        _ => "",
    }
}
