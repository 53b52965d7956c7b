//! Modules, launches, streams, events and graphs.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::slice;

use super::{Handle, handle, nth, number, put, text, with_context};
use crate::cubin;
use crate::driver::{Code, Mode};

/// Loads a cubin, or PTX.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuModuleLoadData(module: *mut Handle, image: *const c_void) -> c_int {
    with_context("cuModuleLoadData", |context| {
        if image.is_null() {
            return Err(Code::INVALID_VALUE);
        }
        // SAFETY: the caller promises an image, of which none is shorter than this.
        let start = unsafe { slice::from_raw_parts(image.cast::<u8>(), 4) };
        let loaded = if start == b"\x7fELF" {
            let mut length = 64;
            loop {
                // SAFETY: the caller promises a whole image, and what is known of it says that it is so long.
                let bytes: &[u8] = unsafe { slice::from_raw_parts(image.cast(), length) };
                let longer = cubin::length(bytes);
                if longer <= length {
                    break context.load_cubin(bytes);
                }
                length = longer;
            }
        } else {
            // SAFETY: what is no ELF file is text with a zero at its end.
            context.load_ptx(unsafe { text(image.cast()) }?, 0)
        };
        // SAFETY: the caller gives the address of a handle.
        unsafe { put(module, handle(loaded?)) }
    })
}

/// Unloads it.
#[unsafe(no_mangle)]
extern "C" fn cuModuleUnload(module: Handle) -> c_int {
    with_context("cuModuleUnload", |context| context.unload(number(module)))
}

/// A kernel of a module.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuModuleGetFunction(
    function: *mut Handle,
    module: Handle,
    name: *const c_char,
) -> c_int {
    with_context("cuModuleGetFunction", |context| {
        // SAFETY: the caller gives a string.
        let name = unsafe { text(name) }?;
        let found = context.function(number(module), name)?;
        // SAFETY: the caller gives the address of a handle.
        unsafe { put(function, handle(found)) }
    })
}

/// A number that tells something about a kernel.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuFuncGetAttribute(value: *mut c_int, attribute: c_int, function: Handle) -> c_int {
    with_context("cuFuncGetAttribute", |context| {
        let known = context.function_attribute(number(function), attribute)?;
        // SAFETY: the caller gives the address of a number.
        unsafe { put(value, known) }
    })
}

/// Changes what a kernel may have.
#[unsafe(no_mangle)]
extern "C" fn cuFuncSetAttribute(function: Handle, attribute: c_int, value: c_int) -> c_int {
    with_context("cuFuncSetAttribute", |context| {
        context.set_function_attribute(number(function), attribute, value)
    })
}

/// Launches a kernel.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuLaunchKernel(
    function: Handle,
    grid_x: c_uint,
    grid_y: c_uint,
    grid_z: c_uint,
    block_x: c_uint,
    block_y: c_uint,
    block_z: c_uint,
    dynamic_shared: c_uint,
    stream: Handle,
    parameters: *mut *mut c_void,
    extra: *mut *mut c_void,
) -> c_int {
    with_context("cuLaunchKernel", |context| {
        let stream = context.stream(number(stream))?;
        if [grid_y, grid_z, block_y, block_z] != [1; 4] {
            // More than one dimension is nothing that kernels here have.
            return Err(Code::INVALID_VALUE);
        }
        let places = context.parameters(number(function))?;
        let block = match (parameters.is_null(), extra.is_null()) {
            // SAFETY: the caller gives the addresses of as many arguments as the kernel has.
            (false, true) => unsafe { gathered(parameters, &places) },
            // SAFETY: the caller gives a list in pairs with an end.
            (true, false) => unsafe { packed(extra) }?,
            (true, true) if places.is_empty() => Vec::new(),
            _ => return Err(Code::INVALID_VALUE),
        };
        context.launch(number(function), grid_x, block_x, dynamic_shared, stream, block)
    })
}

/// Arguments from their addresses.
///
/// # Safety
/// There is an address for each of the places, and as many bytes there as the place has.
unsafe fn gathered(parameters: *mut *mut c_void, places: &[(usize, usize)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (index, (start, size)) in places.iter().enumerate() {
        block.resize(*start, 0);
        // SAFETY: there is an address for each place.
        let from = unsafe { nth(parameters, index) };
        // SAFETY: `size` bytes are there.
        block.extend_from_slice(unsafe { slice::from_raw_parts(from.cast(), *size) });
    }
    block
}

/// Arguments that are one block already: pairs of what comes and its address, until nothing comes.
///
/// # Safety
/// The list has an end, and the addresses in it are those of what it says.
unsafe fn packed(extra: *mut *mut c_void) -> Result<Vec<u8>, Code> {
    const END: usize = 0;
    const BLOCK: usize = 1;
    const SIZE: usize = 2;
    let (mut block, mut size) = (None, None);
    for pair in 0.. {
        // SAFETY: the end has not come yet.
        let what = unsafe { nth(extra, 2 * pair) };
        if what.addr() == END {
            break;
        }
        // SAFETY: what is not the end has an address after it.
        let value = unsafe { nth(extra, 2 * pair + 1) };
        match what.addr() {
            BLOCK => block = Some(value.cast::<u8>()),
            // SAFETY: it is the address of the block's size.
            SIZE => size = Some(unsafe { value.cast::<usize>().read() }),
            _ => return Err(Code::INVALID_VALUE),
        }
    }
    let (block, size) = block.zip(size).ok_or(Code::INVALID_VALUE)?;
    // SAFETY: `size` bytes are there.
    Ok(unsafe { slice::from_raw_parts(block, size) }.to_vec())
}

/// Makes a stream.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuStreamCreate(stream: *mut Handle, flags: c_uint) -> c_int {
    with_context("cuStreamCreate", |context| {
        let made = context.create_stream(flags)?;
        // SAFETY: the caller gives the address of a handle.
        unsafe { put(stream, handle(made)) }
    })
}

/// Lets a stream go.
#[unsafe(no_mangle)]
extern "C" fn cuStreamDestroy_v2(stream: Handle) -> c_int {
    with_context("cuStreamDestroy", |context| context.destroy_stream(number(stream)))
}

/// Waits for what was asked of a stream.
#[unsafe(no_mangle)]
extern "C" fn cuStreamSynchronize(stream: Handle) -> c_int {
    with_context("cuStreamSynchronize", |context| {
        let stream = context.stream(number(stream))?;
        context.synchronize_stream(stream)
    })
}

/// Has a stream wait for an event.
#[unsafe(no_mangle)]
extern "C" fn cuStreamWaitEvent(stream: Handle, event: Handle, _flags: c_uint) -> c_int {
    with_context("cuStreamWaitEvent", |context| {
        let stream = context.stream(number(stream))?;
        context.wait_event(stream, number(event))
    })
}

/// Records what is asked of a stream from now on, instead of doing it.
#[unsafe(no_mangle)]
extern "C" fn cuStreamBeginCapture_v2(stream: Handle, mode: c_int) -> c_int {
    with_context("cuStreamBeginCapture", |context| {
        let stream = context.stream(number(stream))?;
        let mode = match mode {
            0 => Mode::Global,
            1 => Mode::ThreadLocal,
            2 => Mode::Relaxed,
            _ => return Err(Code::INVALID_VALUE),
        };
        context.begin_capture(stream, mode)
    })
}

/// Whether a stream is captured.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuStreamIsCapturing(stream: Handle, status: *mut c_int) -> c_int {
    with_context("cuStreamIsCapturing", |context| {
        let stream = context.stream(number(stream))?;
        let known = context.capture_status(stream)?;
        // SAFETY: the caller gives the address of a number.
        unsafe { put(status, known) }
    })
}

/// Makes a graph of what was recorded.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuStreamEndCapture(stream: Handle, graph: *mut Handle) -> c_int {
    with_context("cuStreamEndCapture", |context| {
        let stream = context.stream(number(stream))?;
        let made = context.end_capture(stream);
        // SAFETY: the caller gives the address of a handle.
        unsafe { put(graph, handle(*made.as_ref().unwrap_or(&0))) }?;
        made.map(drop)
    })
}

/// Makes a graph one that can be launched.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuGraphInstantiateWithFlags(instance: *mut Handle, graph: Handle, flags: u64) -> c_int {
    with_context("cuGraphInstantiate", |context| {
        let made = context.instantiate(number(graph), flags)?;
        // SAFETY: the caller gives the address of a handle.
        unsafe { put(instance, handle(made)) }
    })
}

/// Prepares a graph for its first launch.
#[unsafe(no_mangle)]
extern "C" fn cuGraphUpload(instance: Handle, stream: Handle) -> c_int {
    with_context("cuGraphUpload", |context| {
        let stream = context.stream(number(stream))?;
        context.upload_graph(number(instance), stream)
    })
}

/// Asks for a graph's work.
#[unsafe(no_mangle)]
extern "C" fn cuGraphLaunch(instance: Handle, stream: Handle) -> c_int {
    with_context("cuGraphLaunch", |context| {
        let stream = context.stream(number(stream))?;
        context.launch_graph(number(instance), stream)
    })
}

/// Lets a graph go.
#[unsafe(no_mangle)]
extern "C" fn cuGraphDestroy(graph: Handle) -> c_int {
    with_context("cuGraphDestroy", |context| context.destroy_graph(number(graph)))
}

/// Lets a graph go that could be launched.
#[unsafe(no_mangle)]
extern "C" fn cuGraphExecDestroy(instance: Handle) -> c_int {
    with_context("cuGraphExecDestroy", |context| context.destroy_instance(number(instance)))
}

/// Makes an event.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuEventCreate(event: *mut Handle, flags: c_uint) -> c_int {
    with_context("cuEventCreate", |context| {
        let made = context.create_event(flags)?;
        // SAFETY: the caller gives the address of a handle.
        unsafe { put(event, handle(made)) }
    })
}

/// Lets an event go.
#[unsafe(no_mangle)]
extern "C" fn cuEventDestroy_v2(event: Handle) -> c_int {
    with_context("cuEventDestroy", |context| context.destroy_event(number(event)))
}

/// Puts an event behind what was asked of a stream.
#[unsafe(no_mangle)]
extern "C" fn cuEventRecord(event: Handle, stream: Handle) -> c_int {
    with_context("cuEventRecord", |context| {
        let stream = context.stream(number(stream))?;
        context.record_event(number(event), stream)
    })
}

/// Waits for an event.
#[unsafe(no_mangle)]
extern "C" fn cuEventSynchronize(event: Handle) -> c_int {
    with_context("cuEventSynchronize", |context| context.synchronize_event(number(event)))
}

/// Whether an event has come.
#[unsafe(no_mangle)]
extern "C" fn cuEventQuery(event: Handle) -> c_int {
    with_context("cuEventQuery", |context| context.query_event(number(event)))
}

/// Milliseconds between two events.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuEventElapsedTime(milliseconds: *mut f32, start: Handle, end: Handle) -> c_int {
    with_context("cuEventElapsedTime", |context| {
        let elapsed = context.elapsed_ms(number(start), number(end))?;
        #[expect(clippy::cast_possible_truncation, reason = "the caller wants no more digits")]
        let elapsed = elapsed as f32;
        // SAFETY: the caller gives the address of a number.
        unsafe { put(milliseconds, elapsed) }
    })
}
