//! A statement's opcode and operands, taken apart.

use super::parse::{Operand, Statement};
use super::{PtxError, Space, Type};

/// What comes between the dots of an opcode, and the operands after it.
pub(super) struct Words<'a, 's> {
    pub(super) statement: &'s Statement<'a>,
    pub(super) base: &'a str,
    pub(super) modifiers: Vec<&'a str>,
    pub(super) used: usize,
}

impl<'a, 's> Words<'a, 's> {
    pub(super) fn unknown(&self) -> PtxError {
        PtxError::at(self.statement.line, format!("`{}` is not simulated", self.statement.text))
    }

    pub(super) fn has(&self, modifier: &str) -> bool {
        self.modifiers.contains(&modifier)
    }

    pub(super) fn operand(&mut self) -> Result<&'s Operand<'a>, PtxError> {
        let operand = self.statement.operands.get(self.used).ok_or_else(|| self.unknown())?;
        self.used += 1;
        Ok(operand)
    }

    /// The type at the end of the opcode.
    pub(super) fn of(&self) -> Result<Type, PtxError> {
        self.type_of(self.modifiers.last().ok_or_else(|| self.unknown())?)
    }

    pub(super) fn type_of(&self, word: &str) -> Result<Type, PtxError> {
        let bits = match word.trim_start_matches(['b', 'u', 's']) {
            "8" => 8,
            "16" => 16,
            "32" => 32,
            "64" => 64,
            "pred" => 1,
            _ => return Err(self.unknown()),
        };
        Ok(Type { bits, is_signed: word.starts_with('s') })
    }

    pub(super) fn space(&self) -> Result<Space, PtxError> {
        match () {
            () if self.has("shared") || self.has("shared::cta") => Ok(Space::Shared),
            () if self.has("const") || self.has("global") && self.has("nc") => Ok(Space::ReadOnly),
            () if self.has("global") => Ok(Space::Global),
            () => Err(self.unknown()),
        }
    }

    /// The values of a load or store, one or a list.
    pub(super) fn several(&mut self) -> Result<Vec<Operand<'a>>, PtxError> {
        match self.operand()? {
            Operand::List(list) => Ok(list.clone()),
            one => Ok(vec![one.clone()]),
        }
    }

    /// How many values they are, which the opcode also tells.
    pub(super) fn count(&self, values: &[Operand<'a>]) -> Result<u8, PtxError> {
        let told = if self.has("v4") {
            4
        } else if self.has("v2") {
            2
        } else {
            1
        };
        if usize::from(told) == values.len() { Ok(told) } else { Err(self.unknown()) }
    }

    /// A number of 8 bits.
    pub(super) fn small(&mut self) -> Result<u8, PtxError> {
        match self.operand()? {
            Operand::Number(number) => u8::try_from(*number).map_err(|_| self.unknown()),
            _ => Err(self.unknown()),
        }
    }
}
