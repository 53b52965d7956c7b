//! No memory left: one line, nothing left behind, and an exit status, where there would be a backtrace.

use ecf8_core::container;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

/// The system's allocator. Where there is no memory left, and nobody asks in such a way that he goes on without, it removes the
/// unfinished outputs, says so in one line, and ends the process with exit status 2. For programs.
#[derive(Debug)]
pub struct AllocatorWithLastWords;

// SAFETY: everything is the system's own doing. What is added looks at null pointers only, and does not unwind.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for AllocatorWithLastWords {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises what the system wants.
        given(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        given(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        // SAFETY: as above.
        given(unsafe { System.realloc(memory, layout, bytes) }, bytes)
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// What the system gives, unless it is nothing that somebody relies on.
#[inline]
fn given(memory: *mut u8, bytes: usize) -> *mut u8 {
    if memory.is_null() && !ecf8_core::memory::may_be_refused() {
        end(bytes);
    }
    memory
}

#[cold]
fn end(bytes: usize) {
    thread_local! {
        static IS_ENDING: Cell<bool> = const { Cell::new(false) };
    }
    static IS_ENDED: AtomicBool = AtomicBool::new(false);
    // What is said here may itself want memory; then the process ends as it would have without this.
    if IS_ENDING.try_with(|ending| ending.replace(true)).unwrap_or(true) {
        return;
    }
    if IS_ENDED.swap(true, Ordering::AcqRel) {
        // Another thread is at it.
        loop {
            std::thread::park();
        }
    }
    container::try_abandon_outputs();
    let _ = writeln!(
        std::io::stderr(),
        "ecf8: there is no memory for {bytes} more bytes; no unfinished output is left, free some or allow more (`ulimit -v`), and run it again"
    );
    std::process::exit(2);
}
