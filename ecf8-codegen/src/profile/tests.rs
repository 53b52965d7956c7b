//! Small kernels whose counts are known beforehand.

use super::gpus::GPUS;
use super::predict::{Resource, predict};
use super::{Class, Counts, Profile, profile};
use crate::ir::{BuildErrors, Kernel};
use crate::lang::{Global, GlobalMut, barrier, kernel, shared, thread_idx};
use crate::launch::{Arg, Launch, OutputSlot};

const THREADS: u32 = 64;

/// Runs a kernel of one input and one output of 32 bytes per thread, two blocks.
fn run(kernel: Result<Kernel, BuildErrors>) -> Profile {
    let bytes = 32 * THREADS;
    let launch = Launch {
        grid: 2,
        dynamic_shared_bytes: 0,
        args: vec![Arg::Input(vec![1; bytes as usize].into()), Arg::Output(0)],
        outputs: vec![OutputSlot::whole(bytes.into())],
    };
    profile(&kernel.unwrap(), &launch, Some(1)).unwrap()
}

#[kernel(threads = 64)]
fn beyond_all_memory(output: GlobalMut<u32>) {
    let array = shared::<u8>(64_u32);
    let thread = thread_idx();
    let far = 18_446_744_073_709_551_615_u64 - (thread as u64);
    output[thread] = array[far] as u32;
}

#[test]
fn an_address_beyond_all_memory_is_the_kernels_fault_and_no_panic() {
    let launch = Launch {
        grid: 1,
        dynamic_shared_bytes: 0,
        args: vec![Arg::Output(0)],
        outputs: vec![OutputSlot::whole(256)],
    };
    let error = profile(&beyond_all_memory().unwrap(), &launch, None).unwrap_err();
    assert!(error.to_string().contains("array[18446744073709551615] is out of bounds"), "{error}");
}

/// Instructions of a class that one warp issues.
fn per_warp(profile: &Profile, class: Class) -> f64 {
    profile.issued.get(class) / 2.0
}

#[kernel(threads = 64)]
fn copy_strided(stride: u32, input: Global<u32>, output: GlobalMut<u32>) {
    let i = thread_idx();
    output[i] = input[i * stride];
}

#[test]
fn coalesced_loads_move_the_fewest_sectors_and_strided_ones_a_sector_each() {
    let near = run(copy_strided(1));
    assert_eq!((near.global_loads.sectors, near.global_loads.fewest_sectors), (8, 8));
    let far = run(copy_strided(8));
    assert_eq!((far.global_loads.sectors, far.global_loads.fewest_sectors), (64, 8));
    for profile in [near, far] {
        assert_eq!((profile.global_stores.sectors, profile.global_stores.fewest_sectors), (8, 8));
        assert_eq!(profile.trace.output_bytes, 4 * 64);
        assert_eq!(per_warp(&profile, Class::GlobalLoad), 1.0);
        assert_eq!(per_warp(&profile, Class::GlobalStore), 1.0);
        assert_eq!(profile.active_lanes, 1.0);
    }
}

#[kernel(threads = 64)]
fn copy_by_vectors(input: Global<u32>, output: GlobalMut<u32>) {
    let i = thread_idx();
    output.store4(i, input.load4(i));
}

#[test]
fn a_vector_is_one_instruction_and_sixteen_bytes_a_lane() {
    let profile = run(copy_by_vectors());
    assert_eq!(per_warp(&profile, Class::GlobalLoad), 1.0);
    assert_eq!(per_warp(&profile, Class::GlobalStore), 1.0);
    assert_eq!((profile.global_stores.sectors, profile.global_stores.fewest_sectors), (32, 32));
    assert_eq!(profile.trace.output_bytes, 16 * 64);
    assert_eq!(profile.dram_bytes, 2 * 16 * 64);
}

#[kernel(threads = 64)]
fn through_shared(stride: u32, input: Global<u32>, output: GlobalMut<u32>) {
    let staged = shared::<u32>(64 * stride);
    let i = thread_idx();
    staged[i * stride] = input[i];
    barrier();
    output[i] = staged[i * stride];
}

#[test]
fn bank_conflicts_grow_with_the_stride_and_barriers_are_counted_per_block() {
    for (stride, passes) in [(1, 1), (2, 2), (3, 1), (32, 32)] {
        let profile = run(through_shared(stride));
        // Two warps store and load once each.
        assert_eq!(profile.shared.accesses, 4, "stride {stride}");
        assert_eq!(profile.shared.wavefronts, 4 * passes, "stride {stride}");
        assert_eq!(profile.shared.fewest_wavefronts, 4, "stride {stride}");
        assert_eq!(profile.barriers_per_block, 1.0);
        assert_eq!(per_warp(&profile, Class::Barrier), 1.0);
    }
}

/// Each thread of the lower half of every warp does much, the others nothing.
#[kernel(threads = 64)]
fn diverge(lanes: u32, input: Global<u32>, output: GlobalMut<u32>) {
    let i = thread_idx();
    if (i & 31) < lanes {
        for round in 0..16 {
            output[i * 8 + (round & 7)] = input[i * 8 + (round & 7)] * 3;
        }
    }
}

#[test]
fn a_branch_costs_a_warp_as_much_for_one_lane_as_for_all_and_nothing_for_none() {
    let (all, half, none) = (run(diverge(32)), run(diverge(16)), run(diverge(0)));
    assert_eq!(all.issued, half.issued);
    assert!(half.active_lanes < 0.6 && half.active_lanes > 0.5, "{}", half.active_lanes);
    assert_eq!(none.issued.get(Class::GlobalStore), 0.0);
    assert!(none.issued.total() < all.issued.total() / 4.0);
}

#[kernel(threads = 64)]
fn add_wide(input: Global<u64>, output: GlobalMut<u64>) {
    let i = thread_idx();
    output[i] = input[i] + 5;
}

#[kernel(threads = 64)]
fn add_narrow(input: Global<u32>, output: GlobalMut<u32>) {
    let i = thread_idx();
    output[i] = input[i] + 5;
}

#[test]
fn a_sum_of_64_bits_is_two_instructions() {
    let integers = |profile: Profile| per_warp(&profile, Class::Integer);
    assert_eq!(integers(run(add_wide())) - integers(run(add_narrow())), 1.0);
}

#[kernel(threads = 64)]
fn fused(input: Global<u32>, output: GlobalMut<u32>) {
    let i = thread_idx();
    let x = input[i];
    output[i] = (((x & 0xff) | (x >> 8)) ^ 3) + (x << 4);
}

#[test]
fn logic_of_three_inputs_is_one_instruction_and_so_are_a_shift_and_a_sum() {
    let (plain, fused) = (run(add_narrow()), run(fused()));
    // `(x & 0xff) | (x >> 8)` and `^ 3` take two instructions in all, and the sum takes the shift with it.
    assert_eq!(per_warp(&fused, Class::Integer) - per_warp(&plain, Class::Integer), 2.0);
    assert_eq!(per_warp(&fused, Class::Shift), 1.0);
}

#[kernel(threads = 64)]
fn goes_round(input: Global<u32>, output: GlobalMut<u32>) {
    let i = thread_idx();
    let x = input[i];
    let mut sum: u32 = 0;
    let mut n: u32 = 0;
    while n < (x & 0xff) * 2000 {
        sum += x * 77;
        n += 1;
    }
    output[i] = sum;
}

#[test]
fn a_loops_condition_and_body_are_counted_in_every_round_and_a_product_with_its_sum_is_one_instruction() {
    let profile = run(goes_round());
    // Every byte of the input is 1.
    let rounds =
        profile.trace.statements.iter().map(|statement| statement.rounds).max().unwrap() as f64 / 2.0;
    assert_eq!(rounds, 2000.0);
    let counted = [Class::Multiply, Class::Integer, Class::Compare, Class::Branch]
        .map(|class| (per_warp(&profile, class) / rounds).round());
    // The condition masks, multiplies and compares; the body sums twice, once with a product; and a jump.
    assert_eq!(counted, [1.0, 3.0, 1.0, 1.0]);
}

#[test]
fn statements_add_up_to_the_whole() {
    let profile = run(diverge(16));
    let sum = profile.statements.iter().fold(Counts::NONE, |sum, &counts| sum + counts);
    assert!((sum.total() - profile.issued.total()).abs() < 1e-9);
    assert!(
        (profile.instructions_per_byte() - profile.issued.total() * 32.0 / profile.trace.output_bytes as f64)
            .abs()
            < 1e-9
    );
}

/// A profile of given counts that makes a megabyte of output.
fn made_up(issued: Counts, dram_bytes: u64, wavefronts: u64) -> Profile {
    let mut profile = run(copy_strided(1));
    profile.trace.output_bytes = 1_000_000;
    profile.issued = issued;
    profile.dram_bytes = dram_bytes;
    profile.global_loads.wavefronts = 0;
    profile.global_stores.wavefronts = 0;
    profile.shared.wavefronts = wavefronts;
    profile.threads = 256;
    profile
}

#[test]
fn the_busiest_resource_limits_the_prediction() {
    let h200 = &GPUS[0];
    assert_eq!(h200.name, "H200");
    let memory = predict(&made_up(Counts::NONE, 1_830_000, 0), h200).unwrap();
    assert_eq!(memory.limited_by, Resource::Memory);
    assert!((memory.gb_per_s - 4300.0 / 1.83).abs() < 1e-6);
    // A wavefront per multiprocessor and clock.
    let shared = predict(&made_up(Counts::NONE, 0, 1_000_000), h200).unwrap();
    assert_eq!(shared.limited_by, Resource::SharedMemory);
    assert!((shared.gb_per_s - 132.0 * 1.98).abs() < 1e-6);
    // Four instructions per clock, of which two may be for the integer lanes.
    let issue = predict(&made_up(Counts::of(Class::Multiply, 1e6), 0, 0), h200).unwrap();
    assert_eq!(issue.limited_by, Resource::Issue);
    assert!((issue.gb_per_s - 4.0 * 132.0 * 1.98).abs() < 1e-6);
    let integer = predict(&made_up(Counts::of(Class::Integer, 1e6), 0, 0), h200).unwrap();
    assert_eq!(integer.limited_by, Resource::Integer);
    assert!((integer.gb_per_s - 2.0 * 132.0 * 1.98).abs() < 1e-6);
}

#[test]
fn what_does_not_fit_has_no_prediction_and_few_warps_mean_latency() {
    let h200 = &GPUS[0];
    let mut profile = made_up(Counts::of(Class::SharedLoad, 1e6), 0, 0);
    profile.shared_bytes = 200 * 1024;
    let one_block = predict(&profile, h200).unwrap();
    assert_eq!((one_block.warps, one_block.limited_by), (8, Resource::Latency));
    profile.shared_bytes = 300 * 1024;
    assert!(predict(&profile, h200).is_none());
}

#[test]
fn gpu_figures_are_plausible_and_named_with_their_sources() {
    for gpu in GPUS {
        assert!(!gpu.source.is_empty() && !gpu.key.contains(' '), "{}", gpu.name);
        assert!((0.8..3.0).contains(&gpu.clock_ghz), "{}", gpu.name);
        assert!(
            gpu.bandwidth() < gpu.peak_gb_per_s && gpu.bandwidth() > 0.8 * gpu.peak_gb_per_s,
            "{}",
            gpu.name
        );
        assert!(gpu.threads.is_multiple_of(32) && (64..=128).contains(&gpu.integer_lanes), "{}", gpu.name);
        assert_eq!(GPUS.iter().filter(|other| other.key == gpu.key).count(), 1);
    }
}
