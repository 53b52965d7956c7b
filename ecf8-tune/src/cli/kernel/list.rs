//! `ecf8 kernel list`.

use super::Answer;
use clap::Args;
use ecf8_codegen::strategy::strategies;
use serde_json::json;

/// List the decode strategies, what can be tuned, and the schemes they decode
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ecf8 kernel list --json")]
pub(in super::super) struct List {
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) fn list() -> Answer {
    let mut text = String::new();
    for strategy in strategies() {
        text += &format!("{}: {}\n", strategy.name(), strategy.about());
        text += &format!("  schemes: {}\n", strategy.schemes().join(", "));
        for tunable in strategy.tunables() {
            let values: Vec<String> = tunable
                .values
                .iter()
                .map(|value| if *value == tunable.default { format!("[{value}]") } else { value.clone() })
                .collect();
            text += &format!("  {} = {}  {}\n", tunable.name, values.join(" "), tunable.about);
        }
        for requirement in strategy.requirements() {
            text += &format!("  requires {}: {}\n", requirement.condition, requirement.why);
        }
    }
    let strategies: Vec<_> = strategies()
        .iter()
        .map(|strategy| {
            json!({
                "name": strategy.name(),
                "about": strategy.about(),
                "schemes": strategy.schemes(),
                "tunables": strategy.tunables(),
                "requirements": strategy.requirements(),
                "variants": strategy.variants().len(),
            })
        })
        .collect();
    Answer { text, json: json!({ "strategies": strategies }), failure: None }
}
