//! Arrays that a kernel reads and writes. `memory[i]` loads and `memory[i] = x` stores; `i` counts elements.

use super::rt::with_builder;
use super::value::{IntoV, Scalar, V, Var};
use crate::ir::{Location, MemoryId, Op, Space, StmtKind, ValueId};
use std::marker::PhantomData;

macro_rules! memories {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        pub struct $name<T> {
            pub(super) id: MemoryId,
            scalar: PhantomData<T>,
        }
        impl<T> Clone for $name<T> {
            fn clone(&self) -> Self {
                *self
            }
        }
        impl<T> Copy for $name<T> {}
        impl<T> std::fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.id.index())
            }
        }
        impl<T: Scalar> $name<T> {
            #[track_caller]
            pub(super) fn declare(name: &str, space: Space) -> Self {
                let at = Location::here();
                let id = with_builder(|b| b.memory(at, name, T::TY, space));
                Self { id, scalar: PhantomData }
            }

            /// The same memory as elements of another type, which an index then counts.
            #[must_use]
            pub fn view<U: Scalar>(self) -> $name<U> {
                $name { id: self.id, scalar: PhantomData }
            }

            #[track_caller]
            pub(super) fn load(self, index: ValueId) -> V<T> {
                let at = Location::here();
                V::from_id(with_builder(|b| b.define(at, T::TY, Op::Load(self.id, index))))
            }
        }
        impl<T: VectorElement> $name<T> {
            /// Elements `2 * index` and the one after it, by one access.
            #[track_caller]
            pub fn load2(self, index: impl Index) -> [V<T>; 2] {
                load_vector(self.id, index)
            }
        }
        impl $name<u32> {
            /// Elements `4 * index` and the three after it, by one access.
            #[track_caller]
            pub fn load4(self, index: impl Index) -> [V<u32>; 4] {
                load_vector(self.id, index)
            }
        }
    )*};
}

/// Types of which two make a vector of 8 or 16 bytes.
pub trait VectorElement: Scalar {}
impl VectorElement for u32 {}
impl VectorElement for u64 {}

#[track_caller]
fn load_vector<T: Scalar, const N: usize>(memory: MemoryId, index: impl Index) -> [V<T>; N] {
    let at = Location::here();
    let index = index.index();
    with_builder(|b| {
        let results: [ValueId; N] = std::array::from_fn(|_| b.new_value(T::TY));
        b.push(at, StmtKind::LoadVector { results: results.to_vec(), memory, index });
        results.map(V::from_id)
    })
}

macro_rules! vector_stores {
    ($($memory:ident)*) => {$(
        impl<T: VectorElement> $memory<T> {
            /// Stores elements `2 * index` and the one after it, by one access.
            #[track_caller]
            pub fn store2(self, index: impl Index, values: [V<T>; 2]) {
                store_vector(self.id, index, &values);
            }
        }
        impl $memory<u32> {
            /// Stores elements `4 * index` and the three after it, by one access.
            #[track_caller]
            pub fn store4(self, index: impl Index, values: [V<u32>; 4]) {
                store_vector(self.id, index, &values);
            }
        }
    )*};
}
vector_stores!(GlobalMut Shared);

#[track_caller]
fn store_vector<T: Scalar>(memory: MemoryId, index: impl Index, values: &[V<T>]) {
    let at = Location::here();
    let index = index.index();
    let values = values.iter().map(|value| value.id()).collect();
    with_builder(|b| b.push(at, StmtKind::StoreVector { memory, index, values }));
}
memories! {
    /// A buffer in global memory that the kernel only reads; a kernel parameter.
    Global;
    /// A buffer in global memory that the kernel writes; a kernel parameter.
    GlobalMut;
    /// An array in shared memory, one per block. Uninitialised when the block starts.
    Shared;
    /// A constant table, compiled into the kernel.
    Table;
}

/// Memories that may be written.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be written to",
    note = "a buffer that the kernel writes is a `GlobalMut<T>`; a block's own array is `shared::<T>(n)`"
)]
pub trait Writable<T: Scalar>: Copy {
    /// The memory.
    fn memory(self) -> MemoryId;
}
impl<T: Scalar> Writable<T> for GlobalMut<T> {
    fn memory(self) -> MemoryId {
        self.id
    }
}
impl<T: Scalar> Writable<T> for Shared<T> {
    fn memory(self) -> MemoryId {
        self.id
    }
}

/// Stores `value` to `memory[index]`.
#[track_caller]
pub(super) fn store<T: Scalar>(memory: impl Writable<T>, index: ValueId, value: V<T>) {
    let at = Location::here();
    let value = value.id();
    with_builder(|b| b.push(at, StmtKind::Store(memory.memory(), index, value)));
}

/// What can index a memory: `u32` and `u64`, on the device or known.
#[diagnostic::on_unimplemented(
    message = "a memory cannot be indexed by `{Self}`",
    note = "an index is a device `u32` or `u64`, or a number known when the kernel is built: write `i as u32`"
)]
pub trait Index: Copy {
    /// The index as a device value.
    #[track_caller]
    fn index(self) -> ValueId;
}
macro_rules! indices {
    ($($ty:ty)*) => {$(
        impl Index for $ty {
            #[track_caller]
            fn index(self) -> ValueId {
                self.into_v().id()
            }
        }
        impl Index for V<$ty> {
            fn index(self) -> ValueId {
                self.id()
            }
        }
        impl Index for Var<$ty> {
            #[track_caller]
            fn index(self) -> ValueId {
                self.get().id()
            }
        }
    )*};
}
indices!(u32 u64);
/// A bare literal index is an `i32` to Rust; negative ones wrap around and are reported when the kernel runs.
impl Index for i32 {
    #[track_caller]
    fn index(self) -> ValueId {
        self.cast_unsigned().into_v().id()
    }
}
impl Index for usize {
    #[track_caller]
    fn index(self) -> ValueId {
        (self as u64).into_v().id()
    }
}

/// An array of `elements` in shared memory, named by its `let`.
#[track_caller]
pub fn shared<T: Scalar>(elements: impl TryInto<usize>) -> Shared<T> {
    let at = Location::here();
    let elements = elements.try_into().unwrap_or_else(|_| {
        with_builder(|b| b.error(at, "the length of a shared array does not fit this machine"));
        0
    });
    Shared::declare("", Space::Shared { elements })
}

/// The kernel's dynamic shared memory, whose size the launch gives.
#[track_caller]
pub fn dynamic_shared<T: Scalar>() -> Shared<T> {
    Shared::declare("", Space::DynamicShared)
}

/// A constant table compiled into the kernel, in global memory, named by its `let`.
#[track_caller]
pub fn table<T: Scalar>(data: &[T]) -> Table<T> {
    let data = data.iter().map(|x| x.bits()).collect();
    Table::declare("", Space::Table { data, in_constant_memory: false })
}

/// A constant table compiled into the kernel, in constant memory, named by its `let`. Fast where all lanes of a warp read
/// the same element, and only there.
#[track_caller]
pub fn constant_table<T: Scalar>(data: &[T]) -> Table<T> {
    let data = data.iter().map(|x| x.bits()).collect();
    Table::declare("", Space::Table { data, in_constant_memory: true })
}
