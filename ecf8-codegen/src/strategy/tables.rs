//! What launches pass besides parts: the tables of their tensors' codebooks, each once, and numbers.

use ecf8_core::Codebook;

/// Where the tables of codebooks are.
#[derive(Debug, Default)]
pub(super) struct Tables<'a> {
    known: Vec<(&'a Codebook, u64)>,
}

impl<'a> Tables<'a> {
    /// Where the table of this codebook is, which `put` puts somewhere if it is not there yet.
    pub(super) fn place(&mut self, codebook: &'a Codebook, put: impl FnOnce() -> u64) -> u64 {
        if let Some(&(_, at)) = self.known.iter().find(|(known, _)| *known == codebook) {
            return at;
        }
        let at = put();
        self.known.push((codebook, at));
        at
    }
}

/// The bytes of these numbers.
pub(super) fn numbers<T, const N: usize>(
    numbers: impl IntoIterator<Item = T>,
    le: impl Fn(T) -> [u8; N],
) -> Vec<u8> {
    numbers.into_iter().flat_map(le).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_codebook_has_its_table_once() {
        let [a, b] = [1, 2].map(|length| {
            let mut lengths = [0; 16];
            lengths[..1 << length].fill(length);
            Codebook::from_lengths(&lengths).unwrap()
        });
        let (mut tables, mut put) = (Tables::default(), 0);
        let at = [&a, &b, &a.clone(), &b].map(|codebook| {
            tables.place(codebook, || {
                put += 10;
                put
            })
        });
        assert_eq!(at, [10, 20, 10, 20]);
    }
}
