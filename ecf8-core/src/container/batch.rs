//! Cutting a list of tensors into runs of bounded size.

/// Items of one run, at most: what is known of very many small ones takes memory, too.
const MOST: usize = 8192;

/// Cuts `items` into runs whose `size`s sum to at most `limit`; an item above the limit is a run of its own.
pub(super) fn batches<T>(items: &[T], limit: u64, size: impl Fn(&T) -> u64) -> Vec<&[T]> {
    let mut batches = Vec::new();
    let mut rest = items;
    while !rest.is_empty() {
        let mut sum = 0u64;
        let fitting = rest.iter().take(MOST).take_while(|item| {
            sum = sum.saturating_add(size(item));
            sum <= limit
        });
        let (batch, after) = rest.split_at(fitting.count().max(1));
        batches.push(batch);
        rest = after;
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::{MOST, batches};

    #[test]
    fn batches_keep_order_and_limit_except_for_one_large_item() {
        let runs = batches(&[3, 4, 3, 1, 20, 1, 0], 10, |size| *size);
        assert_eq!(runs, [&[3, 4, 3][..], &[1], &[20], &[1, 0]]);
        let many = vec![0; 2 * MOST + 1];
        assert_eq!(
            batches(&many, 10, |size| *size).iter().map(|run| run.len()).collect::<Vec<_>>(),
            [MOST, MOST, 1]
        );
        assert!(batches(&[] as &[u64], 10, |size| *size).is_empty());
    }
}
