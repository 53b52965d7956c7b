//! `#[kernel]` and `#[device]`: from the author's function to the one that builds.

use super::stage::Stage;
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::Parser;
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{Attribute, Error, Expr, FnArg, ItemFn, Pat, ReturnType, Type};

/// The traits by which staged code chooses between known and device values.
fn imports() -> TokenStream {
    quote! {
        #[allow(unused_imports)]
        use ::ecf8_codegen::lang::rt::{
            DeviceCompare as _, DeviceCompareKnown as _, HostCompare as _, HostOrder as _, NameDevice as _, NameHost as _,
        };
    }
}

/// Staged code is written by a macro: its style is not the author's.
fn allowances() -> TokenStream {
    quote! { #[allow(clippy::all, clippy::pedantic, unused_braces, unused_parens, unused_mut, unused_must_use)] }
}

/// Expands `#[kernel(threads = ..)]`.
pub(crate) fn kernel(attribute: TokenStream, item: &TokenStream) -> TokenStream {
    let mut function: ItemFn = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(error) => return with_item(&error, item),
    };
    let mut stage = Stage::new(true);
    let (threads, blocks_per_sm) = match bounds(attribute, &function) {
        Ok(Bounds { threads, blocks_per_sm }) => (quote!(#threads), quote!(#blocks_per_sm)),
        Err(error) => {
            stage.error(error);
            (quote!(1), quote!(0))
        }
    };
    if let ReturnType::Type(_, ty) = &function.sig.output {
        stage.error(Error::new(
            ty.span(),
            "a kernel returns nothing: write its results to a `GlobalMut<T>` parameter",
        ));
    }
    let (device, host): (Vec<FnArg>, Vec<FnArg>) =
        std::mem::take(&mut function.sig.inputs).into_iter().partition(is_device_parameter);
    let parameters: Vec<TokenStream> = device
        .iter()
        .filter_map(|argument| {
            let FnArg::Typed(typed) = argument else { return None };
            let Pat::Ident(pattern) = &*typed.pat else {
                stage.error(Error::new(typed.pat.span(), "a kernel parameter is a plain name"));
                return None;
            };
            let (name, ty) = (&pattern.ident, &typed.ty);
            let text = name.unraw().to_string();
            Some(quote_spanned! { ty.span() =>
                let #name = <#ty as ::ecf8_codegen::lang::rt::KernelParam>::param(#text);
            })
        })
        .collect();
    for argument in &host {
        stage.parameter(argument);
    }
    stage.function_body(&mut function.block);

    let (attributes, visibility) = (&function.attrs, &function.vis);
    let (name, generics, clause) =
        (&function.sig.ident, &function.sig.generics, &function.sig.generics.where_clause);
    let docs = docs(attributes);
    let text = name.unraw().to_string();
    let spelt =
        format!("`{text}` cannot name a kernel: CUDA C++ has only ASCII letters, digits and `_` for names");
    let free = format!("`{text}` cannot name a kernel: C++ or CUDA has that name; call it `{text}_kernel`");
    let check = quote_spanned! { name.span() =>
        const _: () = {
            ::core::assert!(::ecf8_codegen::lang::rt::is_spelt_as_in_c(#text), #spelt);
            ::core::assert!(::ecf8_codegen::lang::rt::is_free_for_a_kernel(#text), #free);
        };
    };
    let signature = quote! {
        #(#attributes)*
        #visibility fn #name #generics (#(#host),*)
            -> ::core::result::Result<::ecf8_codegen::ir::Kernel, ::ecf8_codegen::ir::BuildErrors> #clause
    };
    if let Some(errors) = stage.errors() {
        return quote! { #errors #[allow(unused_variables)] #signature { ::core::unreachable!() } };
    }
    let (imports, allowances, body) = (imports(), allowances(), &function.block);
    quote! {
        #allowances
        #signature {
            #imports
            #check
            ::ecf8_codegen::lang::rt::kernel(#text, &[#(#docs),*], #threads, #blocks_per_sm, || { #(#parameters)* #body })
        }
    }
}

/// Expands `#[device]`.
pub(crate) fn device(attribute: &TokenStream, item: &TokenStream) -> TokenStream {
    let mut function: ItemFn = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(error) => return with_item(&error, item),
    };
    let mut stage = Stage::new(false);
    if !attribute.is_empty() {
        stage.error(Error::new(attribute.span(), "`#[device]` takes no arguments"));
    }
    for argument in &function.sig.inputs {
        stage.parameter(argument);
    }
    stage.function_body(&mut function.block);
    let (attributes, visibility, signature) = (&function.attrs, &function.vis, &function.sig);
    if let Some(errors) = stage.errors() {
        return quote! {
            #errors
            #(#attributes)* #[allow(unused_variables)] #visibility #signature { ::core::unreachable!() }
        };
    }
    let (imports, allowances, statements) = (imports(), allowances(), &function.block.stmts);
    let names = signature.inputs.iter().filter_map(|argument| match argument {
        FnArg::Typed(typed) => match &*typed.pat {
            Pat::Ident(pattern) => Some(&pattern.ident),
            _ => None,
        },
        FnArg::Receiver(_) => None,
    });
    let names = names.map(|name| {
        let text = name.unraw().to_string();
        quote_spanned!(name.span() => (&::ecf8_codegen::lang::rt::Name(&#name)).suggest(#text);)
    });
    // Within the closure, places are those of the function's own lines, not of its call.
    let result = match &signature.output {
        ReturnType::Type(_, ty) if !contains_impl(ty) => quote!(-> #ty),
        _ => TokenStream::new(),
    };
    let body = quote!((move || #result { #(#statements)* })());
    quote! {
        #allowances
        #[track_caller]
        #(#attributes)* #visibility #signature {
            #imports
            let __call = ::ecf8_codegen::lang::rt::Call::enter();
            #(#names)*
            #body
        }
    }
}

/// Whether a type has an `impl Trait` in it, which closures cannot return by name.
fn contains_impl(ty: &Type) -> bool {
    struct Found(bool);
    impl<'ast> Visit<'ast> for Found {
        fn visit_type_impl_trait(&mut self, _: &'ast syn::TypeImplTrait) {
            self.0 = true;
        }
    }
    let mut found = Found(false);
    found.visit_type(ty);
    found.0
}

/// What `#[kernel(..)]` says of launches.
struct Bounds {
    threads: Expr,
    blocks_per_sm: Expr,
}

fn bounds(attribute: TokenStream, function: &ItemFn) -> Result<Bounds, Error> {
    let (mut threads, mut blocks_per_sm) = (None, syn::parse_quote!(0));
    let parser = syn::meta::parser(|meta| {
        if meta.path.is_ident("threads") {
            threads = Some(meta.value()?.parse()?);
        } else if meta.path.is_ident("blocks_per_sm") {
            blocks_per_sm = meta.value()?.parse()?;
        } else {
            return Err(meta.error("unknown argument: `#[kernel(threads = T, blocks_per_sm = N)]`"));
        }
        Ok(())
    });
    parser.parse2(attribute)?;
    let threads = threads.ok_or_else(|| {
        Error::new(function.sig.ident.span(), "say how many threads a block has: `#[kernel(threads = 256)]`")
    })?;
    Ok(Bounds { threads, blocks_per_sm })
}

/// Whether the parameter belongs to the kernel rather than to the function that builds it.
fn is_device_parameter(argument: &FnArg) -> bool {
    let FnArg::Typed(typed) = argument else { return false };
    let Type::Path(path) = &*typed.ty else { return false };
    path.path
        .segments
        .last()
        .is_some_and(|segment| ["Global", "GlobalMut", "V"].iter().any(|name| segment.ident == name))
}

/// The doc comment, a string per line, without the leading space.
pub(crate) fn docs(attributes: &[Attribute]) -> Vec<String> {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("doc"))
        .filter_map(|attribute| match &attribute.meta {
            syn::Meta::NameValue(pair) => match &pair.value {
                Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
                _ => None,
            },
            _ => None,
        })
        .flat_map(|text| {
            text.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).to_owned()).collect::<Vec<_>>()
        })
        .collect()
}

/// The error, and the item as it was, so that editors keep working on it.
fn with_item(error: &Error, item: &TokenStream) -> TokenStream {
    let error = error.to_compile_error();
    quote! { #error #item }
}
