//! Small kernels whose counts are known beforehand.

use super::gpus::GPUS;
use super::predict::{Prediction, Resource, predict};
use super::{Class, Counts, Profile, Registers, profile, registers};
use crate::emulator::BlockTrace;
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

#[kernel(threads = 64)]
fn four_loads(input: Global<u32>, output: GlobalMut<u32>) {
    let i = thread_idx();
    let (a, b, c, d) = (input[i], input[i + 64], input[i + 128], input[i + 192]);
    output[i] = a + b + c + d;
}

#[kernel(threads = 64)]
fn four_loads_in_a_row(input: Global<u32>, output: GlobalMut<u32>) {
    let i = thread_idx();
    let a = input[i];
    let b = input[i + 64 + (a & 1)];
    let c = input[i + 128 + (b & 1)];
    output[i] = input[i + 192 + (c & 1)];
}

/// The longest chain of a block.
fn chain(profile: &Profile) -> f64 {
    profile.trace.each_block.iter().map(|block| block.chain).fold(0.0, f64::max)
}

#[test]
fn loads_that_depend_on_each_other_take_one_after_the_other_and_others_at_once() {
    let (apart, chained) = (chain(&run(four_loads())), chain(&run(four_loads_in_a_row())));
    assert!((480.0..700.0).contains(&apart), "{apart}");
    assert!((4.0 * 480.0..4.0 * 480.0 + 200.0).contains(&chained), "{chained}");
}

/// A value is loaded before `rounds` rounds of a loop and stored after them.
#[kernel(threads = 64)]
fn loads_ahead(rounds: u32, input: Global<u32>, output: GlobalMut<u32>) {
    let i = thread_idx();
    let early = input[i];
    let mut sum: u32 = 0;
    let mut n: u32 = 0;
    while n < rounds {
        sum = (sum ^ i) * 77;
        n += 1;
    }
    output[i] = early + sum;
}

#[test]
fn what_is_loaded_ahead_costs_nothing_once_there_is_enough_to_do_meanwhile() {
    let [none, some, many, more] = [0, 10, 100, 200].map(|rounds| chain(&run(loads_ahead(rounds))));
    assert!(some - none < 20.0, "{none} {some}");
    let per_round = (more - many) / 100.0;
    assert!((10.0..40.0).contains(&per_round) && (many - 100.0 * per_round).abs() < 100.0, "{many} {more}");
}

#[kernel(threads = 64)]
fn one_warp_stores(input: Global<u32>, output: GlobalMut<u32>) {
    let i = thread_idx();
    let x = input[i];
    if i < 32 {
        output[i] = x;
    }
}

#[test]
fn only_warps_that_store_work() {
    assert!(run(one_warp_stores()).trace.each_block.iter().all(|block| block.working_warps == 1));
    assert!(run(copy_strided(1)).trace.each_block.iter().all(|block| block.working_warps == 2));
}

#[kernel(threads = 64)]
fn many_at_once(vectors: u32, input: Global<u32>, output: GlobalMut<u32>) {
    let i = thread_idx();
    let loaded: Vec<_> = (0..vectors).map(|_| input.load4(i)).collect();
    for vector in loaded {
        output.store4(i, vector);
    }
}

#[test]
fn registers_are_estimated_from_what_is_alive_at_once() {
    let count = |vectors| registers::estimate(&many_at_once(vectors).unwrap()).count();
    assert_eq!((count(8) - count(4), count(80)), (16, 255));
}

/// A launch of `grid` blocks of 8 working warps that each do `block`, of 2 MB of output and `dram_bytes` of traffic.
fn made_up(grid: u32, block: BlockTrace, dram_bytes: u64) -> Profile {
    let mut profile = run(copy_strided(1));
    let block = BlockTrace { working_warps: 8, sectors: 10_000, ..block };
    profile.trace.grid = grid;
    profile.trace.each_block = vec![block];
    profile.launch_bytes = 2_000_000;
    // That of the one block that was run.
    profile.dram_bytes = dram_bytes / u64::from(grid);
    profile.threads = 256;
    profile.registers = Registers::Estimated(32);
    profile
}

fn on_h200(profile: &Profile) -> Prediction {
    assert_eq!(GPUS[0].name, "H200");
    predict(profile, &GPUS[0], profile.registers).unwrap()
}

#[test]
fn the_busiest_resource_limits_the_prediction_from_below() {
    // Eight blocks on each multiprocessor, eight times over.
    let grid = 64 * 132;
    let busy = BlockTrace { chain: 1000.0, ..BlockTrace::default() };
    let cases = [
        (BlockTrace { passes: 1000, ..busy }, Resource::SharedMemory, 64.0 * 1000.0),
        (BlockTrace { issued: 4000.0, ..busy }, Resource::Issue, 64.0 * 1000.0),
        (BlockTrace { issued: 1000.0, integer: 2000.0, ..busy }, Resource::Integer, 64.0 * 1000.0),
        (busy, Resource::Latency, 8.0 * 1000.0),
    ];
    for (block, limit, least) in cases {
        let prediction = on_h200(&made_up(grid, block, 0));
        assert_eq!((prediction.limited_by, prediction.blocks_per_sm), (limit, 8));
        let over = prediction.cycles / least;
        assert!((1.0 - 1e-6..1.1).contains(&over), "{limit:?}: {over}");
    }
    let memory = on_h200(&made_up(grid, busy, 900_000_000));
    assert_eq!(memory.limited_by, Resource::Memory);
    assert!((memory.nanoseconds / (900_000_000.0 / 4300.0) - 1.0).abs() < 1e-2, "{}", memory.nanoseconds);
}

#[test]
fn a_launch_has_the_warps_of_its_grid_and_a_tail() {
    let block = BlockTrace { chain: 1000.0, ..BlockTrace::default() };
    let small = on_h200(&made_up(66, block, 0));
    assert_eq!((small.warps_per_sm, small.cycles.round()), (4.0, 1000.0));
    let full = on_h200(&made_up(8 * 132, block, 0));
    assert_eq!((full.warps_per_sm, full.waves, full.cycles.round()), (64.0, 1.0, 1000.0));
    let one_more = on_h200(&made_up(8 * 132 + 1, block, 0));
    assert_eq!(one_more.cycles.round(), 2000.0);
}

#[test]
fn registers_and_shared_memory_say_how_many_blocks_fit() {
    let mut profile = made_up(8 * 132, BlockTrace { chain: 1000.0, ..BlockTrace::default() }, 0);
    profile.registers = Registers::Compiled(64);
    let by_registers = on_h200(&profile);
    assert_eq!(
        (by_registers.blocks_per_sm, by_registers.waves, by_registers.cycles.round()),
        (4, 2.0, 2000.0)
    );
    profile.shared_bytes = 200 * 1024;
    assert_eq!(on_h200(&profile).blocks_per_sm, 1);
    profile.shared_bytes = 300 * 1024;
    assert!(predict(&profile, &GPUS[0], profile.registers).is_none());
}

#[test]
fn work_shared_by_more_warps_takes_a_small_launch_less_time_and_a_large_one_no_more() {
    let whole = BlockTrace { chain: 64_000.0, issued: 72_000.0, passes: 24_000, ..BlockTrace::default() };
    let half = BlockTrace { chain: 32_000.0, issued: 36_000.0, passes: 12_000, ..BlockTrace::default() };
    let gain = |grid| on_h200(&made_up(grid, whole, 0)).cycles / on_h200(&made_up(2 * grid, half, 0)).cycles;
    assert!(gain(66) > 1.9, "{}", gain(66));
    assert!((0.95..1.3).contains(&gain(132 * 64)), "{}", gain(132 * 64));
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
