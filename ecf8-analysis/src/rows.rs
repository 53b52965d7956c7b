//! Where rows of a tensor begin, and which of its elements are taken for a sample.

use std::ops::Range;

/// Rows of fewer elements, such as those of convolution kernels of 3×3, are put together.
const SHORT: u64 = 16;

/// Runs of a sample: many enough that no part of a tensor is missed.
const RUNS: u64 = 16;

/// Elements of a row: those of the last dimension, or of the last ones while they are fewer than 16, but never of the first
/// where there are several. So a row of a convolution is of one output channel, and one of stacked experts is of one expert.
#[must_use]
pub fn row_length(shape: &[u64]) -> u64 {
    let Some((first, rest)) = shape.split_first() else { return 1 };
    let Some((last, between)) = rest.split_last() else { return *first };
    let mut length = *last;
    for dimension in between.iter().rev() {
        if length >= SHORT {
            break;
        }
        length = length.saturating_mul(*dimension);
    }
    length.max(1)
}

/// At most `most` of a tensor's elements, as runs that are spread evenly over it: of two whole rows or more where these have
/// room, else of a part of one row that begins at a multiple of `block` in it. All elements, in runs of about that many, if
/// `most` is `None`.
#[must_use]
pub fn sample(elements: u64, row: u64, block: u64, most: Option<u64>) -> Vec<Range<u64>> {
    /// Elements that are taken at once where all are.
    const AT_ONCE: u64 = 4 << 20;
    let row = row.clamp(1, elements.max(1));
    let block = block.max(1);
    let limit = match most {
        Some(most) if most < elements => most,
        _ => return pieces(elements, row, block, AT_ONCE),
    };
    let rows = elements / row;
    if rows >= 2 && 2 * row <= limit {
        let each = (limit / row / RUNS).max(2);
        let count = (limit / row / each).max(1);
        let last = rows.saturating_sub(each);
        return spread(count, last).map(|first| first * row..(first + each).min(rows) * row).collect();
    }
    // Runs of parts of rows, or of the only row.
    let each = (limit / RUNS / block * block).max(block).min(row);
    let count = (limit / each).max(1);
    let starts = spread(count, elements.saturating_sub(each)).map(|start| {
        let (of_row, within) = (start / row * row, start % row / block * block);
        of_row + within
    });
    let mut runs: Vec<Range<u64>> =
        starts.map(|start| start..(start + each).min((start / row + 1) * row).min(elements)).collect();
    runs.dedup();
    // Where blocks are few, runs may meet.
    runs.dedup_by(|later, earlier| later.start < earlier.end);
    runs
}

/// Numbers from 0 to `last` at equal distances, `count` of them.
fn spread(count: u64, last: u64) -> impl Iterator<Item = u64> {
    let steps = count.saturating_sub(1).max(1);
    (0..count).map(move |index| place(index, steps, last))
}

fn place(index: u64, steps: u64, last: u64) -> u64 {
    let place = u128::from(index) * u128::from(last) / u128::from(steps);
    u64::try_from(place).unwrap_or(last)
}

/// All elements: whole rows at once, or parts of rows that are longer than `at_once`.
fn pieces(elements: u64, row: u64, block: u64, at_once: u64) -> Vec<Range<u64>> {
    let mut runs = Vec::new();
    let mut first = 0;
    while first < elements {
        let end = if row <= at_once {
            first + at_once / row * row
        } else {
            (first + (at_once / block).max(1) * block).min((first / row + 1) * row)
        };
        runs.push(first..end.min(elements));
        first = end;
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_the_last_dimension_unless_that_is_short() {
        assert_eq!(row_length(&[4096, 11008]), 11008);
        assert_eq!(row_length(&[64, 32, 3, 3]), 288);
        assert_eq!(row_length(&[8, 1024, 512]), 512);
        assert_eq!(row_length(&[64, 16, 3]), 48);
        assert_eq!(
            (row_length(&[5]), row_length(&[]), row_length(&[7, 1]), row_length(&[3, 0])),
            (5, 1, 1, 1)
        );
    }

    #[test]
    fn samples_are_of_the_size_asked_for_and_lie_apart_within_the_tensor() {
        for (elements, row, most) in [
            (10_000_000, 4096, 1 << 20),
            (10_000_000, 10_000_000, 1 << 20),
            (3_000_000, 1_000_000, 1 << 20),
            (2_000_000, 1, 1 << 20),
            (1 << 30, 151_936, 1 << 20),
            (5000, 70, 1000),
            (5000, 5000, 300),
            (7 * 1024, 1024, 1024),
        ] {
            let runs = sample(elements, row, 128, Some(most));
            let total: u64 = runs.iter().map(|run| run.end - run.start).sum();
            assert!(total <= most && 3 * total >= most, "{total} of {most}: {elements} in rows of {row}");
            assert!(runs.windows(2).all(|two| two[0].end <= two[1].start), "{runs:?}");
            assert!(runs.iter().all(|run| run.end <= elements && run.start % row % 128 == 0));
            assert!(runs[0].start == 0 && runs[runs.len() - 1].end > elements / 2, "{runs:?}");
        }
    }

    #[test]
    fn all_elements_are_taken_once_without_a_limit() {
        for (elements, row) in [(10_000_000, 4096), (20_000_000, 9_000_001), (5, 5), (0, 1), (100, 1)] {
            let runs = sample(elements, row, 128, None);
            let ends = runs.iter().scan(0, |end, run| (run.start == *end).then(|| *end = run.end));
            assert_eq!(ends.count(), runs.len());
            assert_eq!(runs.last().map_or(0, |run| run.end), elements);
        }
        assert!(matches!(&sample(70, 7, 128, Some(70))[..], [Range { start: 0, end: 70 }]));
    }
}
