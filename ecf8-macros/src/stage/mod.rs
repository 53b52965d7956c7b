//! Rewrites the body of a kernel so that running it builds the kernel.
//!
//! What Rust lets types decide (arithmetic, method calls) stays as written. What it does not (`if`, `while`, `for`,
//! comparisons, `&&`, `||`, `as`, assignment, indexing) becomes a call into `ecf8_codegen::lang::rt`, spanned as the
//! token it replaces, so that the compiler's messages and the kernel's source locations point at the author's code.

mod control;
mod expression;
mod statement;

use proc_macro2::{Ident, TokenStream};
use std::collections::HashMap;
use syn::visit::Visit;
use syn::{Block, Error, FnArg, Pat, Type};

/// What a name in scope stands for, as far as syntax tells.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Binding {
    /// `let mut`: a device variable.
    Variable,
    /// A `&mut Var<T>` parameter: somebody else's device variable.
    VariableRef,
    /// `#[host] let mut`: mutable while building.
    HostMut,
    /// Anything else.
    Plain,
}

/// The state of one rewriting.
pub(crate) struct Stage {
    scopes: Vec<HashMap<String, Binding>>,
    errors: Option<Error>,
    is_kernel: bool,
}

impl Stage {
    pub(crate) fn new(is_kernel: bool) -> Self {
        Self { scopes: vec![HashMap::new()], errors: None, is_kernel }
    }

    /// Records an error; the rewriting goes on to find more.
    pub(crate) fn error(&mut self, error: Error) {
        match &mut self.errors {
            Some(errors) => errors.combine(error),
            None => self.errors = Some(error),
        }
    }

    /// All errors as `compile_error!` calls at their places.
    pub(crate) fn errors(&self) -> Option<TokenStream> {
        self.errors.as_ref().map(Error::to_compile_error)
    }

    /// Brings a function's parameter into scope.
    pub(crate) fn parameter(&mut self, argument: &FnArg) {
        let FnArg::Typed(typed) = argument else { return };
        let is_var = |ty: &Type| match ty {
            Type::Path(path) => path.path.segments.last().is_some_and(|segment| segment.ident == "Var"),
            _ => false,
        };
        let binding = match &*typed.ty {
            Type::Reference(reference) if is_var(&reference.elem) => Binding::VariableRef,
            ty if is_var(ty) => Binding::Variable,
            _ => Binding::Plain,
        };
        self.bind_pattern(&typed.pat, binding);
    }

    /// Rewrites a function's body in place.
    pub(crate) fn function_body(&mut self, block: &mut Block) {
        self.scoped(|stage| stage.block(block));
    }

    fn scoped<R>(&mut self, f: impl FnOnce(&mut Self) -> R) -> R {
        self.scopes.push(HashMap::new());
        let result = f(self);
        self.scopes.pop();
        result
    }

    fn bind(&mut self, name: &Ident, binding: Binding) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.to_string(), binding);
        }
    }

    fn bind_pattern(&mut self, pattern: &Pat, binding: Binding) {
        struct Names<'a>(&'a mut Stage, Binding);
        impl<'ast> Visit<'ast> for Names<'_> {
            fn visit_pat_ident(&mut self, pattern: &'ast syn::PatIdent) {
                self.0.bind(&pattern.ident, self.1);
            }
        }
        Names(self, binding).visit_pat(pattern);
    }

    fn binding(&self, name: &Ident) -> Option<Binding> {
        let name = name.to_string();
        self.scopes.iter().rev().find_map(|scope| scope.get(&name).copied())
    }
}
