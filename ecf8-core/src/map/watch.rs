//! Reading beyond the end of a file that has become shorter since it was mapped.
//!
//! The system sends SIGBUS then, which ends the process without a word. The handler here puts zeros in the place of
//! what is gone, makes a note, and lets the reader go on; who promises something looks for the note first
//! (`MappedFile::check_unchanged`).

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Where a mapped file is in memory, for the handler. Places are made when needed, used again, and never freed, so that
/// the handler can walk along them at any moment without a lock.
#[derive(Debug)]
struct Spot {
    is_taken: AtomicBool,
    /// The first address; 0 for none.
    start: AtomicUsize,
    /// The address after the last.
    end: AtomicUsize,
    /// Whether something could not be read.
    is_cut: AtomicBool,
    next: OnceLock<&'static Spot>,
}

static FIRST: Spot = Spot::new();

impl Spot {
    const fn new() -> Self {
        Self {
            is_taken: AtomicBool::new(false),
            start: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
            is_cut: AtomicBool::new(false),
            next: OnceLock::new(),
        }
    }

    /// A place that nobody else has.
    fn take() -> &'static Self {
        let mut place = &FIRST;
        while place.is_taken.swap(true, Ordering::AcqRel) {
            place = place.next.get_or_init(|| Box::leak(Box::new(Self::new())));
        }
        place
    }

    /// The place that an address lies in, and the address after its last.
    fn of(address: usize) -> Option<(&'static Self, usize)> {
        let mut next = Some(&FIRST);
        while let Some(place) = next {
            // A place that is given to another map meanwhile is not the one of the address: that is being read.
            let start = place.start.load(Ordering::Acquire);
            let end = place.end.load(Ordering::Acquire);
            let is_current = place.start.load(Ordering::Acquire) == start;
            if start != 0 && is_current && (start..end).contains(&address) {
                return Some((place, end));
            }
            next = place.next.get().copied();
        }
        None
    }
}

/// The watch over one mapped file; ends when dropped, which must be before the file is unmapped.
#[derive(Debug)]
pub(super) struct Watch(&'static Spot);

impl Watch {
    /// Watches over these bytes of a map.
    pub(super) fn new(bytes: &[u8]) -> Self {
        let place = Spot::take();
        let start = bytes.as_ptr().addr();
        place.is_cut.store(false, Ordering::Release);
        place.end.store(start + bytes.len(), Ordering::Release);
        place.start.store(if bytes.is_empty() { 0 } else { start }, Ordering::Release);
        Self(place)
    }

    /// Whether something could not be read, and zeros were read instead.
    pub(super) fn is_cut(&self) -> bool {
        self.0.is_cut.load(Ordering::Acquire)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.start.store(0, Ordering::Release);
        self.0.is_taken.store(false, Ordering::Release);
    }
}

/// What was done about the signal before.
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

/// Bytes of a page.
static PAGE: AtomicUsize = AtomicUsize::new(0);

/// From now on, reading a [`MappedFile`](super::MappedFile) beyond what is left of a file that has become shorter, or
/// that the disk does not give, gives zeros, and [`MappedFile::check_unchanged`](super::MappedFile::check_unchanged) an
/// error. Without this, such a read ends the process by SIGBUS.
///
/// For programs, at their start: this installs a handler for SIGBUS in the whole process. Any other SIGBUS is treated
/// as before. Called again, it does nothing.
#[allow(unsafe_code)]
pub fn survive_truncation() {
    // SAFETY: asking for the size of a page has no preconditions.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let Ok(page) = usize::try_from(page) else { return };
    PAGE.store(page, Ordering::Release);
    BEFORE.get_or_init(|| {
        let before = ask();
        // SAFETY: a `sigaction` is plain data, for which zeros are valid: no flags, an empty mask.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = handle as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        set(&action);
        before
    });
}

/// What is done about the signal now.
#[allow(unsafe_code)]
fn ask() -> libc::sigaction {
    // SAFETY: as above.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: nothing is set, and what is done now is written to a valid place.
    unsafe { libc::sigaction(libc::SIGBUS, std::ptr::null(), &raw mut action) };
    action
}

#[allow(unsafe_code)]
fn set(action: &libc::sigaction) {
    // SAFETY: the action is valid: the handler below, which does what a handler may, or what the system gave us.
    unsafe { libc::sigaction(libc::SIGBUS, action, std::ptr::null_mut()) };
}

/// The handler. It does only what a handler may: atomic numbers, and system calls.
#[allow(unsafe_code)]
extern "C" fn handle(signal: libc::c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: the system gives a handler with `SA_SIGINFO` a valid pointer, to what nobody else has.
    let Some(info) = (unsafe { info.as_ref() }) else { return };
    // SAFETY: every SIGBUS has this field. If a process sent the signal, it may be any number, which is not used.
    let address = unsafe { info.si_addr() }.addr();
    // The system's own codes are above zero, those of processes are not.
    let code = info.si_code;
    if code > 0 && put_zeros(address) {
        return;
    }
    if let Some(before) = BEFORE.get() {
        set(before);
    }
    if code <= 0 {
        // SAFETY: sending a signal to oneself has no preconditions. It arrives when the handler is left.
        unsafe { libc::raise(signal) };
    }
    // Otherwise the same instruction gives the same signal again, for whoever was to get it before.
}

/// Puts zeros from the page of an address to the end of the watched map that it lies in; false if it lies in none.
#[allow(unsafe_code)]
fn put_zeros(address: usize) -> bool {
    let (Some((place, end)), page) = (Spot::of(address), PAGE.load(Ordering::Acquire)) else { return false };
    place.is_cut.store(true, Ordering::Release);
    let start = address - address % page;
    // SAFETY: these pages are the end of a map that exists, because its reader stands at this very instruction. It is
    // only read, as bytes that may be anything. The map's owner unmaps the same pages as before.
    let zeros = unsafe {
        libc::mmap(
            std::ptr::without_provenance_mut(start),
            end - start,
            libc::PROT_READ,
            libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_FIXED,
            -1,
            0,
        )
    };
    zeros != libc::MAP_FAILED
}
