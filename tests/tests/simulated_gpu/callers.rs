//! Programs of others, which have streams and captures of their own.
#![allow(unsafe_code, reason = "they call the driver as C does")]

use super::models::of_two_schemes;
use super::{Simulated, is_child, on_simulated_gpu};
use ecf8_tune::device::{CudaDevice, DeviceArg};
use ecf8_tune::executor::{Allocate, CudaExecutor};
use ecf8_tune::kernel_cache::KernelCache;
use ecf8_tune::nvrtc::{CompileRequest, Nvrtc};
use libloading::Library;
use std::ffi::{c_int, c_uint, c_void};
use std::ptr::null_mut;
use std::sync::{Arc, Mutex};

pub(super) type Handle = *mut c_void;

/// The driver as a caller has it, who has made the context of `cuda:0` current.
pub(super) struct Caller(Library);

impl Caller {
    fn new() -> Self {
        // SAFETY: it is the simulated driver, which has no initialisers.
        let caller = Self(unsafe { Library::new("libcuda.so.1") }.unwrap());
        let mut context = null_mut();
        // SAFETY: the address is of a live handle.
        caller.call(
            "cuDevicePrimaryCtxRetain",
            |retain: unsafe extern "C" fn(*mut Handle, c_int) -> c_int| unsafe {
                retain(&raw mut context, 0)
            },
        );
        // SAFETY: the context is retained, and nobody lets it go.
        caller.call("cuCtxSetCurrent", |set: unsafe extern "C" fn(Handle) -> c_int| unsafe { set(context) });
        caller
    }

    /// Calls a function that takes handles and returns 0.
    fn call<T: Copy>(&self, name: &str, call: impl FnOnce(T) -> c_int) {
        // SAFETY: each call here names the type that cuda.h gives the function.
        let function = unsafe { self.0.get::<T>(name) }.unwrap();
        assert_eq!(call(*function), 0, "{name}");
    }

    /// A stream that does not wait for the default one.
    fn stream(&self) -> Handle {
        let mut stream = null_mut();
        // SAFETY: the address is of a live handle.
        self.call("cuStreamCreate", |create: unsafe extern "C" fn(*mut Handle, c_uint) -> c_int| unsafe {
            create(&raw mut stream, 1)
        });
        stream
    }

    /// What is asked of a stream, as a graph that can be launched, as `torch.cuda.graph` makes one.
    pub(super) fn capture(&self, stream: Handle, work: impl FnOnce()) -> Handle {
        const GLOBAL: c_int = 0;
        let (mut graph, mut instance) = (null_mut(), null_mut());
        // SAFETY: the stream is live.
        self.call("cuStreamBeginCapture_v2", |begin: unsafe extern "C" fn(Handle, c_int) -> c_int| unsafe {
            begin(stream, GLOBAL)
        });
        work();
        // SAFETY: the stream is live, and the address of a live handle.
        self.call("cuStreamEndCapture", |end: unsafe extern "C" fn(Handle, *mut Handle) -> c_int| unsafe {
            end(stream, &raw mut graph)
        });
        // SAFETY: the graph is live, and the address of a live handle.
        self.call(
            "cuGraphInstantiateWithFlags",
            |make: unsafe extern "C" fn(*mut Handle, Handle, u64) -> c_int| unsafe {
                make(&raw mut instance, graph, 0)
            },
        );
        instance
    }

    pub(super) fn replay(&self, graph: Handle, stream: Handle) {
        // SAFETY: graph and stream are live.
        self.call("cuGraphLaunch", |launch: unsafe extern "C" fn(Handle, Handle) -> c_int| unsafe {
            launch(graph, stream)
        });
    }
}

/// `cuda:0`, and the same on a stream of the caller's.
pub(super) fn on_own_stream() -> (CudaDevice, CudaDevice, Caller, Handle) {
    let device = CudaDevice::open(0).unwrap();
    let caller = Caller::new();
    let stream = caller.stream();
    // SAFETY: it is a stream of this GPU's context, which stays.
    let own = unsafe { device.on_stream(stream) };
    (device, own, caller, stream)
}

#[test]
fn a_caller_captures_a_launch_and_replays_it() {
    if !on_simulated_gpu("callers::a_caller_captures_a_launch_and_replays_it", &[]) {
        return;
    }
    let (device, own, caller, stream) = on_own_stream();
    let source = "extern \"C\" __global__ void add(unsigned char* out) { out[threadIdx.x] += 1; }";
    let request = CompileRequest { name: "add.cu", source, arch: device.info().arch, options: &[] };
    let kernel = own.load(&Nvrtc::find().unwrap().compile(&request).unwrap().image, "add").unwrap();
    let buffer = own.upload(&[5; 64]).unwrap();
    own.settle().unwrap();
    let graph = caller.capture(stream, || {
        own.launch(&kernel, 1, 64, 0, &[DeviceArg::Buffer(&buffer)]).unwrap();
    });
    for _ in 0..3 {
        caller.replay(graph, stream);
    }
    let mut bytes = [0; 64];
    own.download(&buffer, &mut bytes).unwrap();
    assert_eq!(bytes, [8; 64]);
}

#[test]
fn a_model_is_decoded_on_the_stream_of_the_caller() {
    if !on_simulated_gpu("callers::a_model_is_decoded_on_the_stream_of_the_caller", &[]) {
        return;
    }
    let (_device, own, _caller, _stream) = on_own_stream();
    let (_folder, model) = of_two_schemes();
    let mut loaded = model.load(CudaExecutor::on(own, Arc::new(KernelCache::open()))).unwrap();
    let mut scratch = loaded.scratch().unwrap();
    for _ in 0..2 {
        for layer in 0..2 {
            loaded.decode_layer(layer, &mut scratch).unwrap();
            loaded.check_layer(layer, &scratch).unwrap();
        }
    }
}

#[test]
fn a_layer_is_decoded_where_python_says_on_its_stream_and_nothing_waits() {
    const TEST: &str = "callers::a_layer_is_decoded_where_python_says_on_its_stream_and_nothing_waits";
    if !is_child() {
        let Some(simulated) = Simulated::find() else { return };
        let text = simulated.run(TEST, &[("ECF8_SIM_LOG", "1")]);
        let decoding = text.split("decoding now").nth(1).unwrap_or_default();
        let decoding = decoding.split("decoded").next().unwrap_or_default();
        let count = |call: &str| decoding.matches(&format!("simulated GPU: {call}: Ok")).count();
        assert_eq!(count("cuLaunchKernel"), 2, "{text}");
        let waits =
            ["cuStreamSynchronize", "cuEventSynchronize", "cuMemAlloc", "cuMemAllocAsync", "cuMemFree"];
        assert_eq!(waits.map(count), [0; 5], "{text}");
        return;
    }
    let (device, _own, _caller, stream) = on_own_stream();
    let (_folder, model) = of_two_schemes();
    // What a caller's allocator gives is kept by the caller.
    let taken = Arc::new(Mutex::new(Vec::new()));
    let (allocator, kept) = (device.clone(), taken.clone());
    let allocate = Allocate::by(move |bytes| {
        let buffer = allocator.alloc(bytes).map_err(|error| error.to_string())?;
        let address = buffer.device_address();
        kept.lock().map_err(|error| error.to_string())?.push(buffer);
        Ok(address)
    });
    let executor = CudaExecutor::on(device.clone(), Arc::new(KernelCache::open())).with_memory(allocate);
    let mut loaded = model.load(executor).unwrap();
    assert_eq!(taken.lock().unwrap().len(), 12, "parts, jobs and blocks of each of four launches");
    let output = device.alloc(loaded.scratch_bytes()).unwrap();
    device.synchronize().unwrap();
    let (address, bytes, stream) = (output.device_address(), output.len(), stream.expose_provenance() as u64);
    eprintln!("decoding now");
    loaded.decode_layer_at(1, address, bytes, stream).unwrap();
    eprintln!("decoded");
    device.on_stream_number(stream).unwrap().synchronize().unwrap();
    loaded.check_layer(1, &output).unwrap();
    let error = loaded.decode_layer_at(1, address + 16, bytes, stream).unwrap_err().to_string();
    assert!(error.contains("multiple of 256"), "{error}");
    let error = loaded.decode_layer_at(1, address, 5, stream).unwrap_err().to_string();
    assert!(error.contains("make it larger"), "{error}");
    loaded.check_layer(1, &output).unwrap();
}
