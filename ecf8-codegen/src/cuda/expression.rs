//! C expressions: text with its precedence, so that brackets stand where C or a reader needs them.

use crate::ir::{BinaryOp, MemoryId, Special, Ty, UnaryOp, VarId};

/// How tightly an expression binds; larger is tighter. C's order.
mod precedence {
    pub(crate) const CONDITIONAL: u8 = 3;
    pub(crate) const LOGICAL_OR: u8 = 4;
    pub(crate) const LOGICAL_AND: u8 = 5;
    pub(crate) const OR: u8 = 6;
    pub(crate) const XOR: u8 = 7;
    pub(crate) const AND: u8 = 8;
    pub(crate) const EQUALITY: u8 = 9;
    pub(crate) const ORDER: u8 = 10;
    pub(crate) const SHIFT: u8 = 11;
    pub(crate) const SUM: u8 = 12;
    pub(crate) const PRODUCT: u8 = 13;
    pub(crate) const UNARY: u8 = 15;
    pub(crate) const PRIMARY: u8 = 16;
}
use precedence::{
    AND, CONDITIONAL, EQUALITY, LOGICAL_AND, LOGICAL_OR, OR, ORDER, PRIMARY, PRODUCT, SHIFT, SUM, UNARY, XOR,
};

/// What `a op b` has on its left, if `a = a op b` can be written `a op= b`.
#[derive(Clone, PartialEq)]
pub(super) enum Assignee {
    Variable(VarId),
    Element(MemoryId, Ty, String),
}

/// A C expression.
#[derive(Clone)]
pub(super) struct Expr {
    pub(super) text: String,
    pub(super) precedence: u8,
    /// The value, if it is a literal.
    pub(super) literal: Option<(Ty, u64)>,
    /// If it is a conversion to a wider type that C also makes where it has reason to: what is converted.
    pub(super) widened: Option<Box<Expr>>,
    /// Whether writing it out again costs nothing.
    pub(super) costs_nothing: bool,
    /// What it reads, if it is no more than that.
    pub(super) place: Option<Assignee>,
    /// The place, operator and right side, if it updates a place.
    pub(super) update: Option<(Assignee, &'static str, String)>,
}

impl Expr {
    pub(super) fn new(text: impl Into<String>, precedence: u8) -> Self {
        Self {
            text: text.into(),
            precedence,
            literal: None,
            widened: None,
            costs_nothing: false,
            place: None,
            update: None,
        }
    }

    pub(super) fn name(text: impl Into<String>) -> Self {
        Self::new(text, PRIMARY)
    }

    pub(super) fn literal(ty: Ty, bits: u64) -> Self {
        Self { literal: Some((ty, bits)), ..Self::name(literal(ty, bits)) }
    }

    pub(super) fn special(special: Special) -> Self {
        let text = match special {
            Special::ThreadIdx => "threadIdx.x",
            Special::BlockIdx => "blockIdx.x",
            Special::GridDim => "gridDim.x",
        };
        Self { costs_nothing: true, ..Self::name(text) }
    }

    fn bracketed(&self, needed: bool) -> String {
        if needed { format!("({})", self.text) } else { self.text.clone() }
    }

    /// The text where C converts it to what is wanted: literals need no suffix, and what is only widened no cast.
    pub(super) fn converted(&self) -> String {
        self.without_cast().without_suffix()
    }

    /// What is left where something else has the wanted type, which C then gives both.
    fn without_cast(&self) -> &Self {
        self.widened.as_deref().map_or(self, Self::without_cast)
    }

    fn without_suffix(&self) -> String {
        match self.literal {
            Some((Ty::U32 | Ty::U64, bits)) if bits < 1 << 31 => digits(bits),
            _ => self.text.clone(),
        }
    }

    /// As an operand of an operator that binds with `outer`.
    fn operand(&self, outer: u8, is_right: bool, keep_type: bool) -> String {
        let looser = self.precedence < outer || (is_right && self.precedence == outer);
        // C binds these as written, but few readers know that by heart.
        let confusing = self.precedence < UNARY
            && self.precedence != outer
            && (matches!(outer, OR | XOR | AND | SHIFT)
                || (outer == LOGICAL_OR && self.precedence == LOGICAL_AND));
        if keep_type && !(looser || confusing) {
            return self.text.clone();
        }
        if looser || confusing { self.bracketed(true) } else { self.without_suffix() }
    }
}

/// Whether C leaves the result undefined where ours wraps: `int` arithmetic that overflows, and products of `u16`, which C
/// computes in `int`.
fn overflows(ty: Ty, op: BinaryOp) -> bool {
    match op {
        BinaryOp::Add | BinaryOp::Sub | BinaryOp::Shl => ty == Ty::I32,
        BinaryOp::Mul => matches!(ty, Ty::I32 | Ty::U16),
        _ => false,
    }
}

/// `a op b` on operands of type `ty`.
pub(super) fn binary(ty: Ty, op: BinaryOp, a: &Expr, b: &Expr) -> Expr {
    if overflows(ty, op) {
        let b = if op.is_shift() { b.clone() } else { cast(Ty::U32, b) };
        return cast(ty, &binary(Ty::U32, op, &cast(Ty::U32, a), &b));
    }
    let (symbol, outer) = match op {
        BinaryOp::Add => ("+", SUM),
        BinaryOp::Sub => ("-", SUM),
        BinaryOp::Mul => ("*", PRODUCT),
        BinaryOp::Div => ("/", PRODUCT),
        BinaryOp::Rem => ("%", PRODUCT),
        BinaryOp::And => ("&", AND),
        BinaryOp::Or => ("|", OR),
        BinaryOp::Xor => ("^", XOR),
        BinaryOp::Shl => ("<<", SHIFT),
        BinaryOp::Shr => (">>", SHIFT),
        BinaryOp::Eq => ("==", EQUALITY),
        BinaryOp::Ne => ("!=", EQUALITY),
        BinaryOp::Lt => ("<", ORDER),
        BinaryOp::Le => ("<=", ORDER),
        BinaryOp::Gt => (">", ORDER),
        BinaryOp::Ge => (">=", ORDER),
        BinaryOp::Min => return Expr::name(format!("min({}, {})", a.text, b.text)),
        BinaryOp::Max => return Expr::name(format!("max({}, {})", a.text, b.text)),
    };
    // One operand of the right type is enough, but what is shifted has only its own.
    let is_wide = matches!(ty, Ty::U32 | Ty::U64) && !op.is_shift();
    let (a, b) = match (a.literal, b.literal) {
        (None, None) if is_wide && b.widened.is_some() => (a, b.without_cast()),
        (None, None) if is_wide => (a.without_cast(), b),
        _ => (a, b),
    };
    let left = a.operand(outer, false, op.is_shift());
    let right = b.operand(outer, true, false);
    let mut whole = Expr::new(format!("{left} {symbol} {right}"), outer);
    if !op.is_comparison() {
        if ty.bytes() < 4 {
            // C computes in `int`.
            return cast(ty, &whole);
        }
        let updating = match symbol {
            "+" => "+=",
            "-" => "-=",
            "*" => "*=",
            "/" => "/=",
            "%" => "%=",
            "&" => "&=",
            "|" => "|=",
            "^" => "^=",
            "<<" => "<<=",
            _ => ">>=",
        };
        whole.update = a.place.clone().map(|place| (place, updating, b.converted()));
    }
    whole
}

/// `op a` on an operand of type `ty`.
pub(super) fn unary(ty: Ty, op: UnaryOp, a: &Expr) -> Expr {
    let long = if ty == Ty::U64 { "ll" } else { "" };
    match op {
        UnaryOp::Not if ty == Ty::Bool => Expr::new(format!("!{}", a.operand(UNARY, false, true)), UNARY),
        UnaryOp::Not => {
            let complement = Expr::new(format!("~{}", a.operand(UNARY, false, true)), UNARY);
            if ty.bytes() < 4 { cast(ty, &complement) } else { complement }
        }
        UnaryOp::CountOnes => widen(Ty::U32, &Expr::name(format!("__popc{long}({})", a.text))),
        UnaryOp::LeadingZeros => widen(Ty::U32, &Expr::name(format!("__clz{long}({})", a.text))),
    }
}

/// `(ty)a`
pub(super) fn cast(ty: Ty, a: &Expr) -> Expr {
    if ty == Ty::Bool {
        return binary(Ty::U64, BinaryOp::Ne, a, &Expr::literal(Ty::U64, 0));
    }
    Expr::new(format!("({}){}", super::type_name(ty), a.operand(UNARY, false, true)), UNARY)
}

/// `(ty)a` where C does the same unasked wherever a `ty` is wanted, as the value is neither negative nor too large.
pub(super) fn widen(ty: Ty, a: &Expr) -> Expr {
    Expr { widened: Some(Box::new(a.clone())), ..cast(ty, a) }
}

/// A call of a function by its name.
pub(super) fn call(function: &str, arguments: &[&Expr]) -> Expr {
    let arguments: Vec<&str> = arguments.iter().map(|argument| argument.text.as_str()).collect();
    Expr::name(format!("{function}({})", arguments.join(", ")))
}

/// `condition ? then : otherwise`, or `&&` or `||` where that says the same.
pub(super) fn conditional(condition: &Expr, then: &Expr, otherwise: &Expr) -> Expr {
    match (then.literal, otherwise.literal) {
        (_, Some((Ty::Bool, 0))) => joined(condition, "&&", then, LOGICAL_AND),
        (Some((Ty::Bool, 1)), _) => joined(condition, "||", otherwise, LOGICAL_OR),
        (then_literal, otherwise_literal) => {
            // One arm of the right type gives the whole its type.
            let one_is_literal = then_literal.is_some() != otherwise_literal.is_some();
            let arm = |arm: &Expr| {
                let text = if one_is_literal { arm.without_suffix() } else { arm.text.clone() };
                if arm.precedence <= CONDITIONAL { format!("({text})") } else { text }
            };
            let asked = condition.operand(CONDITIONAL + 1, false, true);
            let whole = Expr::new(format!("{asked} ? {} : {}", arm(then), arm(otherwise)), CONDITIONAL);
            if then.widened.is_none() && otherwise.widened.is_none() {
                return whole;
            }
            let narrow = conditional(condition, then.without_cast(), otherwise.without_cast());
            Expr { widened: Some(Box::new(narrow)), ..whole }
        }
    }
}

fn joined(a: &Expr, symbol: &str, b: &Expr, outer: u8) -> Expr {
    Expr::new(format!("{} {symbol} {}", a.operand(outer, false, true), b.operand(outer, false, true)), outer)
}

/// Large numbers are masks more often than amounts.
fn digits(bits: u64) -> String {
    if bits > 9999 { format!("0x{bits:x}") } else { bits.to_string() }
}

/// A literal in a table, which gives it its type.
pub(super) fn entry(ty: Ty, bits: u64) -> String {
    match ty {
        Ty::U32 | Ty::U64 => digits(bits),
        _ => literal(ty, bits),
    }
}

/// A literal that has its type wherever it stands.
pub(super) fn literal(ty: Ty, bits: u64) -> String {
    let digits = if ty == Ty::I32 { bits.to_string() } else { digits(bits) };
    match ty {
        Ty::Bool => if bits == 0 { "false" } else { "true" }.to_owned(),
        Ty::U8 | Ty::U16 => digits,
        Ty::U32 => digits + "u",
        Ty::U64 => digits + "ull",
        Ty::I32 if bits == 1 << 31 => "(-2147483647 - 1)".to_owned(),
        Ty::I32 if bits > 1 << 31 => format!("-{}", (1_u64 << 32) - bits),
        Ty::I32 => digits,
    }
}
