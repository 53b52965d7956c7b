//! Expressions: reads, assignments, comparisons, logic, conversions, indexing.

use super::{Binding, Stage};
use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{BinOp, Error, Expr, ExprLit, Lit, Type, UnOp};

/// The operator of `a op= b`, if it is one.
pub(super) fn compound(op: &BinOp) -> Option<TokenStream> {
    Some(match op {
        BinOp::AddAssign(t) => quote_spanned!(t.span() => +),
        BinOp::SubAssign(t) => quote_spanned!(t.span() => -),
        BinOp::MulAssign(t) => quote_spanned!(t.span() => *),
        BinOp::DivAssign(t) => quote_spanned!(t.span() => /),
        BinOp::RemAssign(t) => quote_spanned!(t.span() => %),
        BinOp::BitXorAssign(t) => quote_spanned!(t.span() => ^),
        BinOp::BitAndAssign(t) => quote_spanned!(t.span() => &),
        BinOp::BitOrAssign(t) => quote_spanned!(t.span() => |),
        BinOp::ShlAssign(t) => quote_spanned!(t.span() => <<),
        BinOp::ShrAssign(t) => quote_spanned!(t.span() => >>),
        _ => return None,
    })
}

/// The comparison's method, if it is one.
fn comparison(op: &BinOp) -> Option<TokenStream> {
    Some(match op {
        BinOp::Eq(t) => quote_spanned!(t.span() => eq),
        BinOp::Ne(t) => quote_spanned!(t.span() => ne),
        BinOp::Lt(t) => quote_spanned!(t.span() => lt),
        BinOp::Le(t) => quote_spanned!(t.span() => le),
        BinOp::Gt(t) => quote_spanned!(t.span() => gt),
        BinOp::Ge(t) => quote_spanned!(t.span() => ge),
        _ => return None,
    })
}

/// The name, if the expression is just that.
fn plain_name(expr: &Expr) -> Option<&Ident> {
    match expr {
        Expr::Path(path) if path.qself.is_none() => path.path.get_ident(),
        Expr::Paren(inner) => plain_name(&inner.expr),
        _ => None,
    }
}

impl VisitMut for Stage {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        let staged = match expr {
            Expr::Path(_) => match plain_name(expr) {
                Some(name) if self.is_variable(name) => quote_spanned!(name.span() => #name.get()),
                _ => return,
            },
            Expr::Assign(assign) => {
                let (target, value) = (&mut assign.left, &mut assign.right);
                self.visit_expr_mut(value);
                let value = quote!(#value);
                match self.assign(target, |_| value.clone(), assign.eq_token.span()) {
                    Some(tokens) => tokens,
                    None => return,
                }
            }
            Expr::Binary(binary) => match self.binary(binary) {
                Some(tokens) => tokens,
                None => return,
            },
            Expr::Cast(cast) => {
                let is_literal = matches!(&*cast.expr, Expr::Lit(ExprLit { lit: Lit::Int(_), .. }));
                if is_literal || !is_scalar(&cast.ty) {
                    return visit_mut::visit_expr_mut(self, expr);
                }
                self.visit_expr_mut(&mut cast.expr);
                let (inner, ty) = (&cast.expr, &cast.ty);
                quote_spanned!(cast.as_token.span() => ::ecf8_codegen::lang::rt::cast::<#ty, _>(#inner))
            }
            Expr::Index(index) if !matches!(*index.index, Expr::Range(_)) => {
                self.visit_expr_mut(&mut index.expr);
                self.visit_expr_mut(&mut index.index);
                let (base, at) = (&index.expr, &index.index);
                quote_spanned!(base.span() => ::ecf8_codegen::lang::rt::at(&#base, #at))
            }
            Expr::Reference(reference) if reference.mutability.is_some() => {
                let lent = match &*reference.expr {
                    Expr::Unary(unary) if matches!(unary.op, UnOp::Deref(_)) => &*unary.expr,
                    other => other,
                };
                match plain_name(lent).map(|name| (name.clone(), self.binding(name))) {
                    Some((name, Some(Binding::Variable))) => quote!(&mut #name),
                    Some((name, Some(Binding::VariableRef))) => quote!(&mut *#name),
                    _ => return visit_mut::visit_expr_mut(self, expr),
                }
            }
            Expr::Unary(unary) if matches!(unary.op, UnOp::Deref(_)) => match plain_name(&unary.expr) {
                Some(name) if self.binding(name) == Some(Binding::VariableRef) => quote!(#name.get()),
                _ => return visit_mut::visit_expr_mut(self, expr),
            },
            Expr::If(branch) => self.if_expression(branch.clone()),
            Expr::While(each) => {
                self.reject_label(each.label.as_ref());
                self.visit_expr_mut(&mut each.cond);
                let condition = &each.cond;
                self.while_loop(&quote!(#condition), each.body.clone(), each.while_token.span)
            }
            Expr::Loop(each) => {
                self.reject_label(each.label.as_ref());
                self.while_loop(&quote!(true), each.body.clone(), each.loop_token.span)
            }
            Expr::ForLoop(each) => {
                self.reject_label(each.label.as_ref());
                self.for_loop(each.clone())
            }
            Expr::Break(jump) => {
                self.jump(&quote!(break), jump.label.is_none() && jump.expr.is_none(), jump.break_token.span)
            }
            Expr::Continue(jump) => {
                self.jump(&quote!(continue), jump.label.is_none(), jump.continue_token.span)
            }
            Expr::Return(end) => self.return_(end.expr.as_deref(), end.return_token.span),
            Expr::Closure(closure) => {
                return self.scoped(|stage| {
                    for input in &closure.inputs {
                        stage.bind_pattern(input, Binding::Plain);
                    }
                    stage.visit_expr_mut(&mut closure.body);
                });
            }
            Expr::Match(cases) => {
                self.visit_expr_mut(&mut cases.expr);
                for arm in &mut cases.arms {
                    self.scoped(|stage| {
                        stage.bind_pattern(&arm.pat, Binding::Plain);
                        stage.visit_expr_mut(&mut arm.body);
                    });
                }
                return;
            }
            Expr::Let(pattern) => {
                self.visit_expr_mut(&mut pattern.expr);
                return self.bind_pattern(&pattern.pat, Binding::Plain);
            }
            _ => return visit_mut::visit_expr_mut(self, expr),
        };
        *expr = Expr::Verbatim(staged);
    }

    fn visit_block_mut(&mut self, block: &mut syn::Block) {
        self.scoped(|stage| stage.block(block));
    }

    fn visit_item_mut(&mut self, _: &mut syn::Item) {}
}

impl Stage {
    fn is_variable(&self, name: &Ident) -> bool {
        matches!(self.binding(name), Some(Binding::Variable | Binding::VariableRef))
    }

    fn reject_label(&mut self, label: Option<&syn::Label>) {
        if let Some(label) = label {
            self.error(Error::new(label.span(), "loop labels are not supported in kernels"));
        }
    }

    /// `a op b`: `None` if it stays as it is, its operands rewritten.
    fn binary(&mut self, binary: &mut syn::ExprBinary) -> Option<TokenStream> {
        if let Some(op) = compound(&binary.op) {
            self.visit_expr_mut(&mut binary.right);
            let right = &binary.right;
            let right = quote!(#right);
            let span = binary.op.span();
            return self
                .assign(&mut binary.left, |old| quote_spanned!(span => (#old) #op (#right)), span)
                .or_else(|| {
                    let (left, op) = (&binary.left, &binary.op);
                    Some(quote!(#left #op #right))
                });
        }
        self.visit_expr_mut(&mut binary.left);
        self.visit_expr_mut(&mut binary.right);
        let (left, right) = (&binary.left, &binary.right);
        if let Some(method) = comparison(&binary.op) {
            return Some(quote_spanned! { binary.op.span() =>
                (&::ecf8_codegen::lang::rt::Compare(&(#left), &(#right))).#method()
            });
        }
        match &binary.op {
            BinOp::And(t) => {
                Some(quote_spanned!(t.span() => ::ecf8_codegen::lang::rt::and(#left, || #right)))
            }
            BinOp::Or(t) => Some(quote_spanned!(t.span() => ::ecf8_codegen::lang::rt::or(#left, || #right))),
            // Grouped here, as rewritten operands have lost the brackets that precedence gave them.
            op => Some(quote_spanned!(op.span() => (#left #op #right))),
        }
    }

    /// `target = value(old target)`; `None` if it stays Rust's own assignment.
    fn assign(
        &mut self,
        target: &mut Expr,
        value: impl Fn(TokenStream) -> TokenStream,
        span: proc_macro2::Span,
    ) -> Option<TokenStream> {
        let target = match target {
            Expr::Unary(unary) if matches!(unary.op, UnOp::Deref(_)) => &mut *unary.expr,
            other => other,
        };
        if let Expr::Index(index) = target {
            self.visit_expr_mut(&mut index.expr);
            self.visit_expr_mut(&mut index.index);
            let (base, at) = (&index.expr, &index.index);
            let value = value(quote_spanned!(span => ::ecf8_codegen::lang::rt::at(&#base, __at)));
            return Some(quote_spanned! { span =>
                { let __at = #at; ::ecf8_codegen::lang::rt::store(&#base, __at, #value) }
            });
        }
        let Some(name) = plain_name(target).cloned() else {
            self.visit_expr_mut(target);
            return None;
        };
        match self.binding(&name) {
            Some(Binding::Variable | Binding::VariableRef) => {
                let value = value(quote_spanned!(name.span() => #name.get()));
                Some(quote_spanned!(span => #name.set(#value)))
            }
            Some(Binding::HostMut) => None,
            _ => {
                self.error(Error::new(
                    name.span(),
                    format!("`{name}` cannot be assigned: declare it with `let mut {name}`"),
                ));
                None
            }
        }
    }
}

/// Whether the type is one that device values have.
fn is_scalar(ty: &Type) -> bool {
    let Type::Path(path) = ty else { return false };
    ["u8", "u16", "u32", "u64", "i32", "bool"].iter().any(|name| path.path.is_ident(name))
}
