//! From text to statements.

use super::PtxError;
use super::token::{Kind, Token, tokens};

/// A file of PTX.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Module<'a> {
    /// Its variables in global and constant memory.
    pub globals: Vec<Global<'a>>,
    /// Its kernels.
    pub(super) entries: Vec<Entry<'a>>,
    /// Shared memory whose size a launch chooses.
    pub(super) dynamic_shared: Vec<&'a str>,
}

/// A variable that lives as long as its module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Global<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its first bytes; others are 0.
    pub bytes: Vec<u8>,
}

/// A kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub(super) name: &'a str,
    /// Names and sizes.
    pub(super) parameters: Vec<(&'a str, usize)>,
    pub(super) max_threads: u32,
    /// Names, sizes and alignments of what each block has.
    pub(super) shared: Vec<(&'a str, usize, usize)>,
    pub(super) statements: Vec<Statement<'a>>,
    pub(super) labels: Vec<(&'a str, usize)>,
}

/// An instruction as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement<'a> {
    /// A predicate, and whether it is to be false.
    pub(super) guard: Option<(&'a str, bool)>,
    pub(super) opcode: &'a str,
    pub(super) operands: Vec<Operand<'a>>,
    pub(super) text: &'a str,
    pub(super) line: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operand<'a> {
    /// A register, variable or label.
    Name(&'a str),
    /// A predicate, to be taken the other way round.
    Not(&'a str),
    Number(u64),
    /// What is to be set besides: `%r1|%p1`.
    Two(&'a str, &'a str),
    Address(&'a str, i64),
    List(Vec<Operand<'a>>),
}

impl<'a> Module<'a> {
    /// Reads a file of PTX.
    ///
    /// # Errors
    /// Where it is none, or has what is not simulated: functions that are no kernels, or variables of other kinds.
    pub fn parse(text: &'a str) -> Result<Self, PtxError> {
        let mut parser = Parser { text, tokens: tokens(text)?, at: 0 };
        let mut module = Self::default();
        while let Some(word) = parser.next_word()? {
            match word {
                ".version" | ".target" | ".address_size" | ".file" => parser.skip_line(),
                ".visible" | ".weak" | ".extern" => {}
                ".entry" => module.entries.push(parser.entry()?),
                ".shared" => module.dynamic_shared.push(parser.variable()?.name),
                ".global" | ".const" => {
                    let Variable { name, size, element, .. } = parser.variable()?;
                    let mut bytes = parser.initial_values(element)?;
                    bytes.resize(size, 0);
                    module.globals.push(Global { name, bytes });
                }
                other => return Err(parser.error(format!("`{other}` is not simulated"))),
            }
        }
        Ok(module)
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token<'a>>,
    at: usize,
}

struct Variable<'a> {
    name: &'a str,
    /// Bytes in all, and of one element.
    size: usize,
    element: usize,
    align: usize,
}

impl<'a> Parser<'a> {
    fn error(&self, what: impl Into<String>) -> PtxError {
        let token = self.tokens.get(self.at.saturating_sub(1)).or(self.tokens.last());
        PtxError::at(token.map_or(1, |token| token.line), what)
    }

    fn peek(&self) -> Option<Kind<'a>> {
        self.tokens.get(self.at).map(|token| token.kind)
    }

    fn next(&mut self) -> Result<Kind<'a>, PtxError> {
        let kind = self.peek().ok_or_else(|| self.error("the text ends too early"))?;
        self.at += 1;
        Ok(kind)
    }

    /// The next word, or nothing at the end of the file.
    fn next_word(&mut self) -> Result<Option<&'a str>, PtxError> {
        if self.peek().is_none() { Ok(None) } else { self.word().map(Some) }
    }

    fn word(&mut self) -> Result<&'a str, PtxError> {
        match self.next()? {
            Kind::Word(word) => Ok(word),
            other => Err(self.error(format!("{other:?} where a word should be"))),
        }
    }

    fn number(&mut self) -> Result<u64, PtxError> {
        let is_negative = self.take('-');
        match self.next()? {
            Kind::Number(number) => Ok(if is_negative { number.wrapping_neg() } else { number }),
            other => Err(self.error(format!("{other:?} where a number should be"))),
        }
    }

    fn size(&mut self) -> Result<usize, PtxError> {
        let number = self.number()?;
        usize::try_from(number).map_err(|_| self.error(format!("{number} bytes")))
    }

    fn is(&self, sign: char) -> bool {
        self.peek() == Some(Kind::Sign(sign))
    }

    fn take(&mut self, sign: char) -> bool {
        let is = self.is(sign);
        self.at += usize::from(is);
        is
    }

    fn expect(&mut self, sign: char) -> Result<(), PtxError> {
        if self.take(sign) {
            return Ok(());
        }
        Err(self.error(format!("`{sign}` should come before {:?}", self.peek())))
    }

    fn skip_line(&mut self) {
        let line = self.tokens.get(self.at.saturating_sub(1)).map(|token| token.line);
        while self.tokens.get(self.at).map(|token| token.line) == line && line.is_some() {
            self.at += 1;
        }
    }

    fn skip_statement(&mut self) -> Result<(), PtxError> {
        while self.next()? != Kind::Sign(';') {}
        Ok(())
    }

    /// `.align 16 .b8 name[20]`, after its state space.
    fn variable(&mut self) -> Result<Variable<'a>, PtxError> {
        let mut align = 1;
        let mut word = self.word()?;
        if word == ".align" {
            align = self.size()?;
            word = self.word()?;
        }
        let element = self.bytes_of(word)?;
        let mut name = self.word()?;
        // What is known of a pointer: `.ptr .global .align 16`.
        while name.starts_with('.') {
            if name == ".align" {
                self.number()?;
            }
            name = self.word()?;
        }
        let mut size = element;
        if self.take('[') {
            let count = if self.is(']') { 0 } else { self.size()? };
            size = element.saturating_mul(count);
            self.expect(']')?;
        }
        let is_done = !self.is('=');
        if is_done && !self.is(',') && !self.is(')') {
            self.expect(';')?;
        }
        Ok(Variable { name, size, element, align: align.max(element) })
    }

    /// ` = {1, 2};`, if it is there.
    fn initial_values(&mut self, element: usize) -> Result<Vec<u8>, PtxError> {
        let mut bytes = Vec::new();
        if self.take('=') {
            let is_list = self.take('{');
            loop {
                bytes.extend_from_slice(&self.number()?.to_le_bytes()[..element]);
                if !self.take(',') {
                    break;
                }
            }
            if is_list {
                self.expect('}')?;
            }
            self.expect(';')?;
        }
        Ok(bytes)
    }

    /// The size of a type such as `.u32`.
    fn bytes_of(&self, word: &str) -> Result<usize, PtxError> {
        match word.trim_start_matches(['.', 'b', 'u', 's']) {
            "8" => Ok(1),
            "16" => Ok(2),
            "32" => Ok(4),
            "64" => Ok(8),
            _ => Err(self.error(format!("`{word}` is no type that is simulated"))),
        }
    }

    /// A kernel, from its name on.
    fn entry(&mut self) -> Result<Entry<'a>, PtxError> {
        let mut entry = Entry { name: self.word()?, max_threads: 1024, ..Entry::default() };
        if self.take('(') {
            while !self.take(')') {
                let word = self.word()?;
                if word != ".param" {
                    return Err(self.error(format!("`{word}` among parameters")));
                }
                let Variable { name, size, .. } = self.variable()?;
                entry.parameters.push((name, size));
                self.take(',');
            }
        }
        while !self.take('{') {
            match self.word()? {
                ".maxntid" => {
                    let mut threads = self.number()?;
                    while self.take(',') {
                        threads = threads.saturating_mul(self.number()?);
                    }
                    entry.max_threads = u32::try_from(threads).unwrap_or(u32::MAX);
                }
                ".minnctapersm" => drop(self.number()?),
                other => return Err(self.error(format!("`{other}` is not simulated"))),
            }
        }
        self.body(&mut entry)?;
        Ok(entry)
    }

    /// What stands between the braces of a kernel, to its end.
    fn body(&mut self, entry: &mut Entry<'a>) -> Result<(), PtxError> {
        let mut depth = 1;
        while depth > 0 {
            match self.peek() {
                // Inline assembly stands in braces of its own.
                Some(Kind::Sign('{')) => (self.at, depth) = (self.at + 1, depth + 1),
                Some(Kind::Sign('}')) => (self.at, depth) = (self.at + 1, depth - 1),
                Some(Kind::Word(".reg" | ".pragma")) => self.skip_statement()?,
                Some(Kind::Word(".loc")) => {
                    self.at += 1;
                    self.skip_line();
                }
                Some(Kind::Word(".shared")) => {
                    self.at += 1;
                    let Variable { name, size, align, .. } = self.variable()?;
                    entry.shared.push((name, size, align));
                }
                Some(Kind::Word(name))
                    if self.tokens.get(self.at + 1).is_some_and(|t| t.kind == Kind::Sign(':')) =>
                {
                    entry.labels.push((name, entry.statements.len()));
                    self.at += 2;
                }
                _ => {
                    let statement = self.statement()?;
                    entry.statements.push(statement);
                }
            }
        }
        Ok(())
    }

    fn statement(&mut self) -> Result<Statement<'a>, PtxError> {
        let Some(&Token { line, start, .. }) = self.tokens.get(self.at) else {
            return Err(self.error("the text ends too early"));
        };
        let guard = if self.take('@') {
            let is_negated = self.take('!');
            Some((self.word()?, is_negated))
        } else {
            None
        };
        let opcode = self.word()?;
        let mut operands = Vec::new();
        while !self.is(';') {
            operands.push(self.operand()?);
            if !self.take(',') {
                break;
            }
        }
        let end = self.tokens.get(self.at).map_or(self.text.len(), |token| token.start);
        self.expect(';')?;
        Ok(Statement { guard, opcode, operands, text: self.text[start..end].trim_end(), line })
    }

    fn operand(&mut self) -> Result<Operand<'a>, PtxError> {
        match self.peek() {
            Some(Kind::Sign('{')) => {
                self.at += 1;
                let mut list = Vec::new();
                while !self.take('}') {
                    list.push(self.operand()?);
                    self.take(',');
                }
                Ok(Operand::List(list))
            }
            Some(Kind::Sign('[')) => {
                self.at += 1;
                let base = self.word()?;
                let offset = if self.take('+') || self.is('-') { self.number()?.cast_signed() } else { 0 };
                self.expect(']')?;
                Ok(Operand::Address(base, offset))
            }
            Some(Kind::Sign('!')) => {
                self.at += 1;
                Ok(Operand::Not(self.word()?))
            }
            Some(Kind::Word(_)) => {
                let word = self.word()?;
                if self.take('|') { Ok(Operand::Two(word, self.word()?)) } else { Ok(Operand::Name(word)) }
            }
            _ => Ok(Operand::Number(self.number()?)),
        }
    }
}
