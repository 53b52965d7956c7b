//! `let name = value` gives the device value its name. Which values can carry one is decided by type, by trying the
//! method on `Name<T>` first and on `&Name<T>` second.

use super::super::memory::{Shared, Table};
use super::super::value::{Scalar, V};
use super::with_builder;
use crate::cuda;

/// Wraps what a `let` binds.
#[derive(Debug)]
pub struct Name<'a, T: ?Sized>(pub &'a T);

/// Device values take the name.
pub trait NameDevice {
    /// Gives the name.
    fn name(&self, name: &str);
    /// Gives the name in case that one is needed: what a parameter of a `#[device]` function is called.
    fn suggest(&self, _: &str) {}
}

/// Anything else has no name on the device.
pub trait NameHost {
    /// Does nothing.
    fn name(&self, name: &str);
    /// Does nothing.
    fn suggest(&self, name: &str);
}
impl<T: ?Sized> NameHost for &Name<'_, T> {
    fn name(&self, _: &str) {}
    fn suggest(&self, _: &str) {}
}

impl<T: Scalar> NameDevice for Name<'_, V<T>> {
    fn name(&self, name: &str) {
        with_builder(|b| b.name_value(self.0.id(), name));
    }
    fn suggest(&self, name: &str) {
        with_builder(|b| b.suggest_name(self.0.id(), name));
    }
}
impl<T: Scalar> NameDevice for Name<'_, Vec<V<T>>> {
    fn name(&self, name: &str) {
        Name(self.0.as_slice()).name(name);
    }
}
impl<T: Scalar, const N: usize> NameDevice for Name<'_, [V<T>; N]> {
    fn name(&self, name: &str) {
        Name(self.0.as_slice()).name(name);
    }
}
impl<T: Scalar> NameDevice for Name<'_, [V<T>]> {
    fn name(&self, name: &str) {
        for (i, value) in self.0.iter().enumerate() {
            with_builder(|b| b.name_value(value.id(), &format!("{name}{i}")));
        }
    }
}
impl<T: Scalar> NameDevice for Name<'_, Shared<T>> {
    fn name(&self, name: &str) {
        with_builder(|b| b.name_memory(self.0.id, name));
    }
}
impl<T: Scalar> NameDevice for Name<'_, Table<T>> {
    fn name(&self, name: &str) {
        with_builder(|b| b.name_memory(self.0.id, name));
    }
}

/// Whether a kernel's name is written in letters that C++ takes.
#[must_use]
pub const fn is_spelt_as_in_c(name: &str) -> bool {
    cuda::is_spelt_as_in_c(name)
}

/// Whether a kernel can be called so: launching finds it by its name, so it cannot be renamed.
#[must_use]
pub const fn is_free_for_a_kernel(name: &str) -> bool {
    cuda::is_free_for_a_kernel(name)
}
