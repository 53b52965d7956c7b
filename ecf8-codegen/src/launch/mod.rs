//! What a launch of a kernel needs besides the kernel, the same for the emulator and a GPU.
//!
//! - [`Launch`]: grid, shared memory, arguments and outputs, generic in what an input buffer is: bytes on the host, not yet
//!   copied together ([`Gather`]), or memory of a device.
//! - [`OutputSlot`]: a buffer that the kernel writes, and which bytes of it.

mod gather;

pub use gather::Gather;

use std::ops::Range;

/// What buffers start at and are padded to, in bytes.
pub const ALIGNMENT: usize = 32;

/// An argument of a kernel, in the order of its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arg<B> {
    /// A buffer that is only read. On the device it starts at a multiple of [`ALIGNMENT`] and is followed by zeros up to
    /// one, as parts are in a container, so that a kernel may read whole vectors.
    Input(B),
    /// The buffer that the kernel writes, by its index in [`Launch::outputs`].
    Output(usize),
    /// A number.
    U32(u32),
    /// A number.
    U64(u64),
}

/// A buffer that a launch writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputSlot {
    /// Its length in bytes.
    pub bytes: u64,
    /// The bytes that the kernel has to write, ascending and apart. What is left belongs to nobody, unless it is for marks.
    pub written: Vec<Range<u64>>,
    /// Whether the kernel may leave marks in it, which are not zero. The rest of it stays as it is.
    pub has_marks: bool,
}

impl OutputSlot {
    /// A buffer of `bytes` bytes, all of which are written.
    #[must_use]
    pub fn whole(bytes: u64) -> Self {
        Self::of_parts(bytes, std::iter::once(0..bytes).collect())
    }

    /// A buffer of `bytes` bytes, of which these are written.
    #[must_use]
    pub fn of_parts(bytes: u64, written: Vec<Range<u64>>) -> Self {
        Self { bytes, written, has_marks: false }
    }

    /// A buffer of `bytes` bytes for marks.
    #[must_use]
    pub fn of_marks(bytes: u64) -> Self {
        Self { bytes, written: Vec::new(), has_marks: true }
    }

    /// The bytes to write as ranges of a buffer on the host, cut off where it ends.
    pub fn written_of(&self, buffer_bytes: usize) -> impl Iterator<Item = Range<usize>> {
        let place = move |byte: u64| usize::try_from(byte).unwrap_or(usize::MAX).min(buffer_bytes);
        self.written.iter().map(move |range| place(range.start)..place(range.end))
    }
}

/// The grid, shared memory, arguments and outputs of one launch whose inputs are `B`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch<B> {
    /// Blocks; 0 where there is nothing to decode and nothing is to be launched.
    pub grid: u32,
    /// Dynamic shared memory per block, in bytes.
    pub dynamic_shared_bytes: u32,
    /// The kernel's arguments.
    pub args: Vec<Arg<B>>,
    /// The buffers that it writes.
    pub outputs: Vec<OutputSlot>,
}

impl<B> Launch<B> {
    /// Bytes of all outputs together.
    #[must_use]
    pub fn output_bytes(&self) -> u64 {
        self.outputs.iter().fold(0, |sum, output| sum.saturating_add(output.bytes))
    }

    /// The inputs, in the order of the arguments.
    pub fn inputs(&self) -> impl Iterator<Item = &B> {
        self.args.iter().filter_map(|arg| match arg {
            Arg::Input(input) => Some(input),
            _ => None,
        })
    }

    /// The same launch with other inputs, for example those that were uploaded.
    ///
    /// # Errors
    /// The first that `change` gives.
    pub fn map<C, E>(self, mut change: impl FnMut(B) -> Result<C, E>) -> Result<Launch<C>, E> {
        let Self { grid, dynamic_shared_bytes, args, outputs } = self;
        let args = args.into_iter().map(|arg| {
            Ok(match arg {
                Arg::Input(input) => Arg::Input(change(input)?),
                Arg::Output(index) => Arg::Output(index),
                Arg::U32(value) => Arg::U32(value),
                Arg::U64(value) => Arg::U64(value),
            })
        });
        Ok(Launch { grid, dynamic_shared_bytes, args: args.collect::<Result<_, E>>()?, outputs })
    }

    /// The same launch with its inputs borrowed.
    #[must_use]
    pub fn as_ref(&self) -> Launch<&B> {
        let args = self.args.iter().map(|arg| match arg {
            Arg::Input(input) => Arg::Input(input),
            Arg::Output(index) => Arg::Output(*index),
            Arg::U32(value) => Arg::U32(*value),
            Arg::U64(value) => Arg::U64(*value),
        });
        let Self { grid, dynamic_shared_bytes, .. } = *self;
        Launch { grid, dynamic_shared_bytes, args: args.collect(), outputs: self.outputs.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapping_changes_the_inputs_and_nothing_else_and_stops_at_the_first_error() {
        let launch = Launch {
            grid: 3,
            dynamic_shared_bytes: 5,
            args: vec![Arg::Input(1), Arg::U32(7), Arg::Output(0), Arg::Input(2), Arg::U64(8)],
            outputs: vec![OutputSlot::whole(9)],
        };
        let mapped = launch.as_ref().map(|input| Ok::<_, ()>(input.to_string())).unwrap();
        let args = vec![
            Arg::Input("1".to_owned()),
            Arg::U32(7),
            Arg::Output(0),
            Arg::Input("2".to_owned()),
            Arg::U64(8),
        ];
        let Launch { grid, dynamic_shared_bytes, .. } = launch;
        assert_eq!(mapped, Launch { grid, dynamic_shared_bytes, args, outputs: launch.outputs.clone() });
        assert_eq!(launch.inputs().copied().collect::<Vec<_>>(), [1, 2]);
        assert_eq!(launch.map(Err::<(), _>), Err(1));
    }

    #[test]
    fn what_is_written_ends_where_the_buffer_does() {
        let slot = OutputSlot::of_parts(10, vec![0..3, 5..10, 20..u64::MAX]);
        assert_eq!(slot.written_of(7).collect::<Vec<_>>(), [0..3, 5..7, 7..7]);
    }
}
