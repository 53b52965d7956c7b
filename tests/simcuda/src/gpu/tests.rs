//! What kernels may and may not do, each in a few lines of PTX.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use rand::SeedableRng;
use std::collections::HashMap;

use super::*;
use crate::ptx::Module;

/// A kernel of this body, whose threads find the address of the output in `%rd1`, their number in `%r1`, four times that
/// in `%r2`, and where their word is in the output in `%rd2`.
fn kernel(body: &str) -> Kernel {
    let text = format!(
        ".version 8.0\n.target sm_90\n.address_size 64\n.global .align 4 .b8 table[8] = {{1, 2, 3, 4, 5}};\n\
         .visible .entry k(.param .u64 k_param_0)\n.maxntid 128, 1, 1\n{{\n.reg .pred %p<9>; .shared .align 4 .b8 s[512];\n\
         ld.param.u64 %rd1, [k_param_0];\nmov.u32 %r1, %tid.x;\nshl.b32 %r2, %r1, 2;\ncvt.u64.u32 %rd3, %r2;\n\
         add.s64 %rd2, %rd1, %rd3;\n{body}\nret;\n}}\n"
    );
    let module = Module::parse(&text).unwrap();
    module.kernels(&HashMap::from([("table", 1 << 39)])).unwrap().remove(0)
}

/// Runs it with as many blocks and threads, on an output of 128 words that are set to 7; the words afterwards.
fn run(body: &str, grid: u32, threads: u32) -> Result<Vec<u32>, Fault> {
    let kernel = kernel(body);
    let mut gpu = Gpu::new(Memory::from(1 << 39));
    gpu.memory.table(vec![1, 2, 3, 4, 5, 0, 0, 0]);
    let output = gpu.memory.allocate(512);
    let (bytes, set) = gpu.memory.get_mut(output, 512).unwrap();
    bytes.copy_from_slice(&[7, 0, 0, 0].repeat(128));
    set.fill(true);
    let parameters = output.to_le_bytes();
    let launch = Launch { kernel: &kernel, grid, threads, dynamic_shared: 0, parameters: &parameters };
    for seed in 0..8 {
        gpu.run(&launch, &mut Random::seed_from_u64(seed))?;
    }
    let (bytes, _) = gpu.memory.get(output, 512).unwrap();
    Ok(bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect())
}

#[track_caller]
fn faults(body: &str, kind: Kind, words: &str) {
    let fault = run(body, 1, 64).unwrap_err();
    assert!(fault.kind == kind && fault.to_string().contains(words), "{fault}");
}

#[test]
fn a_block_exchanges_words_through_shared_memory() {
    let body = "st.shared.u32 [%r2], %r1;\nbar.sync 0;\nxor.b32 %r3, %r2, 252;\nld.shared.u32 %r4, [%r3];\n\
                st.global.u32 [%rd2], %r4;";
    let words = run(body, 1, 64).unwrap();
    assert!((0..64).all(|at| words[at] == 63 - u32::try_from(at).unwrap()) && words[64..] == [7; 64]);
    let without = body.replace("bar.sync 0;", "");
    faults(&without, Kind::Undefined, "shared memory that the block has not set");
    // The warp's barrier does not order two warps.
    faults(&body.replace("bar.sync 0;", "bar.warp.sync -1;"), Kind::Undefined, "block");
}

#[test]
fn a_warp_exchanges_words_by_its_own_barrier_and_by_shuffles() {
    let body = "st.shared.u32 [%r2], %r1;\nbar.warp.sync -1;\nxor.b32 %r3, %r2, 4;\nld.shared.u32 %r4, [%r3];\n\
                shfl.sync.bfly.b32 %r5|%p1, %r4, 2, 31, -1;\nst.global.u32 [%rd2], %r5;";
    let words = run(body, 1, 64).unwrap();
    assert!((0..64).all(|at| words[at] == u32::try_from(at ^ 3).unwrap()), "{words:?}");
    faults(&body.replace("bar.warp.sync -1;", ""), Kind::Undefined, "has not set");
    let again = format!("{body}\nst.shared.u32 [%r3], %r1;");
    assert!(run(&again, 1, 64).is_ok(), "the reader writes");
    let early = format!("{body}\nst.shared.u32 [%r2], %r1;");
    faults(&early, Kind::Undefined, "a write with no barrier since a read");
}

#[test]
fn races_in_global_memory_are_seen_in_a_block_and_between_blocks() {
    let body = "st.global.u32 [%rd2], %r1;\nbar.sync 0;\nst.global.u32 [%rd1], %r1;";
    faults(body, Kind::Undefined, "a race: a write with no barrier since a write");
    let one = "setp.ne.s32 %p1, %r1, 0;\nst.global.u32 [%rd2], %r1;\nbar.sync 0;\n@!%p1 st.global.u32 [%rd1+4], %r1;";
    assert_eq!(run(one, 1, 64).unwrap()[..3], [0, 0, 2]);
    faults(&one.replace("bar.sync 0;", ""), Kind::Undefined, "a race");
    let between = run("st.global.u32 [%rd2], %r1;", 2, 64).unwrap_err();
    assert!(between.to_string().contains("another block of the launch reads or writes"), "{between}");
    let read = run(
        "mov.u32 %r3, %ctaid.x;\nsetp.ne.s32 %p1, %r3, 0;\n@%p1 ld.global.u32 %r4, [%rd2];\n\
                    @!%p1 st.global.u32 [%rd2], %r1;",
        2,
        64,
    );
    assert!(read.unwrap_err().to_string().contains("another block"));
}

#[test]
fn what_a_kernel_writes_does_not_go_through_the_read_only_cache() {
    let body = "st.global.u32 [%rd2], %r1;\nld.global.u32 %r3, [%rd2];";
    assert!(run(body, 1, 64).is_ok());
    faults(&body.replace("ld.global", "ld.global.nc"), Kind::Undefined, "read-only cache");
}

#[test]
fn accesses_are_inside_aligned_and_of_what_was_set() {
    faults("st.global.u32 [%rd2+260], %r1;\nst.global.u32 [%rd1+512], %r1;", Kind::Address, "512");
    faults("ld.global.v2.u32 {%r3, %r4}, [%rd1+4];", Kind::Alignment, "8 bytes");
    faults("ld.shared.u32 %r3, [s+512];", Kind::Address, "of 512 bytes of shared memory");
    faults("mov.u64 %rd4, table;\nst.global.u8 [%rd4], %r1;", Kind::Address, "a write to a table");
    let words =
        run("mov.u64 %rd4, table;\nld.global.nc.u32 %r3, [%rd4+4];\nst.global.u32 [%rd2], %r3;", 1, 32);
    assert_eq!(words.unwrap()[31], 5);
    // What is behind is another allocation, or none.
    faults("ld.global.u8 %rs1, [%rd1+-1];", Kind::Address, "where no allocation has them");
}

#[test]
fn lanes_that_do_not_come_are_missed() {
    let half = "setp.lt.u32 %p1, %r1, 16;\n";
    faults(&format!("{half}@%p1 bar.warp.sync -1;"), Kind::Undefined, "do not come");
    faults(
        &format!("{half}@%p1 bra $A;\nbar.sync 0;\n$A:\nbar.warp.sync -1;"),
        Kind::Undefined,
        "do not come",
    );
    faults(
        &format!("{half}@%p1 bra $A;\nbar.sync 0;\nbra $B;\n$A:\nbar.sync 0;\n$B:"),
        Kind::Undefined,
        "different barriers",
    );
    faults("bar.warp.sync 65535;", Kind::Undefined, "a mask without all lanes");
    faults(
        &format!("{half}@%p1 bra $A;\nbar.warp.sync -1;\n$A:\nbar.warp.sync -1;"),
        Kind::Undefined,
        "different .sync",
    );
}

#[test]
fn votes_count_lanes() {
    let body = "and.b32 %r3, %r1, 1;\nsetp.eq.s32 %p1, %r3, 0;\nvote.sync.ballot.b32 %r4, %p1, -1;\n\
                st.global.u32 [%rd2], %r4;";
    assert_eq!(run(body, 1, 32).unwrap()[5], 0x5555_5555);
}

#[test]
fn what_is_not_known_is_an_error_that_names_it() {
    let text = ".visible .entry k()\n{\nadd.f32 %f1, %f2, %f3;\nret;\n}";
    let error = Module::parse(text).unwrap().kernels(&HashMap::new()).unwrap_err();
    assert_eq!(error.to_string(), "line 3 of the PTX: `add.f32 %f1, %f2, %f3` is not simulated");
}
