//! Loops that are compiled twice: for every x86-64 processor, and for those with AVX2 and BMI2 (most since 2015), which shift by any
//! register and have vectors of 32 bytes. The processor at hand decides which is taken. Other architectures have such shifts and
//! vectors in all their processors, so there each loop is compiled once.
//!
//! What is given to [`shifting`] or [`wide`] must be inlined, `#[inline(always)]` on all of it: a function that is called is compiled once.

/// A function that runs work which is compiled for processors with these features, too.
macro_rules! compiled_for {
    ($(#[$doc:meta])* $name:ident: $($feature:tt)+) => {
        $(#[$doc])*
        #[inline]
        pub(crate) fn $name<R>(work: impl FnOnce() -> R) -> R {
            #[cfg(target_arch = "x86_64")]
            if $(is_x86_feature_detected!($feature))&&+ && !forced::is_plain() {
                #[target_feature($(enable = $feature),+)]
                fn compiled<R>(work: impl FnOnce() -> R) -> R {
                    work()
                }
                // SAFETY: the processor has these features, as was just found, and nothing else is asked of who calls.
                #[expect(unsafe_code, reason = "the only way to call what is compiled for some processors")]
                return unsafe { compiled(work) };
            }
            work()
        }
    };
}

compiled_for! {
    /// Runs work that shifts by many different numbers: by any register (BMI2). Vectors stay as they are, since compilers would
    /// gather look-ups in wider ones, which takes longer than one look-up after the other.
    shifting: "bmi1" "bmi2" "movbe"
}

compiled_for! {
    /// Runs work on neighbours that do not depend on each other: in vectors of 32 bytes (AVX2).
    wide: "avx2" "bmi2"
}

/// What tests decide.
#[cfg(target_arch = "x86_64")]
mod forced {
    #[cfg(test)]
    pub(super) static PLAIN: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

    /// Whether the least processor's code is taken anyway.
    #[inline]
    pub(super) fn is_plain() -> bool {
        #[cfg(test)]
        return PLAIN.load(std::sync::atomic::Ordering::Relaxed);
        #[cfg(not(test))]
        false
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use crate::corpus::{Tier, corpus};
    use crate::layout::schemes;
    use std::sync::atomic::Ordering::Relaxed;

    #[test]
    fn the_least_processor_and_this_one_encode_and_decode_the_same() {
        // Other tests do not mind which is taken meanwhile.
        for case in corpus(Tier::Quick) {
            for scheme in schemes().iter().filter(|scheme| case.suits(**scheme)) {
                let [plain, own] = [true, false].map(|plain| {
                    forced::PLAIN.store(plain, Relaxed);
                    let encoded = case.encode(*scheme).unwrap();
                    let mut out = vec![0; case.bytes.len()];
                    scheme.decode(&encoded, &mut out).unwrap();
                    assert!(out == case.bytes, "{} by {}", case.name, scheme.name());
                    encoded
                });
                let parts = plain.parts.iter().zip(&own.parts);
                assert!(plain.parts.len() == own.parts.len() && plain.params == own.params);
                for (plain, own) in parts {
                    assert!(plain.bytes == own.bytes, "{} by {}: {}", case.name, scheme.name(), own.name);
                }
            }
        }
    }
}
