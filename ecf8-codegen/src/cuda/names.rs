//! Names that C++ and CUDA keep for themselves, and names that two arrays or parameters share.

use crate::ir::{Kernel, Param};
use std::borrow::Cow;
use std::collections::HashSet;

/// Words of C++, and what the printer itself uses.
const RESERVED: &[&str] = &[
    "alignas",
    "alignof",
    "and",
    "and_eq",
    "asm",
    "auto",
    "bitand",
    "bitor",
    "bool",
    "break",
    "case",
    "catch",
    "char",
    "char16_t",
    "char32_t",
    "class",
    "compl",
    "const",
    "const_cast",
    "constexpr",
    "continue",
    "decltype",
    "default",
    "delete",
    "do",
    "double",
    "dynamic_cast",
    "else",
    "enum",
    "explicit",
    "export",
    "extern",
    "false",
    "float",
    "for",
    "friend",
    "goto",
    "if",
    "inline",
    "int",
    "long",
    "mutable",
    "namespace",
    "new",
    "noexcept",
    "not",
    "not_eq",
    "nullptr",
    "operator",
    "or",
    "or_eq",
    "private",
    "protected",
    "public",
    "register",
    "reinterpret_cast",
    "return",
    "short",
    "signed",
    "sizeof",
    "static",
    "static_assert",
    "static_cast",
    "struct",
    "switch",
    "template",
    "this",
    "thread_local",
    "throw",
    "true",
    "try",
    "typedef",
    "typeid",
    "typename",
    "union",
    "unsigned",
    "using",
    "virtual",
    "void",
    "volatile",
    "wchar_t",
    "while",
    "xor",
    "xor_eq", //
    "u8",
    "u16",
    "u32",
    "u64",
    "i32",
    "uint2",
    "uint4",
    "ulonglong2",
    "make_uint2",
    "make_uint4",
    "make_ulonglong2",
    "min",
    "max",
    "threadIdx",
    "blockIdx",
    "gridDim",
    "blockDim",
    "warpSize",
];

/// A name that is not reserved and not taken: the wanted one if possible.
pub(super) fn free_name(wanted: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let wanted = wanted.strip_prefix("r#").unwrap_or(wanted);
    let is_free = |name: &str| !(RESERVED.contains(&name) || name.starts_with("__") || is_taken(name));
    if is_free(wanted) {
        return wanted.to_owned();
    }
    (1..).map(|n| format!("{wanted}_{n}")).find(|name| is_free(name)).unwrap_or_default()
}

/// The kernel with names for its memories and parameters that C++ takes, all different.
pub(super) fn with_free_names(kernel: &Kernel) -> Cow<'_, Kernel> {
    let mut taken: HashSet<String> = HashSet::from([kernel.name.clone()]);
    let mut renamed = Cow::Borrowed(kernel);
    let mut free = |wanted: &str| {
        let name = free_name(wanted, |name| taken.contains(name));
        taken.insert(name.clone());
        name
    };
    for (n, memory) in kernel.memories.iter().enumerate() {
        let name = free(&memory.name);
        if name != memory.name {
            renamed.to_mut().memories[n].name = name;
        }
    }
    for param in &kernel.params {
        if let Param::Scalar(id) = param {
            let wanted = kernel.value(*id).name.as_deref();
            let name = Some(free(wanted.unwrap_or("parameter")));
            if name.as_deref() != wanted {
                renamed.to_mut().values[id.index()].name = name;
            }
        }
    }
    renamed
}
