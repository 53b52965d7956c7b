//! What the driver does late, what it refuses, and what breaks a capture. In PTX that needs no compiler.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use super::*;
use crate::settings::Settings;

/// Adds 1 to each of a block's bytes.
const ADD: &str = ".version 8.0\n.target sm_90\n.address_size 64\n.visible .entry add(.param .u64 add_param_0)\n\
    .maxntid 64, 1, 1\n{\n.reg .b64 %rd<4>;\nld.param.u64 %rd1, [add_param_0];\nmov.u32 %r1, %tid.x;\n\
    cvt.u64.u32 %rd2, %r1;\nadd.s64 %rd3, %rd1, %rd2;\nld.global.u8 %rs1, [%rd3];\nadd.s16 %rs2, %rs1, 1;\n\
    st.global.u8 [%rd3], %rs2;\nret;\n}\n";

struct Place {
    context: Context,
    add: u64,
    module: u64,
    buffer: u64,
}

impl Place {
    /// A buffer of 64 bytes that are 5, on a GPU that has 1000 bytes.
    fn new() -> Self {
        let settings = Settings { memory: 1000, ..Settings::from_environment() };
        let mut context = Context::new(0x100, 0, &settings);
        let module = context.load_ptx(ADD, 20).unwrap();
        let add = context.function(module, "add").unwrap();
        let buffer = context.allocate(64).unwrap();
        context.fill(0, buffer, 5, 64).unwrap();
        Self { context, add, module, buffer }
    }

    fn launch(&mut self, stream: u64) -> Result<(), Code> {
        let block = self.buffer.to_le_bytes().to_vec();
        self.context.launch(self.add, 1, 64, 0, stream, block)
    }

    /// What is in the buffer by now, whatever still waits.
    fn now(&self) -> u8 {
        self.context.gpu.memory.get(self.buffer, 64).unwrap().0[63]
    }

    fn download(&mut self, stream: u64) -> Result<u8, Code> {
        let mut byte = [0];
        self.context.copy_out(stream, &mut byte, self.buffer + 63)?;
        Ok(byte[0])
    }
}

#[test]
fn nothing_is_done_before_something_orders_it() {
    let mut place = Place::new();
    let [blocking, free] = [0, 1].map(|flags| place.context.create_stream(flags).unwrap());
    place.launch(blocking).unwrap();
    assert_ne!(place.now(), 6);
    place.context.synchronize_stream(free).unwrap();
    assert_ne!(place.now(), 6, "another stream");
    assert_eq!(place.download(0), Ok(6), "the default stream waits for the one that waits for it");
    place.launch(free).unwrap();
    assert_eq!(place.download(0), Ok(6), "and not for the others");
    assert_eq!(place.download(free), Ok(7));
    place.launch(0).unwrap();
    assert_eq!(place.download(blocking), Ok(8), "which is so the other way round");
}

#[test]
fn events_come_when_what_is_before_them_is_done() {
    let mut place = Place::new();
    let stream = place.context.create_stream(1).unwrap();
    let [start, end] = [0, 0].map(|flags| place.context.create_event(flags).unwrap());
    place.context.synchronize().unwrap();
    place.context.record_event(start, stream).unwrap();
    place.launch(stream).unwrap();
    place.context.record_event(end, stream).unwrap();
    place.launch(stream).unwrap();
    assert_eq!(place.context.elapsed_ms(start, end), Err(Code::NOT_READY));
    place.context.synchronize_event(end).unwrap();
    assert_eq!(place.now(), 6, "what comes after the event does not");
    assert!(place.context.elapsed_ms(start, end).unwrap() > 0.0);
    let other = place.context.create_stream(1).unwrap();
    place.context.record_event(end, stream).unwrap();
    place.context.wait_event(other, end).unwrap();
    assert_eq!(place.download(other), Ok(7));
    let silent = place.context.create_event(2).unwrap();
    assert_eq!(place.context.elapsed_ms(start, silent), Err(Code::INVALID_HANDLE));
}

#[test]
fn ordinary_bytes_are_taken_at_once_and_pinned_ones_when_it_is_time() {
    let mut place = Place::new();
    let mut bytes = [1; 64];
    place.context.copy_in(0, place.buffer, Host::Bytes(&bytes)).unwrap();
    bytes.fill(2);
    assert_eq!((place.download(0), bytes[0]), (Ok(1), 2));
    let pinned = place.context.pin(64).unwrap().addr() as u64;
    assert!(place.context.set_pinned(pinned, &[3; 64]) && place.context.is_pinned(pinned + 60, 4));
    assert!(!place.context.is_pinned(pinned + 60, 5));
    place.context.copy_in(0, place.buffer, Host::Pinned(pinned, 64)).unwrap();
    place.context.set_pinned(pinned, &[4; 64]);
    assert_eq!(place.download(0), Ok(4), "who writes too early is noticed");
    place.context.copy_in(0, place.buffer, Host::Pinned(pinned, 64)).unwrap();
    place.context.unpin(pinned).unwrap();
    assert_eq!(place.context.fault, Some(Code::ILLEGAL_ADDRESS), "and so is who frees");
}

#[test]
fn memory_is_bounded_checked_and_not_used_after_it_is_freed() {
    let mut place = Place::new();
    assert_eq!(place.context.allocate(937), Err(Code::OUT_OF_MEMORY));
    assert_eq!(place.context.allocate(0), Err(Code::INVALID_VALUE));
    assert_eq!(place.context.fill(0, place.buffer + 1, 0, 64), Err(Code::INVALID_VALUE));
    assert_eq!(place.context.free(place.buffer + 1), Err(Code::INVALID_VALUE));
    assert_eq!(place.context.create_event(4), Err(Code::INVALID_VALUE));
    assert_eq!(place.context.stream(12345), Err(Code::INVALID_HANDLE));
    place.context.free_on(0, place.buffer).unwrap();
    assert_eq!(place.context.fill(0, place.buffer, 0, 64), Err(Code::INVALID_VALUE));
    assert_eq!(place.context.free_on(0, place.buffer), Err(Code::INVALID_VALUE), "twice");
    place.launch(0).unwrap();
    assert_eq!(place.context.synchronize(), Err(Code::ILLEGAL_ADDRESS), "a kernel that uses it faults");
    assert_eq!(place.context.fault, Some(Code::ILLEGAL_ADDRESS), "for good");
}

#[test]
fn launches_keep_to_the_limits_of_their_kernel() {
    let mut place = Place::new();
    let (add, block) = (place.add, place.buffer.to_le_bytes().to_vec());
    let mut launch = |grid, threads, shared, block: &[u8]| {
        place.context.launch(add, grid, threads, shared, 0, block.to_vec())
    };
    for (grid, threads, shared) in
        [(0, 64, 0), (1, 65, 0), (1, 0, 0), (1 << 31, 64, 0), (1, 64, (48 << 10) + 1)]
    {
        assert_eq!(
            launch(grid, threads, shared, &block),
            Err(Code::INVALID_VALUE),
            "{grid} {threads} {shared}"
        );
    }
    assert_eq!(launch(1, 64, 0, &block[..7]), Err(Code::INVALID_VALUE));
    launch(1, 64, 48 << 10, &block).unwrap();
    assert_eq!(place.context.set_function_attribute(add, 8, 228 << 10), Err(Code::INVALID_VALUE));
    place.context.set_function_attribute(add, 8, 227 << 10).unwrap();
    place.context.launch(add, 1, 64, 227 << 10, 0, block).unwrap();
    assert_eq!(place.context.function_attribute(add, 4), Ok(20));
    assert_eq!(place.context.function(place.module, "sub"), Err(Code::NOT_FOUND));
    place.context.unload(place.module).unwrap();
    assert_eq!(place.context.fault, Some(Code::LAUNCH_FAILED), "its launches were still to be run");
}

#[test]
fn a_graph_does_what_was_captured_as_often_as_asked() {
    let mut place = Place::new();
    let stream = place.context.create_stream(1).unwrap();
    place.context.synchronize().unwrap();
    place.context.begin_capture(stream, Mode::Relaxed).unwrap();
    place.launch(stream).unwrap();
    place.launch(stream).unwrap();
    assert_eq!(place.context.capture_status(stream), Ok(1));
    let graph = place.context.end_capture(stream).unwrap();
    let instance = place.context.instantiate(graph, 0).unwrap();
    place.context.destroy_graph(graph).unwrap();
    assert_eq!(place.download(0), Ok(5), "capturing does nothing");
    place.context.launch_graph(instance, stream).unwrap();
    place.context.launch_graph(instance, stream).unwrap();
    assert_eq!(place.download(stream), Ok(9));
    place.context.launch_graph(instance, stream).unwrap();
    place.context.destroy_instance(instance).unwrap();
    assert_eq!(place.context.fault, Some(Code::LAUNCH_FAILED), "it was still to be run");
}

#[test]
fn what_cannot_be_recorded_breaks_a_capture() {
    type Break = fn(&mut Place, u64) -> Result<(), Code>;
    let breaks: [(&str, Mode, Code, Break); 7] = [
        ("waiting", Mode::Relaxed, Code::STREAM_CAPTURE_UNSUPPORTED, |p, s| p.context.synchronize_stream(s)),
        ("waiting for all", Mode::Relaxed, Code::STREAM_CAPTURE_UNSUPPORTED, |p, _| p.context.synchronize()),
        ("ordinary bytes", Mode::Relaxed, Code::STREAM_CAPTURE_UNSUPPORTED, |p, s| {
            p.context.copy_in(s, p.buffer, Host::Bytes(&[1]))
        }),
        ("downloading", Mode::Relaxed, Code::STREAM_CAPTURE_UNSUPPORTED, |p, s| p.download(s).map(drop)),
        ("allocating", Mode::Global, Code::STREAM_CAPTURE_UNSUPPORTED, |p, _| {
            p.context.allocate(1).map(drop)
        }),
        ("the default stream", Mode::Global, Code::STREAM_CAPTURE_IMPLICIT, |p, _| p.launch(0)),
        ("waiting for its event", Mode::Global, Code::CAPTURED_EVENT, |p, s| {
            let event = p.context.create_event(0)?;
            p.context.record_event(event, s)?;
            p.context.synchronize_event(event)
        }),
    ];
    for (what, mode, code, call) in breaks {
        let mut place = Place::new();
        let stream = place.context.create_stream(0).unwrap();
        place.context.begin_capture(stream, mode).unwrap();
        place.launch(stream).unwrap();
        assert_eq!(call(&mut place, stream), Err(code), "{what}");
        assert_eq!(place.launch(stream), Err(Code::STREAM_CAPTURE_INVALIDATED), "{what}");
        assert_eq!(place.context.end_capture(stream), Err(Code::STREAM_CAPTURE_INVALIDATED), "{what}");
        assert_eq!(place.download(stream), Ok(5), "{what}: the stream is there again");
    }
}

#[test]
fn a_capture_is_ended_where_it_was_begun_and_lets_others_work() {
    let mut place = Place::new();
    let [captured, other] = [1, 1].map(|flags| place.context.create_stream(flags).unwrap());
    assert_eq!(place.context.begin_capture(0, Mode::Global), Err(Code::STREAM_CAPTURE_UNSUPPORTED));
    place.context.begin_capture(captured, Mode::ThreadLocal).unwrap();
    assert_eq!(place.context.begin_capture(captured, Mode::Global), Err(Code::ILLEGAL_STATE));
    place.launch(other).unwrap();
    place.launch(0).unwrap();
    assert_eq!(place.download(0), Ok(6), "neither stream waits for the one that is captured");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            place.context.allocate(1).unwrap();
            assert_eq!(place.context.end_capture(captured), Err(Code::STREAM_CAPTURE_WRONG_THREAD));
        });
    });
    assert_eq!(place.context.end_capture(captured), Err(Code::STREAM_CAPTURE_INVALIDATED));
}

#[test]
fn cubins_fit_the_gpu_and_the_driver() {
    let cubin = |abi: u8, flags: u32| {
        let mut image = vec![0; 64];
        image[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (image[8], image[18]) = (abi, 190);
        image[48..52].copy_from_slice(&flags.to_le_bytes());
        crate::cubin::with_ptx(&image, ADD)
    };
    let load = |cuda: i32, arch: u32, image: &[u8]| {
        let settings = Settings { cuda, arch, ..Settings::from_environment() };
        Context::new(0x100, 0, &settings).load_cubin(image).map(drop)
    };
    assert_eq!(load(13_000, 90, &cubin(8, 90 << 8)), Ok(()));
    assert_eq!(load(12_040, 90, &cubin(8, 90 << 8)), Err(Code::INVALID_IMAGE), "NVRTC 13, a driver of 12.4");
    assert_eq!(load(12_040, 90, &cubin(7, 90)), Ok(()));
    assert_eq!(load(13_000, 90, &cubin(8, 80 << 8)), Err(Code::NO_BINARY_FOR_GPU));
    assert_eq!(load(13_000, 89, &cubin(8, 80 << 8)), Ok(()), "older of the same generation");
    assert_eq!(load(13_000, 80, &cubin(8, 89 << 8)), Err(Code::NO_BINARY_FOR_GPU));
    assert_eq!(load(13_000, 90, &[0; 64]), Err(Code::INVALID_IMAGE));
}

#[test]
fn contexts_are_of_one_gpu_and_one_thread() {
    let settings = Settings { gpus: 2, ..Settings::from_environment() };
    let gpus = (0..2).map(|_| Primary::default()).collect();
    let mut driver = Driver { settings, is_started: true, gpus, last_handle: 0 };
    assert_eq!(driver.current().map(drop), Err(Code::INVALID_CONTEXT));
    let (one, other) = (driver.retain(0).unwrap(), driver.retain(1).unwrap());
    assert_eq!(driver.retain(0), Ok(one), "it has one context");
    set_current(one);
    let buffer = driver.current().unwrap().allocate(8).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| assert_eq!(driver.current().map(drop), Err(Code::INVALID_CONTEXT), "another thread"));
    });
    set_current(other);
    assert_eq!(driver.current().unwrap().free(buffer), Err(Code::INVALID_VALUE), "another GPU");
    assert_eq!(driver.release(1), Ok(()));
    assert_eq!(driver.current().map(drop), Err(Code::INVALID_CONTEXT), "it is gone");
    assert_eq!(
        (driver.release(1), driver.retain(2)),
        (Err(Code::INVALID_CONTEXT), Err(Code::INVALID_DEVICE))
    );
    set_current(0);
}
