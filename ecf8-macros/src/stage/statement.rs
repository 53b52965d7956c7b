//! Statements: `let`, `let mut`, and doc comments, which become comments of the emitted source.

use super::super::function::docs;
use super::{Binding, Stage};
use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::visit_mut::VisitMut;
use syn::{Attribute, Block, Error, Expr, GenericArgument, Local, Pat, PatIdent, PathArguments, Stmt, Type};

impl Stage {
    /// Rewrites the statements of a block in place; the caller opens the scope.
    pub(super) fn block(&mut self, block: &mut Block) {
        let last = block.stmts.len().saturating_sub(1);
        let statements = std::mem::take(&mut block.stmts);
        for (i, statement) in statements.into_iter().enumerate() {
            match statement {
                Stmt::Local(local) => {
                    let tokens = self.local(local);
                    block.stmts.push(verbatim(tokens));
                }
                Stmt::Expr(mut expr, semicolon) => {
                    if let Some(attributes) = expression_attributes(&mut expr) {
                        block.stmts.push(verbatim(comments(attributes)));
                    }
                    let is_tail = i == last && semicolon.is_none();
                    let tokens = self.statement_expression(expr, is_tail);
                    block.stmts.push(verbatim(quote!(#tokens #semicolon)));
                }
                other => block.stmts.push(other),
            }
        }
    }

    fn statement_expression(&mut self, mut expr: Expr, is_tail: bool) -> TokenStream {
        match expr {
            Expr::If(branch) if !(is_tail && super::control::has_value(&branch)) => self.if_statement(branch),
            _ => {
                self.visit_expr_mut(&mut expr);
                quote!(#expr)
            }
        }
    }

    fn local(&mut self, mut local: Local) -> TokenStream {
        let comment = comments(&mut local.attrs);
        let host = local.attrs.iter().any(|attribute| attribute.path().is_ident("host"));
        local.attrs.retain(|attribute| !attribute.path().is_ident("host"));
        if let Some(init) = &mut local.init {
            self.visit_expr_mut(&mut init.expr);
            if let Some((_, diverge)) = &mut init.diverge {
                self.visit_expr_mut(diverge);
            }
        }
        let (pattern, ty) = match &local.pat {
            Pat::Type(typed) => ((*typed.pat).clone(), Some((*typed.ty).clone())),
            pattern => (pattern.clone(), None),
        };
        match &pattern {
            Pat::Ident(PatIdent { ident, mutability: Some(_), .. }) if host => {
                self.bind(ident, Binding::HostMut);
                quote!(#comment #local)
            }
            Pat::Ident(PatIdent { ident, mutability: Some(mutability), .. }) => {
                let text = ident.unraw().to_string();
                let ty = ty.map(scalar);
                let declare = match (&local.init, ty) {
                    (Some(init), ty) => {
                        let (expr, ty) = (&init.expr, ty.map_or(quote!(_), |ty| quote!(#ty)));
                        quote_spanned! { expr.span() => ::ecf8_codegen::lang::rt::declare::<#ty, _>(#text, #expr) }
                    }
                    (None, Some(ty)) => {
                        quote_spanned! { ty.span() => ::ecf8_codegen::lang::rt::declare_unset::<#ty>(#text) }
                    }
                    (None, None) => {
                        self.error(Error::new(
                            ident.span(),
                            format!("a device variable needs a value or a type: `let mut {ident}: u32;`"),
                        ));
                        TokenStream::new()
                    }
                };
                self.bind(ident, Binding::Variable);
                quote!(#comment let #mutability #ident = #declare;)
            }
            Pat::Ident(PatIdent { ident, .. }) => {
                self.bind(ident, Binding::Plain);
                let text = ident.unraw().to_string();
                let name = match &local.init {
                    Some(init) if !matches!(*init.expr, Expr::Lit(_) | Expr::Closure(_)) => {
                        quote_spanned! { ident.span() => (&::ecf8_codegen::lang::rt::Name(&#ident)).name(#text); }
                    }
                    _ => TokenStream::new(),
                };
                quote!(#comment #local #name)
            }
            pattern if host => {
                self.bind_pattern(pattern, Binding::HostMut);
                quote!(#comment #local)
            }
            pattern => {
                self.bind_pattern(pattern, Binding::Plain);
                self.reject_inner_mut(pattern);
                quote!(#comment #local)
            }
        }
    }

    /// A device variable has a `let` of its own: within a pattern, `mut` would make a mutable copy of a handle.
    fn reject_inner_mut(&mut self, pattern: &Pat) {
        struct Mutable(Vec<Ident>);
        impl<'ast> Visit<'ast> for Mutable {
            fn visit_pat_ident(&mut self, pattern: &'ast PatIdent) {
                if pattern.mutability.is_some() {
                    self.0.push(pattern.ident.clone());
                }
            }
        }
        let mut found = Mutable(Vec::new());
        found.visit_pat(pattern);
        for name in found.0 {
            let message = format!("a device variable is declared on its own: `let mut {name} = ..;`");
            self.error(Error::new(name.span(), message));
            self.bind(&name, Binding::Variable);
        }
    }
}

fn verbatim(tokens: TokenStream) -> Stmt {
    Stmt::Expr(Expr::Verbatim(tokens), None)
}

/// `T` of a type written `T`, `V<T>` or `Var<T>`.
fn scalar(ty: Type) -> Type {
    if let Type::Path(path) = &ty
        && let Some(segment) = path.path.segments.last()
        && (segment.ident == "V" || segment.ident == "Var")
        && let PathArguments::AngleBracketed(arguments) = &segment.arguments
        && let Some(GenericArgument::Type(inner)) = arguments.args.first()
    {
        return inner.clone();
    }
    ty
}

/// Doc comments, taken off the statement, as calls that put comments into the kernel.
fn comments(attributes: &mut Vec<Attribute>) -> TokenStream {
    let lines = docs(attributes);
    let span = attributes.first().map_or_else(proc_macro2::Span::call_site, Spanned::span);
    attributes.retain(|attribute| !attribute.path().is_ident("doc"));
    quote_spanned!(span => #(::ecf8_codegen::lang::comment(#lines);)*)
}

/// Where the parser puts the attributes of an expression statement: on its leftmost part.
fn expression_attributes(expr: &mut Expr) -> Option<&mut Vec<Attribute>> {
    Some(match expr {
        Expr::Assign(e) => return expression_attributes(&mut e.left),
        Expr::Binary(e) => return expression_attributes(&mut e.left),
        Expr::Cast(e) => return expression_attributes(&mut e.expr),
        Expr::Block(e) => &mut e.attrs,
        Expr::Break(e) => &mut e.attrs,
        Expr::Call(e) => &mut e.attrs,
        Expr::Continue(e) => &mut e.attrs,
        Expr::ForLoop(e) => &mut e.attrs,
        Expr::If(e) => &mut e.attrs,
        Expr::Index(e) => &mut e.attrs,
        Expr::Loop(e) => &mut e.attrs,
        Expr::Macro(e) => &mut e.attrs,
        Expr::Match(e) => &mut e.attrs,
        Expr::MethodCall(e) => &mut e.attrs,
        Expr::Path(e) => &mut e.attrs,
        Expr::Return(e) => &mut e.attrs,
        Expr::Unary(e) => &mut e.attrs,
        Expr::While(e) => &mut e.attrs,
        _ => return None,
    })
}
