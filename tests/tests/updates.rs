//! Resident weights brought to a later state by one launch: on the emulator with all checks, and by the emitted text, compiled for the host.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "that is how a test fails, also in its helpers"
)]

use ecf8_codegen::delta::{ApplyForm, ApplyKernel, Arranged, Placed, Planes};
use ecf8_codegen::emulator::{self, Checks};
use ecf8_codegen::launch::{Gather, Launch};
use ecf8_codegen::strategy::StrategyError;
use ecf8_core::synthetic::noise;
use ecf8_core::transform::{Form, Stream, transforms};
use ecf8_tests::cxx::{Compiler, Program};

/// A tensor in two states, and how the later one is told from the earlier.
struct Case {
    form: Form,
    base: Vec<u8>,
    own: Vec<u8>,
    streams: Vec<(Stream, Vec<u8>)>,
}

/// Of which about one number in `every` changes.
fn case(form: Form, numbers: usize, every: usize, seed: u64) -> Case {
    let base = noise(seed, numbers * form.width);
    let (mut own, dice) = (base.clone(), noise(seed + 1, 2 * numbers));
    for (place, number) in own.chunks_exact_mut(form.width).enumerate() {
        let dice = &dice[2 * place..][..2];
        if usize::from(dice[0]) * 256 + usize::from(dice[1]) < 65_536 / every {
            number[place % form.width] ^= dice[1] | 1;
        }
    }
    // One block changes as a whole.
    own.iter_mut().skip(256 * form.width).take(128 * form.width).for_each(|byte| *byte = !*byte);
    let stream = |stream| (stream, form.stream(stream, &own, &base).unwrap());
    let streams = form.streams().into_iter().map(stream).collect();
    Case { form, base, own, streams }
}

/// Every form of numbers that weights have, in several lengths, all in one layer.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for transform in transforms().iter().copied() {
        for width in [1, 2, 4] {
            for is_sparse in [false, true] {
                let form = Form { transform, is_sparse, width };
                for (numbers, every) in
                    [(0, 1), (1, 1), (127, 2), (128, 1), (129, 3), (4096, 100), (10_001, 1), (9000, 7)]
                {
                    cases.push(case(form, numbers, every, cases.len() as u64));
                }
            }
        }
    }
    cases
}

/// A launch for all cases, and its output.
fn launch(cases: &[Case]) -> (Launch<Gather<'_>>, Vec<u8>) {
    let (mut streams, mut base, mut output) = (Gather::default(), Gather::default(), Vec::new());
    let mut placed = Vec::new();
    for case in cases {
        let at: Vec<u64> = case.streams.iter().map(|(_, bytes)| streams.add(32, &bytes[..])).collect();
        let (about, planes) = at.split_at(at.len() - case.form.width);
        let sparse = about.first().map(|counts| (&case.streams[0].1[..], *counts, about[1]));
        output.resize(output.len().next_multiple_of(32), 0);
        placed.push(Placed {
            form: ApplyForm::of(&case.form).unwrap(),
            numbers: (case.base.len() / case.form.width) as u64,
            streams: Planes { planes: planes.to_vec(), sparse },
            base: base.add(32, &case.base[..]),
            output: output.len() as u64,
        });
        output.extend(&case.own);
    }
    for gather in [&mut streams, &mut base] {
        gather.fill_to(gather.len().next_multiple_of(32));
    }
    let arranged = Arranged::new(&placed).unwrap();
    let launch = arranged.launch(streams, base, |bytes| Ok::<_, StrategyError>(Gather::from(bytes))).unwrap();
    (launch, output)
}

fn kernel(cases: &[Case]) -> ecf8_codegen::ir::Kernel {
    let forms = cases.iter().map(|case| ApplyForm::of(&case.form).unwrap());
    ApplyKernel::new(forms.collect()).kernel().unwrap()
}

#[test]
fn all_tensors_of_a_layer_are_brought_to_a_later_state_by_one_launch() {
    let cases = cases();
    let (kernel, (launch, wanted)) = (kernel(&cases), launch(&cases));
    let [output] = emulator::run(&kernel, &launch, Checks::Full).unwrap().try_into().unwrap();
    assert!(output == wanted, "differs at byte {:?}", output.iter().zip(&wanted).position(|(a, b)| a != b));
    let Some(compiler) = Compiler::find() else { return };
    let program = Program::new(&compiler, &[kernel]).unwrap();
    let outputs = program.run(&[(0, &launch)]).unwrap();
    // Between tensors there is whatever was there.
    for written in launch.outputs[0].written_of(wanted.len()) {
        assert!(outputs[0][written.clone()] == wanted[written], "the emitted text gives something else");
    }
}

#[test]
fn whatever_the_streams_hold_nothing_is_read_or_written_beyond() {
    for seed in 0..300 {
        let mut cases = vec![];
        for transform in transforms().iter().copied() {
            for width in [1, 2, 4] {
                cases.push(case(Form { transform, is_sparse: true, width }, 700, 5, seed));
            }
        }
        // Places are damaged on their way to the GPU; counts are the host's as well.
        let dice = noise(seed + 77, 64);
        for (case, dice) in cases.iter_mut().zip(dice.chunks_exact(2)) {
            let (_, places) = &mut case.streams[1];
            let at = usize::from(dice[0]) % places.len();
            places[at] = dice[1];
        }
        let (kernel, (launch, _)) = (kernel(&cases), launch(&cases));
        emulator::run(&kernel, &launch, Checks::Full).unwrap();
    }
}

#[test]
fn tensors_that_do_not_fit_a_launch_are_refused() {
    let form = Form { transform: transforms()[0], is_sparse: true, width: 8 };
    assert!(ApplyForm::of(&form).is_none());
    let form = ApplyForm::of(&Form { width: 2, ..form }).unwrap();
    let placed = |numbers, counts: &'static [u8]| Placed {
        form,
        numbers,
        streams: Planes { planes: vec![0, 0], sparse: Some((counts, 0, 0)) },
        base: 0,
        output: 0,
    };
    assert!(Arranged::new(&[placed(1 << 32, &[])]).is_err());
    assert!(Arranged::new(&[placed(129, &[1])]).is_err());
    assert!(Arranged::new(&[placed(129, &[1, 1])]).is_ok());
}
