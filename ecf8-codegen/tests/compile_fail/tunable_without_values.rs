use ecf8_codegen::strategy::Tunables;

#[derive(Tunables)]
struct Sizes {
    /// Bytes that a thread decodes.
    #[tunable(default = 8)]
    bytes: u32,
    threads: u32,
}

fn main() {}
