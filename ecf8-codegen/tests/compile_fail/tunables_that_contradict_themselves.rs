use ecf8_codegen::strategy::Tunables;

#[derive(Clone, Copy, Tunables)]
#[tunables(need(bytes > 4, "why"))]
struct Contradictory {
    #[tunable(values = [4, 8], default = 16)]
    bytes: u32,
    #[tunable(values = [], default = 64)]
    threads: u32,
    #[tunable(values = [1, 2, 1], default = 1)]
    rounds: u32,
}

fn main() {}
