//! Names that C++ and CUDA keep for themselves, and names that two arrays or parameters share.

use super::words;
use crate::ir::{Kernel, Param, Space};
use std::borrow::Cow;
use std::collections::HashSet;

/// A name that C++ takes and that is not taken: the wanted one if possible, otherwise that with a number.
pub(super) fn free_name(
    wanted: &str,
    is_reserved: impl Fn(&str) -> bool,
    is_taken: impl Fn(&str) -> bool,
) -> String {
    let wanted = spelt(wanted);
    if !is_reserved(&wanted) && !is_taken(&wanted) {
        return wanted.into_owned();
    }
    // No reserved name ends so.
    (1_u64..).map(|n| format!("{wanted}_{n}")).find(|name| !is_taken(name)).unwrap_or_default()
}

/// The name in C++'s letters: one underscore for each run of others. The assembler has no name `_`.
fn spelt(name: &str) -> Cow<'_, str> {
    if !name.contains(|letter: char| letter.is_ascii_alphanumeric()) {
        return Cow::Borrowed("name");
    }
    if name.is_ascii() {
        return Cow::Borrowed(name);
    }
    let mut spelt = String::new();
    for letter in name.chars() {
        if letter.is_ascii() {
            spelt.push(letter);
        } else if !spelt.ends_with('_') {
            spelt.push('_');
        }
    }
    Cow::Owned(spelt)
}

/// Whether C++ takes the letters of this name for a kernel.
pub(crate) const fn is_spelt_as_in_c(name: &str) -> bool {
    name.is_ascii()
}

/// Whether neither C++ nor CUDA has this name, so that a kernel can have it.
pub(crate) const fn is_free_for_a_kernel(name: &str) -> bool {
    !words::is_declared(name)
}

/// The kernel with names for its memories and parameters that C++ takes, all different.
pub(super) fn with_free_names(kernel: &Kernel) -> Cow<'_, Kernel> {
    let mut taken: HashSet<String> = HashSet::from([kernel.name.clone()]);
    let mut renamed = Cow::Borrowed(kernel);
    let mut free = |wanted: &str, is_global: bool| {
        let is_reserved = if is_global { words::is_declared } else { words::is_reserved };
        let name = free_name(wanted, is_reserved, |name| taken.contains(name));
        taken.insert(name.clone());
        name
    };
    for (n, memory) in kernel.memories.iter().enumerate() {
        let name = free(&memory.name, matches!(memory.space, Space::Table { .. }));
        if name != memory.name {
            renamed.to_mut().memories[n].name = name;
        }
    }
    for param in &kernel.params {
        if let Param::Scalar(id) = param {
            let wanted = kernel.value(*id).name.as_deref();
            let name = Some(free(wanted.unwrap_or("parameter"), false));
            if name.as_deref() != wanted {
                renamed.to_mut().values[id.index()].name = name;
            }
        }
    }
    renamed
}
