//! `#[derive(Tunables)]`: value sets on the fields of a struct, declared once.

use super::function::docs;
use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{
    Data, DeriveInput, Error, Expr, ExprArray, Field, Fields, Ident, LitStr, Token, Type, parenthesized,
};

/// One field and what its attribute says.
struct Tunable {
    name: Ident,
    ty: Type,
    about: String,
    values: ExprArray,
    default: Expr,
}

/// `#[tunables(require(condition, "why"))]`: a condition over the fields.
struct Requirement {
    condition: Expr,
    why: LitStr,
}

impl Parse for Requirement {
    fn parse(input: ParseStream<'_>) -> Result<Self, Error> {
        let condition = input.parse()?;
        input.parse::<Token![,]>()?;
        Ok(Self { condition, why: input.parse()? })
    }
}

/// Collects errors, so that all are reported at once.
#[derive(Default)]
struct Errors(Option<Error>);

impl Errors {
    /// What went well; what did not is kept.
    fn keep<T>(&mut self, result: Result<T, Error>) -> Option<T> {
        match result {
            Ok(value) => return Some(value),
            Err(error) => match &mut self.0 {
                Some(errors) => errors.combine(error),
                None => self.0 = Some(error),
            },
        }
        None
    }
}

/// Expands the derive.
pub(crate) fn derive(item: TokenStream) -> TokenStream {
    match syn::parse2(item).and_then(|input| expand(&input)) {
        Ok(tokens) => tokens,
        Err(errors) => errors.into_compile_error(),
    }
}

fn expand(input: &DeriveInput) -> Result<TokenStream, Error> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new(input.ident.span(), "tunables are the fields of a struct"));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new(
            input.ident.span(),
            "tunables are named fields: `struct S { bytes_per_thread: u32 }`",
        ));
    };
    let mut errors = Errors::default();
    if !input.generics.params.is_empty() {
        let message = "tunables have no generic parameters: they are parsed from text";
        errors.keep::<()>(Err(Error::new(input.generics.span(), message)));
    }
    let tunables: Vec<Tunable> =
        fields.named.iter().filter_map(|field| errors.keep(tunable(field))).collect();
    let requirements = errors.keep(requirements(input)).unwrap_or_default();
    if let Some(errors) = errors.0 {
        return Err(errors);
    }
    let described: Vec<TokenStream> = requirements
        .iter()
        .map(|Requirement { condition, why }| {
            let text = text_of(condition);
            quote!(::ecf8_codegen::strategy::Requirement { condition: #text, why: #why })
        })
        .collect();
    let checks = requirements.iter().zip(&described).map(|(requirement, described)| {
        let condition = &requirement.condition;
        quote_spanned! { condition.span() =>
            let holds: bool = #condition;
            if !holds {
                return ::core::result::Result::Err(#described);
            }
        }
    });
    let fields: Vec<&Ident> = tunables.iter().map(|tunable| &tunable.name).collect();
    let name = &input.ident;
    let specs = tunables.iter().map(|Tunable { name, ty, about, values, default }| {
        let text = name.unraw().to_string();
        quote_spanned! { ty.span() =>
            ::ecf8_codegen::strategy::TunableSpec::new::<#ty>(#text, #about, &#values, #default)
        }
    });
    let gets = tunables.iter().map(|Tunable { name, .. }| {
        let text = name.unraw().to_string();
        quote!((#text, ::std::string::ToString::to_string(&self.#name)))
    });
    let sets = tunables.iter().map(|Tunable { name, ty, .. }| {
        let text = name.unraw().to_string();
        quote_spanned!(ty.span() => #name: ::ecf8_codegen::strategy::parse_tunable::<#ty>(params, #text)?)
    });
    Ok(quote! {
        impl ::ecf8_codegen::strategy::Tunables for #name {
            fn specs() -> ::std::vec::Vec<::ecf8_codegen::strategy::TunableSpec> {
                ::std::vec![#(#specs),*]
            }
            fn params(&self) -> ::ecf8_codegen::strategy::Params {
                ::ecf8_codegen::strategy::Params::new([#(#gets),*])
            }
            fn parse(
                params: &::ecf8_codegen::strategy::Params,
            ) -> ::core::result::Result<Self, ::ecf8_codegen::strategy::TunableError> {
                ::core::result::Result::Ok(Self { #(#sets),* })
            }
            fn requirements() -> ::std::vec::Vec<::ecf8_codegen::strategy::Requirement> {
                ::std::vec![#(#described),*]
            }
            #[allow(unused_variables)]
            fn check(&self) -> ::core::result::Result<(), ::ecf8_codegen::strategy::Requirement> {
                let Self { #(#fields),* } = *self;
                #(#checks)*
                ::core::result::Result::Ok(())
            }
        }
    })
}

fn requirements(input: &DeriveInput) -> Result<Vec<Requirement>, Error> {
    let mut requirements = Vec::new();
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("tunables")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("require") {
                return Err(meta.error("unknown argument: `#[tunables(require(condition, \"why\"))]`"));
            }
            let content;
            parenthesized!(content in meta.input);
            requirements.push(content.parse()?);
            Ok(())
        })?;
    }
    Ok(requirements)
}

fn tunable(field: &Field) -> Result<Tunable, Error> {
    let name = field.ident.clone().ok_or_else(|| Error::new(field.span(), "tunables are named fields"))?;
    let wanted = format!("say which values `{name}` may take: `#[tunable(values = [4, 8], default = 8)]`");
    let attribute = field
        .attrs
        .iter()
        .find(|attribute| attribute.path().is_ident("tunable"))
        .ok_or_else(|| Error::new(name.span(), &wanted))?;
    let (mut values, mut default) = (None, None);
    attribute.parse_nested_meta(|meta| {
        if meta.path.is_ident("values") {
            values = Some(meta.value()?.parse::<ExprArray>()?);
        } else if meta.path.is_ident("default") {
            default = Some(meta.value()?.parse::<Expr>()?);
        } else {
            return Err(meta.error("unknown argument: a tunable has `values` and a `default`"));
        }
        Ok(())
    })?;
    let missing = || Error::new(attribute.path().span(), &wanted);
    let (values, default) = (values.ok_or_else(missing)?, default.ok_or_else(missing)?);
    check_values(&values, &default)?;
    let about =
        docs(&field.attrs).iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ").trim().to_owned();
    Ok(Tunable { name, ty: field.ty.clone(), about, values, default })
}

/// What can be told of the values by their text: that there are some, no literal twice, and the default among them.
fn check_values(values: &ExprArray, default: &Expr) -> Result<(), Error> {
    if values.elems.is_empty() {
        return Err(Error::new(values.span(), "a tunable has at least one value"));
    }
    let mut literals: Vec<String> = Vec::new();
    for value in values.elems.iter().filter(|value| matches!(value, Expr::Lit(_))) {
        let text = text_of(value);
        if literals.contains(&text) {
            return Err(Error::new(value.span(), "this value is there already"));
        }
        literals.push(text);
    }
    let are_all_literal = literals.len() == values.elems.len();
    if are_all_literal && matches!(default, Expr::Lit(_)) && !literals.contains(&text_of(default)) {
        return Err(Error::new(default.span(), "the default is not one of the values"));
    }
    Ok(())
}

/// The expression on one line, as the compiler prints it.
fn text_of(expr: &Expr) -> String {
    let text = expr.to_token_stream().to_string();
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace(" :: ", "::")
}
