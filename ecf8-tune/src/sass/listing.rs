//! The text of a disassembler, read.

use std::collections::HashMap;

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// Where it lies in the kernel's code, in bytes.
    pub address: u64,
    /// The opcode with its modifiers: `IMAD.WIDE.U32`.
    pub opcode: String,
    /// Whether it has an effect only where a predicate holds.
    pub is_predicated: bool,
    /// The address that it jumps to, if it does.
    pub target: Option<u64>,
    /// The line of the source, from 1.
    pub line: Option<usize>,
}

impl Instruction {
    /// The opcode without its modifiers: `IMAD`.
    #[must_use]
    pub fn stem(&self) -> &str {
        self.opcode.split('.').next().unwrap_or("")
    }
}

/// The instructions of a kernel, in order, without those that are never reached because they only fill up space.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// In order of address.
    pub instructions: Vec<Instruction>,
}

impl Listing {
    /// Reads the section of `kernel` in what nvdisasm or cuobjdump wrote.
    #[must_use]
    pub fn read(text: &str, kernel: &str) -> Self {
        let mut instructions: Vec<(Instruction, Option<String>)> = Vec::new();
        let mut labels: HashMap<String, u64> = HashMap::new();
        let (mut inside, mut line, mut waiting) = (false, None, Vec::new());
        for text in text.lines() {
            let text = text.trim();
            if let Some(name) = section(text) {
                inside = name == kernel;
                line = None;
            } else if !inside {
            } else if let Some(rest) = text.strip_prefix("//##") {
                line = line_number(rest);
            } else if let Some(label) = text.strip_suffix(':') {
                waiting.push(label.to_owned());
            } else if let Some((instruction, target)) = instruction(text, line) {
                for label in waiting.drain(..) {
                    labels.insert(label, instruction.address);
                }
                instructions.push((instruction, target));
            }
        }
        let resolve = |target: String| match target.strip_prefix("0x") {
            Some(address) => u64::from_str_radix(address, 16).ok(),
            None => labels.get(&target).copied(),
        };
        let mut instructions: Vec<Instruction> = instructions
            .into_iter()
            .map(|(instruction, target)| Instruction { target: target.and_then(resolve), ..instruction })
            .collect();
        let is_trap =
            |i: &Instruction| i.stem() == "NOP" || (i.stem() == "BRA" && i.target == Some(i.address));
        while instructions.last().is_some_and(is_trap) {
            instructions.pop();
        }
        Self { instructions }
    }
}

/// The kernel whose section begins here.
fn section(text: &str) -> Option<&str> {
    if let Some(name) = text.strip_prefix("Function : ") {
        return Some(name);
    }
    // Not `.sectionflags`, which follows it.
    let name = text.strip_prefix(".section")?.strip_prefix(char::is_whitespace)?.trim_start();
    let name = name.split(',').next()?.trim_matches('"');
    Some(name.strip_prefix(".text.").unwrap_or(""))
}

/// The number in ` File "k.cu", line 65`.
fn line_number(text: &str) -> Option<usize> {
    let (_, rest) = text.split_once("line ")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Reads `/*0730*/  @!P0 BRA `(.L_x_1) ;`.
fn instruction(text: &str, line: Option<usize>) -> Option<(Instruction, Option<String>)> {
    let (address, rest) = text.strip_prefix("/*")?.split_once("*/")?;
    let address = u64::from_str_radix(address, 16).ok()?;
    let rest = rest.split("/*").next()?.trim().trim_end_matches(';').trim();
    let (is_predicated, rest) = match rest.strip_prefix('@') {
        Some(guarded) => (true, guarded.split_once(char::is_whitespace)?.1.trim_start()),
        None => (false, rest),
    };
    let (opcode, operands) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    if opcode.is_empty() || !opcode.starts_with(|c: char| c.is_ascii_uppercase()) {
        return None;
    }
    // `BSSY` names the place where lanes will meet, to which it does not jump.
    let jumps = matches!(opcode.split('.').next(), Some("BRA" | "CALL" | "JMP"));
    let last = operands.split([',', ' ']).next_back().unwrap_or("");
    let last = last.trim_start_matches('`').trim_matches(['(', ')']);
    let target = jumps.then(|| last.to_owned());
    Some((Instruction { address, opcode: opcode.to_owned(), is_predicated, target: None, line }, target))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NVDISASM: &str = "\
	.section	.nv.info,\"\",@\"SHT_CUDA_INFO\"
	.section	.text.other,\"ax\",@progbits
        /*0000*/                   EXIT ;
	.section	.text.k,\"ax\",@progbits
	.sectionflags	@\"SHF_BARRIERS=1\"
k:
.text.k:
	//## File \"/tmp/k.cu\", line 3
        /*0000*/                   LDC R1, c[0x0][0x28] ;
.L_x_1:
	//## File \"/tmp/k.cu\", line 4
        /*0010*/              @!P2 LDG.E.U8.CONSTANT R0, desc[UR6][R14.64+0x1] ;
        /*0020*/               @P0 BRA `(.L_x_1) ;
        /*0030*/                   BSSY B0, `(.L_x_1) ;
        /*0040*/                   EXIT ;
.L_x_2:
        /*0050*/                   BRA `(.L_x_2);
        /*0060*/                   NOP;
	.section	.rela.text,\"\"
";

    #[test]
    fn instructions_come_with_lines_predicates_and_targets_and_without_filling() {
        let listing = Listing::read(NVDISASM, "k");
        let seen: Vec<_> = listing
            .instructions
            .iter()
            .map(|i| (i.address, i.opcode.as_str(), i.is_predicated, i.target, i.line))
            .collect();
        assert_eq!(
            seen,
            [
                (0x00, "LDC", false, None, Some(3)),
                (0x10, "LDG.E.U8.CONSTANT", true, None, Some(4)),
                (0x20, "BRA", true, Some(0x10), Some(4)),
                (0x30, "BSSY", false, None, Some(4)),
                (0x40, "EXIT", false, None, Some(4)),
            ]
        );
        assert_eq!(listing.instructions[1].stem(), "LDG");
    }

    #[test]
    fn cuobjdump_writes_addresses_for_labels() {
        let text = "Function : k\n /*0000*/ IADD3 R1, R1, 0x1, RZ ; /* 0x0123 */\n /* 0x0456 */\n /*0010*/ @P0 BRA 0x0 ; /* 0x1 */\n";
        let listing = Listing::read(text, "k");
        assert_eq!(listing.instructions.len(), 2);
        assert_eq!(listing.instructions[1].target, Some(0));
    }
}
