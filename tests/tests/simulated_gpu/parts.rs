//! What can be taken out of a built kernel: its barriers, and what its conditions keep from being done.

use ecf8_codegen::ir::{Block, Kernel, Location, Stmt, StmtKind};
use std::fmt;
use std::path::Path;

/// A barrier or a condition, as often as its line is in the kernel by the same calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    is_barrier: bool,
    /// Where it was written, and where what holds it was called, and so on.
    places: Vec<(&'static str, u32, u32)>,
}

impl Part {
    fn of(kernel: &Kernel, stmt: &Stmt) -> Option<Self> {
        let is_barrier = match &stmt.kind {
            StmtKind::Barrier | StmtKind::WarpBarrier => true,
            StmtKind::If { .. } | StmtKind::Choose { .. } => false,
            _ => return None,
        };
        let place = |at: Location| (at.file, at.line, at.column);
        let calls = kernel.callers(stmt.at).into_iter().map(place);
        Some(Self { is_barrier, places: std::iter::once(place(stmt.at)).chain(calls).collect() })
    }

    /// All those of a kernel that are not in the list yet.
    pub(super) fn add_all(kernel: &Kernel, list: &mut Vec<Self>) {
        fn visit(kernel: &Kernel, block: &Block, list: &mut Vec<Part>) {
            for stmt in block {
                list.extend(Part::of(kernel, stmt).filter(|part| !list.contains(part)));
                stmt.kind.blocks().iter().for_each(|(inner, _)| visit(kernel, inner, list));
            }
        }
        visit(kernel, &kernel.body, list);
    }

    /// The kernel without it: without the barrier, or doing always what it did where the condition held. An early end never
    /// comes. Nothing if the kernel does not have it.
    pub(super) fn removed_from(&self, kernel: &Kernel) -> Option<Kernel> {
        let mut changed = kernel.clone();
        changed.body = self.taken_out(kernel, kernel.body.clone());
        (changed != *kernel).then_some(changed)
    }

    fn taken_out(&self, kernel: &Kernel, block: Block) -> Block {
        let within = |block: Block| self.taken_out(kernel, block);
        let mut left = Block::new();
        for stmt in block {
            let is_it = Self::of(kernel, &stmt).as_ref() == Some(self);
            let kind = match stmt.kind {
                StmtKind::Barrier | StmtKind::WarpBarrier if is_it => continue,
                StmtKind::If { then, otherwise, .. } if is_it => {
                    left.extend(within(if ends(&then) { otherwise } else { then }));
                    continue;
                }
                StmtKind::If { condition, then, otherwise } => {
                    StmtKind::If { condition, then: within(then), otherwise: within(otherwise) }
                }
                StmtKind::Choose { result, condition, mut then, mut otherwise } => {
                    then.block = within(then.block);
                    otherwise.block = within(otherwise.block);
                    let otherwise = if is_it { then.clone() } else { otherwise };
                    StmtKind::Choose { result, condition, then, otherwise }
                }
                StmtKind::While { mut condition, body } => {
                    condition.block = within(condition.block);
                    StmtKind::While { condition, body: within(body) }
                }
                StmtKind::For { index, from, to, step, unroll, body } => {
                    StmtKind::For { index, from, to, step, unroll, body: within(body) }
                }
                other => other,
            };
            left.push(Stmt { kind, at: stmt.at });
        }
        left
    }

    /// The text from where it was written to the end of the next line.
    pub(super) fn text(&self) -> String {
        let Some((file, line, column)) = self.places.first().copied() else { return String::new() };
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
        let whole = std::fs::read_to_string(path).unwrap();
        let mut lines = whole.lines().skip(line as usize - 1);
        let own = lines.next().unwrap().get(column as usize - 1..).unwrap_or_default();
        format!("{own} {}", lines.next().unwrap_or_default().trim())
    }
}

/// Whether a block does nothing but leave.
fn ends(block: &Block) -> bool {
    matches!(&block[..], [Stmt { kind: StmtKind::Return | StmtKind::Break | StmtKind::Continue, .. }])
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places: Vec<String> =
            self.places.iter().map(|(file, line, column)| format!("{file}:{line}:{column}")).collect();
        write!(f, "`{}` at {}", self.text(), places.join(", called at "))
    }
}
