use ecf8_codegen::strategy::Tunables;

#[derive(Tunables)]
enum Placement {
    Shared,
    Constant,
}

fn main() {}
