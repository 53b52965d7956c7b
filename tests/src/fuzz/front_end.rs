//! The macros of the kernel language on any text: they expand it, or say what is wrong with it.
//!
//! A crate of macros can be called by the compiler only, so its modules are compiled once more here.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::str::FromStr;

#[path = "../../../ecf8-macros/src"]
#[allow(unreachable_pub, clippy::pedantic, reason = "they are another crate's")]
mod macros {
    pub(super) mod function;
    pub(super) mod stage;
    pub(super) mod tunables;
}

/// How deep brackets may be: compilers have a limit, too, and a text of brackets alone exhausts any parser's stack.
const DEEPEST: usize = 48;

/// Expands a text as a kernel, as a device function and as a set of tunables. What comes of something that can be parsed can
/// be parsed.
pub(super) fn front_end(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (attribute, item) = text.split_once('\n').unwrap_or(("threads = 32", text));
    let (Ok(attribute), Ok(item)) = (TokenStream::from_str(attribute), TokenStream::from_str(item)) else {
        return;
    };
    if depth(&attribute) + depth(&item) > DEEPEST {
        return;
    }
    let is_function = syn::parse2::<syn::ItemFn>(item.clone()).is_ok();
    let is_struct = syn::parse2::<syn::DeriveInput>(item.clone()).is_ok();
    let expanded = [
        (is_function, macros::function::kernel(attribute.clone(), &item)),
        (is_function, macros::function::device(&attribute, &item)),
        (is_struct, macros::tunables::derive(item)),
    ];
    for (is_known, expanded) in expanded {
        if is_known {
            let parsed = syn::parse2::<syn::File>(expanded.clone());
            assert!(parsed.is_ok(), "{}: {expanded}", parsed.err().map_or(String::new(), |e| e.to_string()));
        }
    }
}

/// How deep brackets, and what else makes parsers call themselves, are nested.
fn depth(tokens: &TokenStream) -> usize {
    let (mut deepest, mut run) = (0, 0);
    for token in tokens.clone() {
        match token {
            TokenTree::Group(group) => {
                let own = usize::from(group.delimiter() != Delimiter::None);
                deepest = deepest.max(own + run + depth(&group.stream()));
            }
            TokenTree::Punct(_) | TokenTree::Ident(_) => {
                run += 1;
                deepest = deepest.max(run / 8);
            }
            TokenTree::Literal(_) => {}
        }
    }
    deepest
}
