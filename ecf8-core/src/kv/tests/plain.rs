//! A decoder of valid pages written from `docs/kv-pages.md` alone: it uses nothing of this crate.

/// The numbers of a page, whose codebooks are given as JSON.
pub(super) fn decode(codebooks: &str, page: &[u8]) -> Vec<u8> {
    let word = |at: usize| u32::from_le_bytes(page[at..at + 4].try_into().unwrap()) as usize;
    assert_eq!(&page[..4], b"EKV1");
    let width = if page[4] == 3 { 2 } else { 1 };
    let elements = word(8);
    assert_eq!(word(12), page.len());
    if page[5] == 0 {
        return page[32..32 + elements * width].to_vec();
    }
    let json: serde_json::Value = serde_json::from_str(codebooks).unwrap();
    let groups: Vec<usize> =
        json["groups"].as_array().unwrap().iter().map(|group| group.as_u64().unwrap() as usize).collect();
    let codes: Vec<Vec<(String, u8)>> =
        json["codebooks"].as_array().unwrap().iter().map(|text| code(text.as_str().unwrap())).collect();
    let chunks = elements.div_ceil(16384);
    let directory = 32 + if width == 2 { elements.next_multiple_of(16) } else { 0 };
    let words = directory + 4 * chunks;
    let mut coded = vec![0; elements.next_multiple_of(16)];
    for chunk in 0..chunks {
        let start = if chunk == 0 { 0 } else { word(directory + 4 * (chunk - 1)) };
        let at = words + 4 * start;
        let rows = word(at);
        let vectors = (coded.len() / 16 - 1024 * chunk).min(1024);
        let mut tail = at + 36 + 128 * rows;
        for lane in 0..32 {
            let own_rows = (0..rows).map(|row| word(at + 36 + 128 * row + 4 * lane));
            let tail_words = usize::from(page[at + 4 + lane]);
            let own_tail = (0..tail_words).map(|i| word(tail + 4 * i));
            let all: Vec<usize> = own_rows.chain(own_tail).collect();
            tail += 4 * tail_words;
            let bits: String = all.iter().map(|word| format!("{word:032b}")).collect();
            let mine: Vec<usize> = (0..32)
                .map(|round| 32 * round + (lane + round) % 32)
                .filter(|vector| *vector < vectors)
                .collect();
            let mut place = 0;
            for vector in &mine {
                let vector = 1024 * chunk + vector;
                for byte in &mut coded[16 * vector..16 * vector + 16] {
                    let code = &codes[groups[vector % groups.len()]];
                    let (codeword, symbol) =
                        code.iter().find(|(codeword, _)| bits[place..].starts_with(codeword)).unwrap();
                    place += codeword.len();
                    *byte = *symbol;
                }
            }
            for patch in &all[place.div_ceil(32)..] {
                let symbol = patch / 256;
                coded[16384 * chunk + 16 * mine[symbol / 16] + symbol % 16] = (patch % 256) as u8;
            }
        }
    }
    let number = |i: usize| match width {
        1 => vec![coded[i]],
        _ => {
            let (exponent, stored) = (u16::from(coded[i]), u16::from(page[32 + i]));
            ((stored & 1) << 15 | exponent << 7 | stored >> 1).to_le_bytes().to_vec()
        }
    };
    (0..elements).flat_map(number).collect()
}

/// Codewords as texts of zeros and ones, with their symbols, from a codebook's text.
fn code(text: &str) -> Vec<(String, u8)> {
    let (mut lengths, mut run) = (Vec::new(), None::<usize>);
    for letter in text.chars() {
        if letter.is_ascii_uppercase() {
            run = Some(run.unwrap_or(0) * 26 + (letter as usize - 'A' as usize));
            continue;
        }
        lengths.extend(std::iter::repeat_n(0, run.take().unwrap_or(0)));
        lengths.push(letter.to_digit(36).unwrap());
    }
    lengths.extend(std::iter::repeat_n(0, run.unwrap_or(0)));
    assert_eq!(lengths.len(), 256);
    let mut order: Vec<usize> = (0..256).filter(|symbol| lengths[*symbol] > 0).collect();
    order.sort_by_key(|symbol| (lengths[*symbol], *symbol));
    let (mut next, mut before) = (0u32, lengths[order[0]]);
    let codeword = |symbol: usize| {
        next <<= lengths[symbol] - before;
        before = lengths[symbol];
        next += 1;
        (format!("{:0width$b}", next - 1, width = before as usize), symbol as u8)
    };
    order.into_iter().map(codeword).collect()
}
