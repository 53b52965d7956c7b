//! The device path on a real GPU. Skipped aloud where there is none, unless `ECF8_REQUIRE_CUDA=1`.

use super::*;
use crate::nvrtc::{CompileRequest, Nvrtc};

fn device() -> Option<CudaDevice> {
    match CudaDevice::open(0) {
        Ok(device) => Some(device),
        Err(error) if std::env::var_os("ECF8_REQUIRE_CUDA").is_some_and(|value| value == "1") => {
            panic!("{error}")
        }
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}

const SOURCE: &str = r#"
extern "C" __global__ void reverse(const unsigned char* in, unsigned int n, unsigned char* out, unsigned long long add) {
    extern __shared__ unsigned char staged[];
    const unsigned int i = blockIdx.x * blockDim.x + threadIdx.x;
    staged[threadIdx.x] = i < n ? in[i] : 0;
    __syncthreads();
    if (i < n) out[n - 1 - i] = staged[threadIdx.x] + (unsigned char)(add >> 32);
}
extern "C" __global__ void wild(unsigned long long* out) { *(volatile unsigned long long*)16 = (unsigned long long)out; }
"#;

fn load(device: &CudaDevice, entry: &str) -> Option<Function> {
    let nvrtc = match Nvrtc::find() {
        Ok(nvrtc) => nvrtc,
        Err(error) => {
            eprintln!("skipped: {error}");
            return None;
        }
    };
    let request = CompileRequest { name: "test.cu", source: SOURCE, arch: device.info().arch, options: &[] };
    Some(device.load(&nvrtc.compile(&request).unwrap().image, entry).unwrap())
}

#[test]
fn a_kernel_from_nvrtc_runs_and_is_timed() {
    let Some(device) = device() else { return };
    eprintln!("{:?}", device.info());
    let Some(kernel) = load(&device, "reverse") else { return };
    let input: Vec<u8> = (0..1_000_003u32).map(|i| (i % 251).to_le_bytes()[0]).collect();
    let expected: Vec<u8> = input.iter().rev().map(|byte| byte.wrapping_add(3)).collect();
    let source = device.upload(&input).unwrap();
    let target = device.alloc(input.len()).unwrap();
    let n = u32::try_from(input.len()).unwrap();
    let args =
        [DeviceArg::Buffer(&source), DeviceArg::U32(n), DeviceArg::Buffer(&target), DeviceArg::U64(3 << 32)];
    for shared in [256, 64 * 1024] {
        let launch = |_| device.launch(&kernel, n.div_ceil(256), 256, shared, &args);
        let times = device.time(5, launch).unwrap();
        assert!(times.iter().all(|time| *time > 0.0), "{times:?}");
        let mut output = vec![0; input.len()];
        device.download(&target, &mut output).unwrap();
        assert!(output == expected, "with {shared} bytes of dynamic shared memory");
    }
    assert!(matches!(device.launch(&kernel, 1, 256, 0, &args[..2]), Err(DeviceError::Arguments { .. })));
}

#[test]
fn a_recording_is_replayed_as_a_graph_in_order() {
    let Some(device) = device() else { return };
    let Some(kernel) = load(&device, "reverse") else { return };
    let input: Vec<u8> = (0..=255).collect();
    let (first, second) = (device.upload(&input).unwrap(), device.alloc(256).unwrap());
    let there =
        [DeviceArg::Buffer(&first), DeviceArg::U32(256), DeviceArg::Buffer(&second), DeviceArg::U64(1 << 32)];
    let back =
        [DeviceArg::Buffer(&second), DeviceArg::U32(256), DeviceArg::Buffer(&first), DeviceArg::U64(2 << 32)];
    let one = |args| DeviceLaunch { function: &kernel, grid: 1, threads: 256, dynamic_shared: 256, args };
    let recording = device.record(vec![one(&there[..]), one(&back[..])]).unwrap();
    assert_eq!(recording.one_by_one(), None);
    let times = device.time(20, |_| recording.replay()).unwrap();
    assert!(times.iter().all(|time| *time > 0.0), "{times:?}");
    let mut output = vec![0; 256];
    device.download(&first, &mut output).unwrap();
    // Each replay reverses twice and adds 3.
    assert!(output.iter().zip(&input).all(|(found, was)| *found == was.wrapping_add(60)), "{output:?}");
}

#[test]
fn launches_that_are_asked_for_again_are_replayed() {
    let Some(device) = device() else { return };
    let Some(kernel) = load(&device, "reverse") else { return };
    let input: Vec<u8> = (0..=255).collect();
    let [first, second] = [&input[..], &[0; 256]].map(|bytes| device.upload(bytes).unwrap());
    let there =
        [DeviceArg::Buffer(&first), DeviceArg::U32(256), DeviceArg::Buffer(&second), DeviceArg::U64(1 << 32)];
    let back =
        [DeviceArg::Buffer(&second), DeviceArg::U32(256), DeviceArg::Buffer(&first), DeviceArg::U64(0)];
    let one = |args| DeviceLaunch { function: &kernel, grid: 1, threads: 256, dynamic_shared: 256, args };
    let work = [one(&there[..]), one(&back[..])];
    let mut replay = Replay::default();
    for _ in 0..4 {
        device.repeat(&work, &mut replay).unwrap();
    }
    assert!(replay.one_by_one().is_none());
    let mut output = vec![0; 256];
    device.download(&first, &mut output).unwrap();
    // Reversed eight times, every other time with 1 added.
    assert!(output.iter().zip(&input).all(|(found, was)| *found == was.wrapping_add(4)), "{output:?}");
}

#[test]
fn copies_within_the_gpu_have_a_rate() {
    let Some(device) = device() else { return };
    let rate = device.copy_bandwidth(64 << 20, 5).unwrap().gb_per_s().unwrap();
    eprintln!("{rate:.0} GB/s read and written");
    assert!(rate > 1.0);
}

#[test]
fn a_wild_kernel_is_a_fault_and_no_crash() {
    if !is_child() {
        if device().is_some() {
            let library_path = std::env::var("LD_LIBRARY_PATH").unwrap_or_default();
            in_child(
                "device::tests::real::a_wild_kernel_is_a_fault_and_no_crash",
                Path::new(&library_path),
                "",
                &[],
            );
        }
        return;
    }
    let device = CudaDevice::open(0).unwrap();
    let Some(kernel) = load(&device, "wild") else { return };
    let buffer = device.alloc(8).unwrap();
    device.launch(&kernel, 1, 1, 0, &[DeviceArg::Buffer(&buffer)]).unwrap();
    let error = device.synchronize().unwrap_err();
    assert!(matches!(error, DeviceError::KernelFault { .. }), "{error}");
}
