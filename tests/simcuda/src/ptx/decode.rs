//! From statements to instructions.

use std::collections::HashMap;

use super::parse::{Entry, Module, Operand, Statement};
use super::words::Words;
use super::{
    Binary, Comparison, Instruction, Kernel, Logic, Op, PtxError, Register, Shuffle, Source, Space, Special,
    Type, Unary, Vote,
};

impl Module<'_> {
    /// The kernels of a module whose variables are at these addresses.
    ///
    /// # Errors
    /// Where an instruction, an operand or a name is not known.
    pub fn kernels(&self, addresses: &HashMap<&str, u64>) -> Result<Vec<Kernel>, PtxError> {
        self.entries.iter().map(|entry| Decoder::new(self, entry, addresses).kernel(entry)).collect()
    }
}

struct Decoder<'a> {
    registers: HashMap<&'a str, Register>,
    /// Addresses of variables.
    variables: HashMap<&'a str, u64>,
    /// Where parameters begin.
    parameters: HashMap<&'a str, u16>,
    labels: HashMap<&'a str, u32>,
    constants: Vec<u64>,
    static_shared: usize,
}

const U32: Type = Type { bits: 32, is_signed: false };

impl<'a> Decoder<'a> {
    fn new(module: &Module<'a>, entry: &Entry<'a>, addresses: &HashMap<&'a str, u64>) -> Self {
        let specials = [
            ("%tid.x", Special::Thread),
            ("%ntid.x", Special::Threads),
            ("%ctaid.x", Special::Block),
            ("%nctaid.x", Special::Blocks),
            ("%laneid", Special::Lane),
            ("_", Special::Sink),
        ];
        let mut variables = addresses.clone();
        let mut static_shared = 0_usize;
        for (name, size, align) in &entry.shared {
            let start = static_shared.next_multiple_of(*align);
            variables.insert(name, start as u64);
            static_shared = start + size;
        }
        // What a launch asks for lies behind, as aligned as anything can be.
        static_shared = static_shared.next_multiple_of(16);
        variables.extend(module.dynamic_shared.iter().map(|name| (*name, static_shared as u64)));
        Self {
            registers: specials.map(|(name, special)| (name, special.register())).into(),
            variables,
            parameters: HashMap::new(),
            labels: entry
                .labels
                .iter()
                .map(|(name, at)| (*name, u32::try_from(*at).unwrap_or(u32::MAX)))
                .collect(),
            constants: Vec::new(),
            static_shared,
        }
    }

    fn kernel(mut self, entry: &Entry<'a>) -> Result<Kernel, PtxError> {
        let mut parameters = Vec::new();
        let mut end = 0_usize;
        for (name, size) in &entry.parameters {
            let start = end.next_multiple_of(*size);
            end = start + size;
            parameters.push((start, *size));
            self.parameters.insert(name, u16::try_from(start).unwrap_or(u16::MAX));
        }
        let code = entry.statements.iter().map(|one| self.instruction(one)).collect::<Result<_, _>>()?;
        Ok(Kernel {
            name: entry.name.to_owned(),
            parameters,
            max_threads: entry.max_threads,
            static_shared: self.static_shared,
            registers: self.registers.len().max(Special::COUNT),
            code,
            constants: self.constants,
            lines: entry.statements.iter().map(|one| one.text.to_owned()).collect(),
        })
    }

    fn instruction(&mut self, statement: &Statement<'a>) -> Result<Instruction, PtxError> {
        let mut parts = statement.opcode.split('.');
        let base = parts.next().unwrap_or_default();
        let mut words = Words { statement, base, modifiers: parts.collect(), used: 0 };
        let guard = match statement.guard {
            Some((name, is_negated)) => Some((self.register(name, statement.line)?, is_negated)),
            None => None,
        };
        let op = self.op(&mut words)?;
        match words.used == statement.operands.len() {
            true => Ok(Instruction { guard, op }),
            false => Err(words.unknown()),
        }
    }

    fn op(&mut self, w: &mut Words<'a, '_>) -> Result<Op, PtxError> {
        let multiplication = || match () {
            () if w.has("wide") => Binary::MultiplyWide,
            () if w.has("hi") => Binary::MultiplyHigh,
            () => Binary::MultiplyLow,
        };
        Ok(match w.base {
            "mov" => return self.copy(w),
            // Generic addresses are those of global memory here.
            "cvta" if w.has("global") => {
                let of = w.of()?;
                Op::Convert { to: self.to(w)?, from: of, value: self.from(w)?, as_type: of }
            }
            "cvt" => {
                let [.., as_type, from] = w.modifiers[..] else { return Err(w.unknown()) };
                let (as_type, from) = (w.type_of(as_type)?, w.type_of(from)?);
                if w.modifiers.len() != 2 {
                    return Err(w.unknown());
                }
                Op::Convert { to: self.to(w)?, from, value: self.from(w)?, as_type }
            }
            "not" => self.unary(w, Unary::Not)?,
            "neg" => self.unary(w, Unary::Negate)?,
            "popc" => self.unary(w, Unary::CountOnes)?,
            "clz" => self.unary(w, Unary::LeadingZeros)?,
            "brev" => self.unary(w, Unary::Reverse)?,
            "abs" => self.unary(w, Unary::Absolute)?,
            "add" => self.binary(w, Binary::Add)?,
            "sub" => self.binary(w, Binary::Subtract)?,
            "mul" => {
                let op = multiplication();
                self.binary(w, op)?
            }
            "mad" => {
                let (op, of) = (multiplication(), w.of()?);
                if w.modifiers.len() != 2 {
                    return Err(w.unknown());
                }
                Op::MultiplyAdd {
                    op,
                    to: self.to(w)?,
                    of,
                    a: self.from(w)?,
                    b: self.from(w)?,
                    c: self.from(w)?,
                }
            }
            "div" => self.binary(w, Binary::Divide)?,
            "rem" => self.binary(w, Binary::Remainder)?,
            "and" => self.binary(w, Binary::And)?,
            "or" => self.binary(w, Binary::Or)?,
            "xor" => self.binary(w, Binary::Xor)?,
            "shl" => self.binary(w, Binary::ShiftLeft)?,
            "shr" => self.binary(w, Binary::ShiftRight)?,
            "min" => self.binary(w, Binary::Least)?,
            "max" => self.binary(w, Binary::Greatest)?,
            "setp" => return self.compare(w),
            "selp" => Op::Select { to: self.to(w)?, yes: self.from(w)?, no: self.from(w)?, by: self.to(w)? },
            "prmt" if w.modifiers == ["b32"] => {
                Op::Permute { to: self.to(w)?, low: self.from(w)?, high: self.from(w)?, by: self.from(w)? }
            }
            "shf" => {
                let (is_left, is_clamped) = (w.has("l"), w.has("clamp"));
                let (to, low, high) = (self.to(w)?, self.from(w)?, self.from(w)?);
                Op::Funnel { to, low, high, by: self.from(w)?, is_left, is_clamped }
            }
            "bfi" => {
                let (of, to, from, into) = (w.of()?, self.to(w)?, self.from(w)?, self.from(w)?);
                Op::Insert { to, of, from, into, start: self.from(w)?, count: self.from(w)? }
            }
            "bfe" => {
                let (of, to, from) = (w.of()?, self.to(w)?, self.from(w)?);
                Op::Extract { to, of, from, start: self.from(w)?, count: self.from(w)? }
            }
            "lop3" if w.modifiers == ["b32"] => {
                let (to, a, b, c) = (self.to(w)?, self.from(w)?, self.from(w)?, self.from(w)?);
                Op::Logic3 { to, a, b, c, table: w.small()? }
            }
            "ld" => return self.load(w),
            "st" => return self.store(w),
            "bra" => {
                let Operand::Name(label) = w.operand()? else { return Err(w.unknown()) };
                Op::Branch { to: *self.labels.get(label).ok_or_else(|| w.unknown())? }
            }
            "ret" | "exit" => Op::Return,
            // A barrier for all threads of the block, and not for some of them.
            "bar" | "barrier"
                if w.has("sync") && !w.has("warp") && w.statement.operands == [Operand::Number(0)] =>
            {
                w.used = 1;
                Op::Barrier
            }
            "bar" if w.has("warp") && w.has("sync") => Op::WarpSync { mask: self.from(w)? },
            "shfl" if w.has("sync") => return self.shuffle(w),
            "vote" if w.has("sync") => return self.vote(w),
            _ => return Err(w.unknown()),
        })
    }

    fn unary(&mut self, w: &mut Words<'a, '_>, op: Unary) -> Result<Op, PtxError> {
        Ok(Op::Unary { op, of: w.of()?, to: self.to(w)?, value: self.from(w)? })
    }

    fn binary(&mut self, w: &mut Words<'a, '_>, op: Binary) -> Result<Op, PtxError> {
        let known = ["lo", "hi", "wide"];
        match w.modifiers.split_last() {
            Some((_, others)) if others.iter().all(|word| known.contains(word)) => {}
            _ => return Err(w.unknown()),
        }
        Ok(Op::Binary { op, of: w.of()?, to: self.to(w)?, a: self.from(w)?, b: self.from(w)? })
    }

    /// A move, which may also join or part halves.
    fn copy(&mut self, w: &mut Words<'a, '_>) -> Result<Op, PtxError> {
        let of = w.of()?;
        let half = of.bits / 2;
        match &w.statement.operands[..] {
            [Operand::List(halves), _] if halves.len() == 2 => {
                let line = w.statement.line;
                let mut register = |half: &Operand<'a>| match half {
                    Operand::Name(name) => self.register(name, line),
                    _ => Err(PtxError::at(line, "halves of something else than a register")),
                };
                let (low, high) = (register(&halves[0])?, register(&halves[1])?);
                w.used = 1;
                Ok(Op::Part { low, high, value: self.from(w)?, half })
            }
            [_, Operand::List(halves)] if halves.len() == 2 => {
                let to = self.to(w)?;
                w.used = 2;
                let (low, high) = (self.source(w, &halves[0])?, self.source(w, &halves[1])?);
                Ok(Op::Join { to, low, high, half })
            }
            _ => Ok(Op::Convert { to: self.to(w)?, from: of, value: self.from(w)?, as_type: of }),
        }
    }

    fn compare(&mut self, w: &mut Words<'a, '_>) -> Result<Op, PtxError> {
        let how = match w.modifiers.first() {
            Some(&"eq") => Comparison::Equal,
            Some(&"ne") => Comparison::NotEqual,
            Some(&"lt" | &"lo") => Comparison::Less,
            Some(&"le" | &"ls") => Comparison::LessOrEqual,
            Some(&"gt" | &"hi") => Comparison::Greater,
            Some(&"ge" | &"hs") => Comparison::GreaterOrEqual,
            _ => return Err(w.unknown()),
        };
        let logic = match w.modifiers[1..] {
            [_] => None,
            ["and", _] => Some(Logic::And),
            ["or", _] => Some(Logic::Or),
            ["xor", _] => Some(Logic::Xor),
            _ => return Err(w.unknown()),
        };
        let (of, to, a, b) = (w.of()?, self.to(w)?, self.from(w)?, self.from(w)?);
        let and = match logic {
            None => None,
            Some(logic) => {
                let (predicate, is_negated) = self.predicate(w)?;
                Some((logic, predicate, is_negated))
            }
        };
        Ok(Op::Compare { how, to, of, a, b, and })
    }

    fn load(&mut self, w: &mut Words<'a, '_>) -> Result<Op, PtxError> {
        let of = w.of()?;
        if w.has("param") {
            let to = self.to(w)?;
            let Operand::Address(name, offset) = w.operand()? else { return Err(w.unknown()) };
            let start = self.parameters.get(name).map(|start| i64::from(*start) + offset);
            let start = start.and_then(|start| u16::try_from(start).ok()).ok_or_else(|| w.unknown())?;
            return Ok(Op::LoadParameter { to, start, of });
        }
        let space = w.space()?;
        let (values, line) = (w.several()?, w.statement.line);
        let mut to = [Special::Sink.register(); 4];
        for (to, value) in to.iter_mut().zip(&values) {
            let Operand::Name(name) = value else { return Err(w.unknown()) };
            *to = self.register(name, line)?;
        }
        let (base, offset) = self.address(w)?;
        Ok(Op::Load { to, count: w.count(&values)?, of, space, base, offset })
    }

    fn store(&mut self, w: &mut Words<'a, '_>) -> Result<Op, PtxError> {
        let (of, space) = (w.of()?, w.space()?);
        if space == Space::ReadOnly {
            return Err(w.unknown());
        }
        let (base, offset) = self.address(w)?;
        let values = w.several()?;
        let mut from = [Source::Register(Special::Sink.register()); 4];
        for (from, value) in from.iter_mut().zip(&values) {
            *from = self.source(w, value)?;
        }
        Ok(Op::Store { from, count: w.count(&values)?, of, space, base, offset })
    }

    fn address(&mut self, w: &mut Words<'a, '_>) -> Result<(Source, i32), PtxError> {
        let Operand::Address(name, offset) = w.operand()? else { return Err(w.unknown()) };
        let base = self.source(w, &Operand::Name(name))?;
        Ok((base, i32::try_from(*offset).map_err(|_| w.unknown())?))
    }

    fn shuffle(&mut self, w: &mut Words<'a, '_>) -> Result<Op, PtxError> {
        let how = match w.modifiers[..] {
            ["sync", "up", "b32"] => Shuffle::Up,
            ["sync", "down", "b32"] => Shuffle::Down,
            ["sync", "bfly", "b32"] => Shuffle::Butterfly,
            ["sync", "idx", "b32"] => Shuffle::Index,
            _ => return Err(w.unknown()),
        };
        let line = w.statement.line;
        let (to, is_inside) = match w.operand()? {
            Operand::Two(to, inside) => (self.register(to, line)?, self.register(inside, line)?),
            Operand::Name(to) => (self.register(to, line)?, Special::Sink.register()),
            _ => return Err(w.unknown()),
        };
        let (value, by) = (self.from(w)?, self.from(w)?);
        Ok(Op::Shuffle { how, to, is_inside, value, by, limit: self.from(w)?, mask: self.from(w)? })
    }

    fn vote(&mut self, w: &mut Words<'a, '_>) -> Result<Op, PtxError> {
        let how = match w.modifiers[..] {
            ["sync", "ballot", "b32"] => Vote::Ballot,
            ["sync", "any", "pred"] => Vote::Any,
            ["sync", "all", "pred"] => Vote::All,
            ["sync", "uni", "pred"] => Vote::Uniform,
            _ => return Err(w.unknown()),
        };
        let to = self.to(w)?;
        let (value, is_negated) = self.predicate(w)?;
        Ok(Op::Vote { how, to, value, is_negated, mask: self.from(w)? })
    }

    fn to(&mut self, w: &mut Words<'a, '_>) -> Result<Register, PtxError> {
        match w.operand()? {
            Operand::Name(name) => self.register(name, w.statement.line),
            _ => Err(w.unknown()),
        }
    }

    fn predicate(&mut self, w: &mut Words<'a, '_>) -> Result<(Register, bool), PtxError> {
        match w.operand()? {
            Operand::Name(name) => Ok((self.register(name, w.statement.line)?, false)),
            Operand::Not(name) => Ok((self.register(name, w.statement.line)?, true)),
            _ => Err(w.unknown()),
        }
    }

    fn from(&mut self, w: &mut Words<'a, '_>) -> Result<Source, PtxError> {
        let operand = w.operand()?;
        self.source(w, operand)
    }

    fn source(&mut self, w: &Words<'a, '_>, operand: &Operand<'a>) -> Result<Source, PtxError> {
        match operand {
            Operand::Name("%tid.y" | "%tid.z" | "%ctaid.y" | "%ctaid.z") => self.constant(0, w),
            Operand::Name("%ntid.y" | "%ntid.z" | "%nctaid.y" | "%nctaid.z") => self.constant(1, w),
            Operand::Name(name) => match self.variables.get(name) {
                Some(address) => self.constant(*address, w),
                None => self.register(name, w.statement.line).map(Source::Register),
            },
            Operand::Number(number) => {
                // As many bits as the instruction looks at, so that registers and numbers are alike.
                let of = w.modifiers.last().and_then(|word| w.type_of(word).ok()).unwrap_or(U32);
                let is_address = matches!(w.base, "ld" | "st");
                let of = if is_address || w.has("wide") { Type { bits: 64, ..of } } else { of };
                self.constant(of.cut(*number), w)
            }
            _ => Err(w.unknown()),
        }
    }

    fn constant(&mut self, value: u64, w: &Words<'a, '_>) -> Result<Source, PtxError> {
        let known = self.constants.iter().position(|constant| *constant == value);
        let index = known.unwrap_or_else(|| {
            self.constants.push(value);
            self.constants.len() - 1
        });
        u16::try_from(index).map(Source::Constant).map_err(|_| w.unknown())
    }

    fn register(&mut self, name: &'a str, line: u32) -> Result<Register, PtxError> {
        if !name.starts_with('%') && name != "_" {
            return Err(PtxError::at(line, format!("`{name}` is not known")));
        }
        if let Some(register) = self.registers.get(name) {
            return Ok(*register);
        }
        let letters = name.trim_start_matches('%').trim_end_matches(|last: char| last.is_ascii_digit());
        if !["p", "r", "rs", "rd"].contains(&letters) {
            return Err(PtxError::at(line, format!("`{name}` is not simulated")));
        }
        let next = u16::try_from(self.registers.len());
        let next = next.map_err(|_| PtxError::at(line, "a kernel with more than 65,535 registers"))?;
        self.registers.insert(name, next);
        Ok(next)
    }
}
