//! Sizes of compressed K/V pages next to entropy: `cargo run --release --example kv -p ecf8-core`.
//!
//! Pages are made from a seed (`synthetic::Attention`): 8 heads of 128 channels. Codebooks are trained on the first 2,048 tokens, and the
//! next 2,048 are encoded page by page.

use ecf8_core::kv::{Codebooks, Numbers, Training};
use ecf8_core::synthetic::{Attention, Cached, stored_as};

const HEADS: usize = 8;
const HEAD_SIZE: usize = 128;
const TOKENS: usize = 2048;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!(
        "sizes as fractions of the original; {HEADS} heads of {HEAD_SIZE}, trained on {TOKENS} other tokens"
    );
    println!(
        "                  entropy          pages of 64 tokens, codebooks     by those chosen, tokens per page"
    );
    println!("                  all    by vector 1      2      4      8            16     64     256");
    for numbers in Numbers::ALL {
        for cached in [Cached::Keys, Cached::Values] {
            report(numbers, cached)?;
        }
    }
    Ok(())
}

fn report(numbers: Numbers, cached: Cached) -> Result<(), Box<dyn std::error::Error>> {
    let layer = Attention { seed: 11, cached, heads: HEADS, head_size: HEAD_SIZE };
    let stored = |first| stored_as(numbers.dtype(), &layer.tokens(first, TOKENS)).unwrap_or_default();
    let [sample, pages] = [0, TOKENS].map(stored);
    let [training, measured] = [&sample, &pages].map(|numbers_of| {
        let mut counted = Training::new(numbers, Codebooks::period(HEADS, HEAD_SIZE));
        counted.add(numbers_of);
        counted
    });
    let bits = 8.0 * numbers.bytes() as f64;
    let (own, all) = measured.entropies();
    print!("{:8} {:8} {:.4} {:.4}   ", numbers.dtype(), format!("{cached:?}"), all / bits, own / bits);
    for groups in [1, 2, 4, 8] {
        print!(" {:.4}", size(&training.codebooks(groups)?.0, &pages, 64)?);
    }
    let chosen = training.finish()?;
    print!("   {}:", chosen.codebooks().len());
    for tokens in [16, 64, 256] {
        print!(" {:.4}", size(&chosen, &pages, tokens)?);
    }
    println!();
    Ok(())
}

/// The compressed size of all pages, as a part of the original, with `tokens` tokens to a page.
fn size(codebooks: &Codebooks, numbers: &[u8], tokens: usize) -> Result<f64, Box<dyn std::error::Error>> {
    let page_bytes = tokens * HEADS * HEAD_SIZE * codebooks.numbers().bytes();
    let mut compressed = 0;
    for page in numbers.chunks(page_bytes) {
        compressed += codebooks.encode(page)?.len();
    }
    Ok(compressed as f64 / numbers.len() as f64)
}
