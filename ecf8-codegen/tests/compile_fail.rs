//! Misuse of the kernel language is refused at the author's token, with what to write instead. The messages are in the
//! `.stderr` files; after a deliberate change run with `TRYBUILD=overwrite` and review the difference.

#[test]
fn misuse_is_reported_where_it_stands() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
