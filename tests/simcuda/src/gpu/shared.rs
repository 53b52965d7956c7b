//! The shared memory of a block.

use super::touch::{Clock, Touch, Touches};
use super::{Fault, Kind, Random};
use rand::Rng;

#[derive(Debug)]
pub(super) struct Shared {
    bytes: Vec<u8>,
    touches: Touches,
}

impl Shared {
    /// As much as a block has, with whatever was there before.
    pub(super) fn new(bytes: usize, random: &mut Random) -> Self {
        let mut bytes_before = vec![0; bytes];
        random.fill_bytes(&mut bytes_before);
        let touches = vec![Touch::default(); bytes];
        Self { bytes: bytes_before, touches: Touches { reads: touches.clone(), writes: touches } }
    }

    pub(super) fn read(
        &mut self,
        address: u64,
        count: usize,
        now: Touch,
        clock: &Clock,
    ) -> Result<&[u8], Fault> {
        let start = self.place(address, count)?;
        if !self.touches.writes[start..start + count].iter().all(|write| clock.is_of_block(*write)) {
            return Err(Fault::undefined("a read of shared memory that the block has not set"));
        }
        self.touches.read(start, count, now, clock)?;
        Ok(&self.bytes[start..start + count])
    }

    pub(super) fn write(
        &mut self,
        address: u64,
        count: usize,
        now: Touch,
        clock: &Clock,
    ) -> Result<&mut [u8], Fault> {
        let start = self.place(address, count)?;
        self.touches.write(start, count, now, clock)?;
        Ok(&mut self.bytes[start..start + count])
    }

    fn place(&self, address: u64, count: usize) -> Result<usize, Fault> {
        let start = usize::try_from(address)
            .ok()
            .filter(|start| start.checked_add(count).is_some_and(|end| end <= self.bytes.len()));
        start.ok_or_else(|| {
            let room = self.bytes.len();
            Fault::new(Kind::Address, format!("bytes from {address} on of {room} bytes of shared memory"))
        })
    }
}
