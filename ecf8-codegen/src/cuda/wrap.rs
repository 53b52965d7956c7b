//! Lines that are too long, broken where a reader would break them.

/// Widest line, where there is a place to break it.
pub(super) const WIDTH: usize = 100;

/// Columns by which the rest of a statement is set in.
const HANG: usize = 4;

/// A statement in lines of at most [`WIDTH`] columns, if its brackets and operators allow it.
pub(super) fn statement(indent: usize, text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let (mut margin, mut rest) = (indent, text);
    while margin + rest.len() > WIDTH {
        let Some(at) = break_before(rest, WIDTH - margin) else { break };
        let (line, after) = rest.split_at(at);
        lines.push(format!("{:margin$}{}", "", line.trim_end()));
        (margin, rest) = (indent + HANG, after.trim_start());
    }
    lines.push(format!("{:margin$}{rest}", ""));
    lines
}

/// The last place within `room` to begin another line at, of those with the fewest brackets around them: before an
/// operator, or after a comma.
fn break_before(text: &str, room: usize) -> Option<usize> {
    const OPERATORS: [&str; 9] = ["| ", "^ ", "+ ", "- ", "&& ", "|| ", "? ", ": ", "* "];
    let mut depth = 0_usize;
    let mut best: Option<(usize, usize)> = None;
    for (at, letter) in text.char_indices().take_while(|(at, _)| *at <= room) {
        match letter {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            ' ' => {
                let is_place = text[..at].ends_with(',')
                    || OPERATORS.iter().any(|operator| text[at + 1..].starts_with(operator));
                if is_place && best.is_none_or(|(fewest, _)| depth <= fewest) {
                    best = Some((depth, at));
                }
            }
            _ => {}
        }
    }
    best.map(|(_, at)| at)
}

/// Words, or else letters, in lines of at most `width` columns.
pub(super) fn words(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word = word;
        let fits = lines.last().is_none_or(|line| line.is_empty() || line.len() + 1 + word.len() <= width);
        if !fits {
            lines.push(String::new());
        }
        while word.len() > width {
            let cut = (1..=width).rev().find(|&at| word.is_char_boundary(at)).unwrap_or(word.len());
            let (head, rest) = word.split_at(cut);
            push(&mut lines, head);
            lines.push(String::new());
            word = rest;
        }
        push(&mut lines, word);
    }
    lines
}

fn push(lines: &mut [String], word: &str) {
    if let Some(line) = lines.last_mut() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_breaks_before_its_outermost_operators() {
        let term = "(value << 8)";
        let text = format!("const u64 head = {};", [term; 10].join(" | "));
        let lines = statement(4, &text);
        assert!(lines.len() == 2 && lines.iter().all(|line| line.len() <= WIDTH), "{lines:#?}");
        assert!(lines[1].starts_with("        | (value"), "{lines:#?}");
        assert_eq!(lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" "), text);
    }

    #[test]
    fn what_has_no_place_to_break_stays_long() {
        let text = "x".repeat(150);
        assert_eq!(statement(4, &text), [format!("    {text}")]);
    }

    #[test]
    fn words_and_long_numbers_fill_lines() {
        assert_eq!(words("to be or not", 5), ["to be", "or", "not"]);
        assert_eq!(words("0123456789ab", 5), ["01234", "56789", "ab"]);
        assert_eq!(words("", 5), [""]);
    }
}
