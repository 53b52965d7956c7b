//! `if`, `while`, `for`, `loop`, `break`, `continue`, `return`.

use super::{Binding, Stage};
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::visit_mut::VisitMut;
use syn::{Block, Error, Expr, ExprForLoop, ExprIf, ExprLit, ExprRange, Lit, Pat, RangeLimits, Stmt};

/// Whether an `if` at the end of a block is there for its value.
pub(super) fn has_value(branch: &ExprIf) -> bool {
    branch.else_branch.is_some() && yields(&branch.then_branch)
}

fn yields(block: &Block) -> bool {
    match block.stmts.last() {
        Some(Stmt::Expr(expr, None)) => match expr {
            Expr::If(branch) => has_value(branch),
            Expr::Block(inner) => yields(&inner.block),
            Expr::Binary(binary) => super::expression::compound(&binary.op).is_none(),
            Expr::Assign(_)
            | Expr::While(_)
            | Expr::ForLoop(_)
            | Expr::Loop(_)
            | Expr::Break(_)
            | Expr::Continue(_)
            | Expr::Return(_) => false,
            _ => true,
        },
        _ => false,
    }
}

impl Stage {
    /// An `if` for its effects.
    pub(super) fn if_statement(&mut self, mut branch: ExprIf) -> TokenStream {
        if contains_let(&branch.cond) {
            self.plain_if(&mut branch);
            return quote!(#branch);
        }
        self.visit_expr_mut(&mut branch.cond);
        self.scoped(|stage| stage.block(&mut branch.then_branch));
        let otherwise = branch.else_branch.map(|(_, otherwise)| match *otherwise {
            Expr::If(nested) => self.if_statement(nested),
            mut other => {
                self.visit_expr_mut(&mut other);
                quote!(#other)
            }
        });
        let (condition, then) = (&branch.cond, &branch.then_branch);
        quote_spanned! { branch.if_token.span =>
            {
                let mut __branch = ::ecf8_codegen::lang::rt::branch(#condition);
                if __branch.then() #then
                if __branch.otherwise() { #otherwise }
                __branch.end();
            }
        }
    }

    /// An `if` for its value.
    pub(super) fn if_expression(&mut self, mut branch: ExprIf) -> TokenStream {
        if contains_let(&branch.cond) {
            self.plain_if(&mut branch);
            return quote!(#branch);
        }
        let Some((_, otherwise)) = &mut branch.else_branch else {
            return self.if_statement(branch);
        };
        self.visit_expr_mut(&mut branch.cond);
        self.scoped(|stage| stage.block(&mut branch.then_branch));
        self.visit_expr_mut(otherwise);
        let (condition, then) = (&branch.cond, &branch.then_branch);
        quote_spanned! { branch.if_token.span =>
            ::ecf8_codegen::lang::rt::choose(#condition, || #then, || #otherwise)
        }
    }

    /// An `if let`: Rust's own, as it can only ask about known things.
    fn plain_if(&mut self, branch: &mut ExprIf) {
        self.scoped(|stage| {
            stage.visit_expr_mut(&mut branch.cond);
            stage.scoped(|stage| stage.block(&mut branch.then_branch));
        });
        if let Some((_, otherwise)) = &mut branch.else_branch {
            self.visit_expr_mut(otherwise);
        }
    }

    /// `while` and `loop` run on the device.
    pub(super) fn while_loop(
        &mut self,
        condition: &TokenStream,
        mut body: Block,
        span: proc_macro2::Span,
    ) -> TokenStream {
        self.scoped(|stage| stage.block(&mut body));
        // Spanned as the condition, where a complaint about its type belongs.
        let round = quote_spanned!(condition.span() => __while.round(|| #condition));
        quote_spanned! { span =>
            {
                let mut __while = ::ecf8_codegen::lang::rt::while_loop();
                while #round #body
            }
        }
    }

    /// `for`: on the device over a range with a device bound, while building over anything else.
    pub(super) fn for_loop(&mut self, mut each: ExprForLoop) -> TokenStream {
        let mut unroll = TokenStream::new();
        for attribute in &each.attrs {
            if attribute.path().is_ident("unroll") {
                let times: Expr = match &attribute.meta {
                    syn::Meta::Path(_) => syn::parse_quote!(0),
                    _ => match attribute.parse_args() {
                        Ok(times) => times,
                        Err(error) => {
                            self.error(error);
                            continue;
                        }
                    },
                };
                unroll = quote_spanned!(attribute.span() => .unroll(#times));
            } else {
                self.error(Error::new(
                    attribute.span(),
                    "the only attribute of a `for` is `#[unroll]` or `#[unroll(4)]`",
                ));
            }
        }
        let rounds = self.rounds(&mut each.expr);
        self.scoped(|stage| {
            stage.bind_pattern(&each.pat, Binding::Plain);
            stage.block(&mut each.body);
        });
        let (pattern, body) = (&each.pat, &each.body);
        let name = match &**pattern {
            Pat::Ident(pattern) => {
                let (ident, text) = (&pattern.ident, pattern.ident.unraw().to_string());
                quote_spanned! { ident.span() => (&::ecf8_codegen::lang::rt::Name(&#ident)).name(#text); }
            }
            _ => TokenStream::new(),
        };
        quote_spanned! { each.for_token.span => for #pattern in #rounds #unroll { #name #body } }
    }

    /// What a `for` goes through.
    fn rounds(&mut self, expr: &mut Expr) -> TokenStream {
        match expr {
            Expr::Range(ExprRange {
                start: Some(start),
                end: Some(end),
                limits: RangeLimits::HalfOpen(dots),
                ..
            }) if !(is_literal(start) && is_literal(end)) => {
                self.visit_expr_mut(start);
                self.visit_expr_mut(end);
                quote_spanned! { dots.span() => ::ecf8_codegen::lang::rt::range(#start, #end) }
            }
            Expr::Paren(inner) => self.rounds(&mut inner.expr),
            Expr::MethodCall(call) if call.method == "step_by" => {
                let rounds = self.rounds(&mut call.receiver);
                for argument in &mut call.args {
                    self.visit_expr_mut(argument);
                }
                let (method, arguments) = (&call.method, &call.args);
                quote!(#rounds.#method(#arguments))
            }
            _ => {
                self.visit_expr_mut(expr);
                quote_spanned! { expr.span() => ::ecf8_codegen::lang::rt::each(#expr) }
            }
        }
    }

    /// `break` and `continue`.
    pub(super) fn jump(
        &mut self,
        keyword: &TokenStream,
        is_plain: bool,
        span: proc_macro2::Span,
    ) -> TokenStream {
        if !is_plain {
            self.error(Error::new(
                span,
                "labels and values of `break` are not supported in kernels: use a variable",
            ));
        }
        let ask = if keyword.to_string() == "break" {
            quote_spanned!(span => break_)
        } else {
            quote_spanned!(span => continue_)
        };
        quote_spanned! { span => if ::ecf8_codegen::lang::rt::#ask() { #keyword; } }
    }

    /// `return` ends the thread.
    pub(super) fn return_(&mut self, value: Option<&Expr>, span: proc_macro2::Span) -> TokenStream {
        if !self.is_kernel {
            self.error(Error::new(
                span,
                "a `#[device]` function becomes part of its caller: end it with its value instead",
            ));
        } else if let Some(value) = value {
            self.error(Error::new(
                value.span(),
                "a kernel returns nothing: write its results to a `GlobalMut<T>` parameter",
            ));
        }
        quote_spanned! { span => ::ecf8_codegen::lang::rt::return_() }
    }
}

fn is_literal(expr: &Expr) -> bool {
    matches!(expr, Expr::Lit(ExprLit { lit: Lit::Int(_), .. }))
}

fn contains_let(condition: &Expr) -> bool {
    match condition {
        Expr::Let(_) => true,
        Expr::Binary(binary) => contains_let(&binary.left) || contains_let(&binary.right),
        _ => false,
    }
}
