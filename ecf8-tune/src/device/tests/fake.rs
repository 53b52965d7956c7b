//! Every call of the device path, in a child process on `fake_driver.c`.

use super::graph::count;
use super::*;

/// The name that the dynamic loader knows the driver by.
pub(crate) const LIBRARY: &str = "libcuda.so.1";

/// The folder of a library of this name compiled from `source`, or `None` after saying that there is no C compiler.
pub(crate) fn compile(source: &str, name: &str) -> Option<tempfile::TempDir> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fake.c");
    std::fs::write(&file, source).unwrap();
    let library = folder.path().join(name);
    let output = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&file).output();
    let Ok(output) = output else {
        eprintln!("skipped: no C compiler called cc to make a fake {name} with");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(folder)
}

fn on_fake_driver(test: &str, trouble: &str) {
    run(&format!("device::tests::fake::{test}"), trouble);
}

/// Runs the test of this path in a process of its own, which has the fake driver with this trouble.
pub(crate) fn run(test: &str, trouble: &str) {
    run_with(test, trouble, &[]);
}

/// The same with environment variables.
pub(crate) fn run_with(test: &str, trouble: &str, variables: &[(&str, &Path)]) {
    if let Some(folder) = compile(include_str!("fake_driver.c"), LIBRARY) {
        in_child(test, folder.path(), trouble, variables);
    }
}

/// Runs the test of this path in a process of its own, whose fake driver lacks all functions for graphs.
pub(crate) fn run_without_graphs(test: &str) {
    run_without("GRAPHS", test);
}

/// Runs the test of this path in a process of its own, whose fake driver lacks all functions for this.
fn run_without(what: &str, test: &str) {
    let source = format!("#define NO_{what}\n{}", include_str!("fake_driver.c"));
    if let Some(folder) = compile(&source, LIBRARY) {
        in_child(test, folder.path(), "", &[]);
    }
}

/// An ELF header of a cubin with no segments or sections, which is all that the fake driver wants.
pub(crate) fn cubin() -> Vec<u8> {
    let mut cubin = vec![0; 64];
    cubin[..6].copy_from_slice(b"\x7fELF\x02\x01");
    cubin[18] = 190;
    cubin
}

#[test]
fn a_round_trip_uploads_launches_times_and_downloads() {
    if !is_child() {
        on_fake_driver("a_round_trip_uploads_launches_times_and_downloads", "");
        return on_fake_driver("a_round_trip_uploads_launches_times_and_downloads", "no pools");
    }
    let device = CudaDevice::open(0).unwrap();
    let info = device.info();
    assert_eq!(
        (info.name.as_str(), info.arch.to_string().as_str(), info.sm_count),
        ("Fake H1", "sm_90", 132)
    );
    assert_eq!(
        (info.clock_khz, info.memory_clock_khz, info.driver_cuda.to_string().as_str()),
        (None, None, "13.0")
    );
    assert_eq!(devices().unwrap(), std::slice::from_ref(info));

    let kernel = device.load(&cubin(), "flip").unwrap();
    let needs = FunctionNeeds { registers: 40, shared_bytes: 1024, local_bytes: 16, max_threads: 512 };
    assert_eq!(kernel.needs(), needs);
    let bytes: Vec<u8> = (0..=255).collect();
    let input = device.upload(&bytes).unwrap();
    let mut output = device.alloc(300).unwrap();
    device.fill(&mut output, 9).unwrap();
    let args =
        [DeviceArg::Buffer(&input), DeviceArg::Buffer(&output), DeviceArg::U64(256), DeviceArg::U32(0x5a)];
    let times = device.time(3, |_| device.launch(&kernel, 1, 256, 0, &args)).unwrap();
    assert_eq!(times, [2.0, 2.0, 2.0]);
    device.synchronize().unwrap();
    let mut back = vec![0; 300];
    device.download(&output, &mut back).unwrap();
    assert!(back[..256].iter().zip(&bytes).all(|(b, a)| *b == a ^ 0x5a));
    assert!(back[256..].iter().all(|b| *b == 9));

    device.launch(&kernel, 1, 256, 100 * 1024, &args).expect("it opts in to more than 48 KiB");
    device.launch(&kernel, 1, 256, 60 * 1024, &args).expect("what was allowed stays allowed");
    assert!(device.launch(&kernel, 1, 256, 0, &args[..3]).is_err(), "the fake driver counts the parameters");

    let copies = device.copy_bandwidth(4096, 3).unwrap();
    assert_eq!((copies.bytes, copies.samples_ms.len()), (4096, 3));
}

#[test]
fn everything_happens_on_the_stream_of_the_caller() {
    if !is_child() {
        return on_fake_driver("everything_happens_on_the_stream_of_the_caller", "own stream");
    }
    let device = CudaDevice::open(0).unwrap();
    assert!(device.upload(&[1]).is_err(), "this driver wants another stream than the default");
    // SAFETY: the fake driver knows this handle.
    let device = unsafe { device.on_stream(std::ptr::without_provenance_mut(64)) };
    let kernel = device.load(&cubin(), "flip").unwrap();
    let input = device.upload(&[1, 2, 3, 4]).unwrap();
    let mut output = device.alloc(8).unwrap();
    device.fill(&mut output, 9).unwrap();
    let args = [DeviceArg::Buffer(&input), DeviceArg::At(&output, 2), DeviceArg::U64(4), DeviceArg::U32(0)];
    device.launch(&kernel, 1, 32, 0, &args).unwrap();
    device.copy_part(&input, 1..3, &mut output, 6).unwrap();
    let mark = device.mark().unwrap();
    device.wait(&mark).unwrap();
    let mut back = [0; 8];
    device.download(&output, &mut back).unwrap();
    assert_eq!(back, [9, 9, 1, 2, 3, 4, 2, 3]);
}

#[test]
fn uploads_go_through_a_ring_of_pinned_memory_that_is_waited_for_only_where_it_is_used_again() {
    const TEST: &str =
        "uploads_go_through_a_ring_of_pinned_memory_that_is_waited_for_only_where_it_is_used_again";
    if !is_child() {
        on_fake_driver(TEST, "late");
        return run_without("PINNING", &format!("device::tests::fake::{TEST}"));
    }
    let device = CudaDevice::open(0).unwrap();
    let is_pinned = trouble() == "late";
    let byte = |at: usize| ((at * at + 7 * at) >> 8).to_le_bytes()[0];
    let fill = |from: usize, out: &mut [u8]| {
        (from..).zip(out).for_each(|(at, to)| *to = byte(at));
    };
    let counts = || ["fake_waits", "fake_event_waits", "fake_pinned"].map(count);
    // Without the trouble its memory is too small for more.
    let large = if is_pinned { (40 << 20) + 12_345 } else { 1 << 20 };
    let sizes = [3, 0, 5000, large, 17];
    let buffers = sizes.map(|bytes| device.upload_with(bytes, &fill).unwrap());
    let (waits, slots) = if is_pinned { (2, 4) } else { (0, 0) };
    // Four slots of 8 MiB are 32 of the 40 and some.
    assert_eq!(counts(), [0, waits, slots]);
    assert_eq!(usize::try_from(count("fake_uploaded")), Ok(sizes.iter().sum()));
    let reason = (!is_pinned).then_some(DeviceError::DriverTooOld { function: "cuMemFreeHost" });
    assert_eq!(device.pageable(), reason);
    device.settle().unwrap();
    assert_eq!(counts(), [1, waits, 0], "nothing is kept");
    for (buffer, bytes) in buffers.iter().zip(sizes) {
        let (mut found, mut wanted) = (vec![0; bytes], vec![0; bytes]);
        device.download(buffer, &mut found).unwrap();
        fill(0, &mut wanted);
        assert!(found == wanted, "{bytes} bytes");
    }
}

#[test]
fn borrowed_memory_is_used_in_place_and_left_to_its_owner() {
    if !is_child() {
        return on_fake_driver("borrowed_memory_is_used_in_place_and_left_to_its_owner", "");
    }
    let device = CudaDevice::open(0).unwrap();
    let owner = device.upload(&[5; 8]).unwrap();
    // SAFETY: the memory is there, and nobody else uses it meanwhile.
    let mut borrowed = unsafe { device.borrow(owner.device_address(), 4) };
    assert_eq!((borrowed.len(), borrowed.device_address()), (4, owner.device_address()));
    device.fill(&mut borrowed, 7).unwrap();
    drop(borrowed);
    let mut back = [0; 8];
    device.download(&owner, &mut back).unwrap();
    assert_eq!(back, [7, 7, 7, 7, 5, 5, 5, 5]);
}

#[test]
fn sizes_and_limits_are_checked_before_the_driver_is_asked() {
    if !is_child() {
        return on_fake_driver("sizes_and_limits_are_checked_before_the_driver_is_asked", "");
    }
    let device = CudaDevice::open(0).unwrap();
    assert_eq!(CudaDevice::open(1).map(|_| ()), Err(DeviceError::NoSuchDevice { ordinal: 1, count: 1 }));

    let empty = device.upload(&[]).unwrap();
    assert!(empty.is_empty());
    device.download(&empty, &mut []).unwrap();
    let mut small = device.alloc(4).unwrap();
    assert!(matches!(device.download(&small, &mut [0; 5]), Err(DeviceError::SizeMismatch { .. })));
    let large = device.alloc(5).unwrap();
    assert!(matches!(device.copy(&large, &mut small), Err(DeviceError::SizeMismatch { .. })));
    for (part, start) in [(0..6, 0), (0..4, 1), (4..5, usize::MAX)] {
        let copied = device.copy_part(&large, part, &mut small, start);
        assert!(matches!(copied, Err(DeviceError::SizeMismatch { .. })));
    }
    device.copy_part(&large, 5..5, &mut small, 4).unwrap();
    let too_much = DeviceError::OutOfMemory { ordinal: 0, bytes: 2 << 20, free: 1000, total: 1 << 20 };
    assert_eq!(device.alloc(2 << 20).map(|_| ()), Err(too_much));

    let kernel = device.load(&cubin(), "flip").unwrap();
    for (grid, threads, shared, what) in [
        (0, 32, 0, "0 blocks"),
        (1 << 31, 32, 0, "2147483648 blocks"),
        (1, 0, 0, "0 threads per block"),
        (1, 513, 0, "513 threads per block"),
        (1, 32, 226 * 1024 + 1, "231425 bytes of dynamic shared memory"),
    ] {
        let text = device.launch(&kernel, grid, threads, shared, &[]).unwrap_err().to_string();
        assert!(text.contains(what) && text.starts_with("flip can't be launched"), "{text}");
    }
    assert_eq!(
        device.load(&cubin(), "nor").map(|_| ()),
        Err(DeviceError::NoEntry { entry: "nor".to_owned() })
    );
    assert!(matches!(device.load(&cubin(), "a\0b"), Err(DeviceError::NoEntry { .. })));
    let beyond = [DeviceArg::Buffer(&small), DeviceArg::At(&small, 5), DeviceArg::U64(1), DeviceArg::U32(1)];
    assert!(matches!(
        device.launch(&kernel, 1, 32, 0, &beyond),
        Err(DeviceError::SizeMismatch { given: 5, room: 4, .. })
    ));
    assert!(matches!(device.load(&cubin()[..60], "flip"), Err(DeviceError::BadCubin { .. })));
}

#[test]
fn arguments_are_counted_against_the_parameters_in_the_cubin() {
    if !is_child() {
        return on_fake_driver("arguments_are_counted_against_the_parameters_in_the_cubin", "");
    }
    let nvrtc = match crate::nvrtc::Nvrtc::find() {
        Ok(nvrtc) => nvrtc,
        Err(error) => return eprintln!("skipped: {error}"),
    };
    let device = CudaDevice::open(0).unwrap();
    let source = r#"extern "C" __global__ void
        flip(const char* in, char* out, unsigned long long n, unsigned int key) { out[n] = in[n] ^ key; }"#;
    let request =
        crate::nvrtc::CompileRequest { name: "flip.cu", source, arch: device.info().arch, options: &[] };
    let kernel = device.load(&nvrtc.compile(&request).unwrap().image, "flip").unwrap();
    let buffer = device.alloc(8).unwrap();
    let args = [
        DeviceArg::Buffer(&buffer),
        DeviceArg::Buffer(&buffer),
        DeviceArg::U64(8),
        DeviceArg::U32(1),
        DeviceArg::U32(1),
    ];
    let launch = |args: &[DeviceArg<'_>]| device.launch(&kernel, 1, 32, 0, args);
    launch(&args[..4]).unwrap();
    let wrong = |given| Err(DeviceError::Arguments { entry: "flip".to_owned(), given, expected: 28 });
    assert_eq!(launch(&args[..3]), wrong(24));
    assert_eq!(launch(&args), wrong(32));
    assert_eq!(launch(&[args[0], args[1], args[2], args[2]]), wrong(32));
}

#[test]
fn a_cubin_for_another_gpu_says_what_to_compile_for() {
    if !is_child() {
        // Not for this GPU, invalid PTX, PTX of an unsupported version, and not supported, which is what drivers say to
        // machine code of a format that they do not know.
        for code in [200, 209, 218, 221, 222, 223, 300, 801] {
            let test = "a_cubin_for_another_gpu_says_what_to_compile_for";
            on_fake_driver(test, &format!("cuda 12.4,load {code}"));
        }
        return;
    }
    let text = CudaDevice::open(0).unwrap().load(&cubin(), "flip").unwrap_err().to_string();
    assert!(text.contains("does not fit cuda:0 (sm_90, driver for CUDA 12.4; CUDA"), "{text}");
    assert!(text.contains("fake words") && text.contains("`pip install nvidia-cuda-nvrtc-cu12`"), "{text}");
    assert_eq!(count("fake_modules"), 0);
}

#[test]
fn a_result_code_that_nobody_has_heard_of_is_an_error_with_its_number() {
    if !is_child() {
        return on_fake_driver(
            "a_result_code_that_nobody_has_heard_of_is_an_error_with_its_number",
            "unheard of",
        );
    }
    let error = CudaDevice::open(0).unwrap().synchronize().unwrap_err();
    assert!(matches!(&error, DeviceError::Driver { reason, .. } if reason == "CUDA error 4242"), "{error}");
}

#[test]
fn what_a_kernel_may_have_is_set_when_it_is_loaded_and_launches_only_ask_for_more_shared_memory() {
    const TEST: &str =
        "what_a_kernel_may_have_is_set_when_it_is_loaded_and_launches_only_ask_for_more_shared_memory";
    if !is_child() {
        return on_fake_driver(TEST, "any kernel");
    }
    let device = CudaDevice::open(0).unwrap();
    let kernel = device.load(&cubin(), "flip").unwrap();
    let counts = || ["fake_attributes", "fake_carve_out"].map(count);
    assert_eq!(counts(), [1, 0]);
    // Registers are enough for three blocks of 512 threads, and each has 1 KiB of its own and 1 KiB of the driver's. A
    // multiprocessor of the fake GPU has 228 KiB.
    for (dynamic, wanted) in
        [(0, [2, 3]), (8 << 10, [3, 14]), (0, [3, 14]), (100 << 10, [4, 100]), (60 << 10, [4, 100])]
    {
        device.launch(&kernel, 1, 512, dynamic, &[]).unwrap();
        assert_eq!(counts(), wanted, "{dynamic}");
    }
    std::thread::scope(|scope| {
        for dynamic in [1 << 10, 226 << 10, 60 << 10, 226 << 10] {
            let (device, kernel) = (&device, &kernel);
            scope.spawn(move || {
                (0..100).for_each(|_| device.launch(kernel, 1, 512, dynamic, &[]).unwrap());
            });
        }
    });
}

#[test]
fn a_kernel_that_faults_is_told_from_a_refused_call() {
    if !is_child() {
        return on_fake_driver("a_kernel_that_faults_is_told_from_a_refused_call", "fault");
    }
    let device = CudaDevice::open(0).unwrap();
    let kernel = device.load(&cubin(), "flip").unwrap();
    let buffer = device.alloc(8).unwrap();
    let args = [DeviceArg::Buffer(&buffer), DeviceArg::Buffer(&buffer), DeviceArg::U64(8), DeviceArg::U32(1)];
    device.launch(&kernel, 1, 32, 0, &args).unwrap();
    let error = device.download(&buffer, &mut [0; 8]).unwrap_err();
    assert!(matches!(error, DeviceError::KernelFault { .. }), "{error}");
    assert!(error.to_string().contains("CUDA_ERROR_ILLEGAL_ADDRESS, fake words"), "{error}");
}

#[test]
fn a_driver_that_does_not_start_says_why() {
    if !is_child() {
        for trouble in ["no gpu", "stub", "mismatch"] {
            on_fake_driver("a_driver_that_does_not_start_says_why", trouble);
        }
        return;
    }
    let text = CudaDevice::open(0).unwrap_err().to_string();
    let expected = match trouble().as_str() {
        "no gpu" => "no NVIDIA GPU is visible",
        "stub" => "the CUDA toolkit's stub",
        _ => "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, fake words",
    };
    assert!(text.contains(expected), "{text}");
}
