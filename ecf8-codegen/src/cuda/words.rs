//! Names that C++ and CUDA have already.

/// Words of C++, and what the printer itself writes. Nothing can be called so.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "alignas", "alignof", "and", "and_eq", "asm", "auto", "bitand", "bitor", "bool", "break", "case", "catch",
    "char", "char8_t", "char16_t", "char32_t", "class", "co_await", "co_return", "co_yield", "compl", "concept",
    "const", "const_cast", "consteval", "constexpr", "constinit", "continue", "decltype", "default", "delete",
    "do", "double", "dynamic_cast", "else", "enum", "explicit", "export", "extern", "false", "float", "for",
    "friend", "goto", "if", "inline", "int", "long", "mutable", "namespace", "new", "noexcept", "not", "not_eq",
    "nullptr", "operator", "or", "or_eq", "private", "protected", "public", "register", "reinterpret_cast",
    "requires", "return", "short", "signed", "sizeof", "static", "static_assert", "static_cast", "struct",
    "switch", "template", "this", "thread_local", "throw", "true", "try", "typedef", "typeid", "typename",
    "union", "unsigned", "using", "virtual", "void", "volatile", "wchar_t", "while", "xor", "xor_eq", "NULL",
    "u8", "u16", "u32", "u64", "i32", "uint2", "uint4", "ulonglong2", "make_uint2", "make_uint4",
    "make_ulonglong2", "min", "max",
];

/// What the CUDA compiler declares before a kernel's source begins, found by trying with NVRTC 13. A variable may be called
/// so; a table or a kernel would be a second declaration.
#[rustfmt::skip]
const DECLARED: &[&str] = &[
    "abs", "acos", "acosf", "acosh", "acoshf", "all", "any", "asin", "asinf", "asinh", "asinhf", "assert", "atan",
    "atan2", "atan2f", "atanf", "atanh", "atanhf", "cbrt", "cbrtf", "ceil", "ceilf", "clock", "clock64",
    "clock_t", "copysign", "copysignf", "cos", "cosf", "cosh", "coshf", "dadd", "dim3", "dmul", "double2int",
    "double2ll", "double2uint", "double2ull", "dsub", "erf", "erfc", "erfcf", "erff", "exp", "exp10", "exp10f",
    "exp2", "exp2f", "expf", "expm1", "expm1f", "fabs", "fabsf", "fdim", "fdimf", "float2double", "floor",
    "floorf", "fma", "fmaf", "fmax", "fmaxf", "fmin", "fminf", "fmod", "fmodf", "free", "frexp", "frexpf",
    "hypot", "hypotf", "ilogb", "ilogbf", "int2double", "isfinite", "isinf", "isnan", "j0", "j0f", "j1", "j1f",
    "jn", "jnf", "labs", "ldexp", "ldexpf", "lgamma", "lgammaf", "ll2double", "llabs", "llrint", "llrintf",
    "llround", "llroundf", "log", "log10", "log10f", "log1p", "log1pf", "log2", "log2f", "logb", "logbf", "logf",
    "lrint", "lrintf", "lround", "lroundf", "main", "malloc", "memcpy", "memset", "modf", "modff", "nan", "nanf",
    "nearbyint", "nearbyintf", "nextafter", "nextafterf", "pow", "powf", "printf", "ptrdiff_t", "remainder",
    "remainderf", "remquo", "remquof", "rint", "rintf", "round", "roundf", "rsqrt", "scalbln", "scalblnf",
    "scalbn", "scalbnf", "signbit", "sin", "sincos", "sincosf", "sinf", "sinh", "sinhf", "size_t", "sqrt",
    "sqrtf", "std", "tan", "tanf", "tanh", "tanhf", "tgamma", "tgammaf", "trunc", "truncf", "uint2double",
    "ull2double", "va_arg", "va_copy", "va_end", "va_list", "va_start", "y0", "y0f", "y1", "y1f", "yn", "ynf",
];

/// Whether nothing in a source can have this name. CUDA's own variables, constants and types are in camel case, which Rust's
/// are not.
pub(super) const fn is_reserved(name: &str) -> bool {
    contains(WORDS, name) || is_camel_case(name.as_bytes()) || matches!(name.as_bytes(), [b'_', b'_', ..])
}

/// Whether nothing outside of functions can have this name: a table, a kernel.
pub(super) const fn is_declared(name: &str) -> bool {
    is_reserved(name) || contains(DECLARED, name)
}

const fn contains(words: &[&str], name: &str) -> bool {
    let mut i = 0;
    while i < words.len() {
        if is_same(words[i].as_bytes(), name.as_bytes()) {
            return true;
        }
        i += 1;
    }
    false
}

/// `a == b`, which is not `const` in the standard library.
const fn is_same(a: &[u8], b: &[u8]) -> bool {
    match (a, b) {
        ([], []) => true,
        ([a, rest_of_a @ ..], [b, rest_of_b @ ..]) => *a == *b && is_same(rest_of_a, rest_of_b),
        _ => false,
    }
}

const fn is_camel_case(name: &[u8]) -> bool {
    match name {
        [b'a'..=b'z' | b'0'..=b'9', b'A'..=b'Z', ..] => true,
        [_, rest @ ..] => is_camel_case(rest),
        [] => false,
    }
}
