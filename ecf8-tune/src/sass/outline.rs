//! The statements of a kernel as machine code is matched with them: their loops and branches, and how often each is
//! executed.

use ecf8_codegen::emulator::Trace;
use ecf8_codegen::ir::{Block, Kernel, Op, Space, StmtKind};

/// One statement.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Entry {
    /// The loops around it, outermost first, itself last if it is one.
    pub(super) loops: Vec<usize>,
    /// Warps that execute it; for a loop, that evaluate its condition.
    pub(super) executions: f64,
    /// For a loop: warps that enter it.
    pub(super) entries: f64,
    /// For a loop: rounds of its body.
    pub(super) rounds: f64,
    /// The opcode, without modifiers, that every copy of it has exactly once.
    pub(super) anchor: Option<&'static str>,
}

/// All statements, in the order of the text, those inside another after it.
pub(super) fn outline(kernel: &Kernel, trace: &Trace) -> Vec<Entry> {
    let mut outline = Outline { kernel, trace, entries: Vec::new() };
    let warps = f64::from(trace.blocks) * f64::from(kernel.threads.div_ceil(32));
    outline.block(&kernel.body, &[], warps);
    outline.entries
}

struct Outline<'a> {
    kernel: &'a Kernel,
    trace: &'a Trace,
    entries: Vec<Entry>,
}

impl Outline<'_> {
    /// A block that is executed `executions` times, as far as that is known.
    fn block(&mut self, block: &Block, loops: &[usize], executions: f64) {
        for stmt in block {
            let n = self.entries.len();
            let trace = self.trace.statements.get(n).copied().unwrap_or_default();
            let is_loop = matches!(stmt.kind, StmtKind::While { .. } | StmtKind::For { .. });
            // Coordinates and constants are there before the block starts.
            let is_preset =
                matches!(stmt.kind, StmtKind::Let(_, Op::Const(_) | Op::Special(_)) | StmtKind::Comment(_));
            let own = if is_preset { executions } else { trace.executions as f64 };
            let mut around = loops.to_vec();
            around.extend(is_loop.then_some(n));
            let rounds = trace.rounds as f64;
            self.entries.push(Entry {
                loops: around.clone(),
                executions: if is_loop { own + rounds } else { own },
                entries: own,
                rounds,
                anchor: self.anchor(&stmt.kind),
            });
            for (inner, _) in stmt.kind.blocks() {
                self.block(inner, &around, if is_loop { rounds } else { own });
            }
        }
    }

    fn anchor(&self, kind: &StmtKind) -> Option<&'static str> {
        match kind {
            StmtKind::Store(memory, ..) | StmtKind::StoreVector { memory, .. } => {
                match self.kernel.memory(*memory).space {
                    Space::Shared { .. } | Space::DynamicShared => Some("STS"),
                    _ => Some("STG"),
                }
            }
            StmtKind::Barrier => Some("BAR"),
            _ => None,
        }
    }
}
