//! Tunable parameters: declared once on a struct, then enumerated, parsed, printed and checked by name.

use super::params::Params;
use serde::Serialize;
use std::fmt::Display;
use std::str::FromStr;

/// One tunable parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TunableSpec {
    /// Its name.
    pub name: &'static str,
    /// One line about it for people.
    pub about: &'static str,
    /// The values that it may take.
    pub values: Vec<String>,
    /// The value that it has unless something else is asked for.
    pub default: String,
}

impl TunableSpec {
    /// From typed values.
    pub fn new<T: Display + 'static>(
        name: &'static str,
        about: &'static str,
        values: &[T],
        default: T,
    ) -> Self {
        Self { name, about, values: values.iter().map(T::to_string).collect(), default: default.to_string() }
    }
}

/// A condition over several tunables, as `#[tunables(require(condition, "why"))]` declares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Requirement {
    /// The condition as the author wrote it.
    pub condition: &'static str,
    /// Why it must hold, for people.
    pub why: &'static str,
}

/// Why a parameter is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TunableError {
    /// A name that the strategy does not have.
    #[error("there is no tunable `{name}`{}; there are: {known}", hint(nearest.as_deref()))]
    Unknown {
        /// The name asked for.
        name: String,
        /// The name that is most like it, if one is.
        nearest: Option<String>,
        /// The names there are.
        known: String,
    },
    /// A value outside the set.
    #[error("{name} cannot be {value}{}; it can be {allowed}", hint(nearest.as_deref()))]
    Value {
        /// The tunable.
        name: String,
        /// The value asked for.
        value: String,
        /// The value that is nearest or most like it, if one is.
        nearest: Option<String>,
        /// The values there are.
        allowed: String,
    },
    /// A combination that is not possible.
    #[error("{params} is not possible: {} (`{}` must hold)", requirement.why, requirement.condition)]
    Combination {
        /// All parameters.
        params: String,
        /// The condition that does not hold.
        requirement: Requirement,
    },
    /// A parameter that is not given.
    #[error("tunable `{name}` is missing")]
    Missing {
        /// The tunable.
        name: String,
    },
    /// A value that is printed as the set has it but is not read back: a mistake in the type of the field.
    #[error("{name}: a {wanted} is printed as `{value}`, but not read from that")]
    Unreadable {
        /// The tunable.
        name: String,
        /// The value.
        value: String,
        /// The type of the field.
        wanted: &'static str,
    },
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!(" (did you mean `{nearest}`?)"))
}

/// A struct whose fields are tunable; `#[derive(Tunables)]` implements it.
pub trait Tunables: Sized + 'static {
    /// What can be tuned, field by field.
    fn specs() -> Vec<TunableSpec>;

    /// The fields by name.
    fn params(&self) -> Params;

    /// From the values by name. Sets and requirements are the caller's to check.
    ///
    /// # Errors
    /// If a field is missing or its value cannot be read.
    fn parse(params: &Params) -> Result<Self, TunableError>;

    /// The conditions over several fields.
    fn requirements() -> Vec<Requirement>;

    /// Whether this combination of values is possible.
    ///
    /// # Errors
    /// The first requirement that does not hold.
    fn check(&self) -> Result<(), Requirement>;
}

/// Declares an enum whose values have names on the command line.
macro_rules! tunable_enum {
    ($(#[$doc:meta])* $visibility:vis enum $name:ident {
        $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $visibility enum $name {
            $($(#[$variant_doc])* $variant,)*
        }
        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(match self { $(Self::$variant => $text,)* })
            }
        }
        impl ::std::str::FromStr for $name {
            type Err = ();
            fn from_str(text: &str) -> ::core::result::Result<Self, ()> {
                match text { $($text => Ok(Self::$variant),)* _ => Err(()) }
            }
        }
    };
}
pub(super) use tunable_enum;

/// A checked `T` from parameters by name: none is unknown or missing, each is in its set, and all go together.
pub(super) fn checked<T: Tunables>(params: &Params) -> Result<T, TunableError> {
    let specs = T::specs();
    for (name, value) in params.iter() {
        check_value(&specs, name, value)?;
    }
    let tunables = T::parse(params)?;
    match tunables.check() {
        Ok(()) => Ok(tunables),
        Err(requirement) => Err(TunableError::Combination { params: params.to_string(), requirement }),
    }
}

fn check_value(specs: &[TunableSpec], name: &str, value: &str) -> Result<(), TunableError> {
    let Some(spec) = specs.iter().find(|spec| spec.name == name) else {
        let names: Vec<&str> = specs.iter().map(|spec| spec.name).collect();
        return Err(TunableError::Unknown {
            name: name.to_owned(),
            nearest: most_like(name, &names).map(str::to_owned),
            known: names.join(", "),
        });
    };
    let values: Vec<&str> = spec.values.iter().map(String::as_str).collect();
    if values.contains(&value) {
        return Ok(());
    }
    Err(TunableError::Value {
        name: name.to_owned(),
        value: value.to_owned(),
        nearest: closest(value, &values).or_else(|| most_like(value, &values)).map(str::to_owned),
        allowed: values.join(", "),
    })
}

/// Which of `known` was probably meant: the most similar, if it is similar at all.
fn most_like<'a>(text: &str, known: &[&'a str]) -> Option<&'a str> {
    /// Below this, words have little more in common than some letters.
    const SIMILAR: f64 = 0.8;
    let similarity = |known: &str| strsim::jaro_winkler(&text.to_lowercase(), &known.to_lowercase());
    let best = known.iter().map(|&known| (similarity(known), known)).max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(similarity, _)| *similarity >= SIMILAR).map(|(_, known)| known)
}

/// The nearest number, where there are numbers.
fn closest<'a>(text: &str, known: &[&'a str]) -> Option<&'a str> {
    let number: i64 = text.parse().ok()?;
    let numbers = known.iter().filter_map(|&known| Some((known.parse::<i64>().ok()?, known)));
    numbers.min_by_key(|(known, _)| known.abs_diff(number)).map(|(_, known)| known)
}

/// One field of a [`Tunables`] by name.
///
/// # Errors
/// If it is missing or cannot be read as a `T`.
pub fn parse_tunable<T: FromStr>(params: &Params, name: &str) -> Result<T, TunableError> {
    let value = params.get(name).ok_or_else(|| TunableError::Missing { name: name.to_owned() })?;
    value.parse().map_err(|_| TunableError::Unreadable {
        name: name.to_owned(),
        value: value.to_owned(),
        wanted: std::any::type_name::<T>(),
    })
}

/// The defaults with those in `set` replaced, the last of each name, if that is possible.
pub(super) fn resolve<T: Tunables>(set: &[(String, String)]) -> Result<Params, TunableError> {
    let specs = T::specs();
    for (name, value) in set {
        check_value(&specs, name, value)?;
    }
    let chosen = |spec: &TunableSpec| {
        let last = set.iter().rev().find(|(name, _)| name == spec.name);
        last.map_or_else(|| spec.default.clone(), |(_, value)| value.clone())
    };
    let params = Params::new(specs.iter().map(|spec| (spec.name, chosen(spec))));
    checked::<T>(&params).map(|_| params)
}

/// Every possible combination of values, the last tunable changing fastest.
pub(super) fn combinations<T: Tunables>() -> Vec<Params> {
    let all = T::specs().iter().fold(vec![Params::default()], |partial, spec| {
        let extended =
            partial.iter().flat_map(|params| spec.values.iter().map(|value| params.with(spec.name, value)));
        extended.collect()
    });
    all.into_iter().filter(|params| checked::<T>(params).is_ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::{Strategy, Tunables, strategies, strategy};

    tunable_enum! {
        /// Where something lies.
        enum Place {
            /// Near.
            Shared = "shared",
            /// Far.
            Global = "global",
        }
    }

    /// Two numbers that do not always go together, and a place.
    #[derive(Debug, Clone, Copy, PartialEq, Tunables)]
    #[tunables(require(bytes * threads <= 1024, "a block holds 1024 bytes"))]
    #[tunables(require(place == Place::Shared || bytes > 4, "far places are read by eights"))]
    struct Example {
        /// Bytes of
        /// a thread.
        #[tunable(values = [4, 8], default = 8)]
        bytes: u32,
        /// Threads.
        #[tunable(values = [64, 128, 256], default = 128)]
        threads: u32,
        /// Where.
        #[tunable(values = [Place::Shared, Place::Global], default = Place::Shared)]
        place: Place,
    }

    fn set(pairs: &[(&str, &str)]) -> Result<Params, String> {
        let pairs: Vec<_> = pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        resolve::<Example>(&pairs).map_err(|error| error.to_string())
    }

    #[test]
    fn variants_are_the_combinations_that_are_possible_in_the_order_of_declaration() {
        let variants: Vec<String> = combinations::<Example>().iter().map(Params::to_string).collect();
        assert_eq!(
            variants,
            [
                "bytes=4 threads=64 place=shared",
                "bytes=4 threads=128 place=shared",
                "bytes=4 threads=256 place=shared",
                "bytes=8 threads=64 place=shared",
                "bytes=8 threads=64 place=global",
                "bytes=8 threads=128 place=shared",
                "bytes=8 threads=128 place=global",
            ]
        );
    }

    #[test]
    fn what_is_not_set_has_its_default_and_the_last_setting_counts() {
        assert_eq!(set(&[]).unwrap().to_string(), "bytes=8 threads=128 place=shared");
        let twice = set(&[("threads", "256"), ("threads", "64")]).unwrap();
        assert_eq!(twice.to_string(), "bytes=8 threads=64 place=shared");
    }

    #[test]
    fn a_mistake_is_told_with_what_was_probably_meant() {
        for (pair, error) in [
            (
                ("byte", "8"),
                "there is no tunable `byte` (did you mean `bytes`?); there are: bytes, threads, place",
            ),
            (("speed", "8"), "there is no tunable `speed`; there are: bytes, threads, place"),
            (("threads", "100"), "threads cannot be 100 (did you mean `128`?); it can be 64, 128, 256"),
            (("threads", "many"), "threads cannot be many; it can be 64, 128, 256"),
            (("place", "Share"), "place cannot be Share (did you mean `shared`?); it can be shared, global"),
            (
                ("threads", "256"),
                "bytes=8 threads=256 place=shared is not possible: a block holds 1024 bytes (`bytes * threads <= 1024` \
                 must hold)",
            ),
        ] {
            assert_eq!(set(&[pair]).unwrap_err(), error);
        }
    }

    #[test]
    fn parameters_by_name_are_checked_wherever_they_come_from() {
        let checked =
            |text: &str| checked::<Example>(&text.parse().unwrap()).map_err(|error| error.to_string());
        let example = Example { bytes: 4, threads: 64, place: Place::Shared };
        assert_eq!(checked("place=shared threads=64 bytes=4").unwrap(), example);
        assert_eq!(example.params().to_string(), "bytes=4 threads=64 place=shared");
        assert!(checked("bytes=4 threads=64").unwrap_err().contains("`place` is missing"));
        assert!(checked("bytes=5 threads=64 place=shared").unwrap_err().contains("bytes cannot be 5"));
        assert!(checked("bytes=4 threads=64 place=shared x=1").unwrap_err().contains("no tunable `x`"));
        assert!(checked("bytes=4 threads=64 place=global").unwrap_err().contains("read by eights"));
    }

    #[test]
    fn specs_and_requirements_are_as_declared() {
        let bytes = &Example::specs()[0];
        assert_eq!((bytes.name, bytes.about, bytes.default.as_str()), ("bytes", "Bytes of a thread.", "8"));
        assert_eq!(bytes.values, ["4", "8"]);
        let conditions: Vec<&str> =
            Example::requirements().iter().map(|requirement| requirement.condition).collect();
        assert_eq!(conditions, ["bytes * threads <= 1024", "place == Place::Shared || bytes > 4"]);
    }

    #[test]
    fn every_variant_of_every_strategy_survives_text_and_json() {
        for strategy in strategies() {
            let variants = strategy.variants();
            assert!(variants.contains(&strategy.params(&[]).unwrap()), "{}", strategy.name());
            for params in variants {
                let text: Params = params.to_string().parse().unwrap();
                let value = serde_json::to_value(&params).unwrap();
                let json: Params = serde_json::from_value(value).unwrap();
                assert_eq!(strategy.check(&text).unwrap(), params);
                assert_eq!(strategy.check(&json).unwrap(), params);
            }
        }
    }

    #[test]
    fn checking_tolerates_any_order_and_nothing_else() {
        let strategy: &dyn Strategy = strategy("gap-cascade").unwrap();
        let check = |text: &str| strategy.check(&text.parse().unwrap()).map_err(|error| error.to_string());
        let variant = check("threads_per_block=64 bytes_per_thread=4").unwrap();
        assert_eq!(variant.to_string(), "bytes_per_thread=4 threads_per_block=64");
        assert_eq!(check("bytes_per_thread=4").unwrap_err(), "tunable `threads_per_block` is missing");
        assert!(check("bytes_per_thread=4 threads_per_block=65").unwrap_err().contains("did you mean `64`?"));
    }
}
