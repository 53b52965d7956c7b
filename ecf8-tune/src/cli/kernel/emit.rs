//! `ecf8 kernel emit`.

use super::{Answer, DataArgs, Failure, VariantArgs};
use clap::Args;
use ecf8_codegen::cuda;
use serde_json::json;

/// Print the CUDA source of a kernel
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ecf8 kernel emit --strategy gap-cascade\n  \
    ecf8 kernel emit --strategy gap-cascade --set bytes_per_thread=4 --from model.safetensors --tensor lm_head.weight")]
pub(in super::super) struct Emit {
    #[command(flatten)]
    variant: VariantArgs,
    #[command(flatten)]
    data: DataArgs,
    /// Print JSON: the source, the parameters and the source's hash
    #[arg(long)]
    pub(super) json: bool,
}

impl Emit {
    pub(super) fn run(&self) -> Result<Answer, Failure> {
        let (strategy, params, kernel) = self.variant.kernel(&self.data)?;
        let source = cuda::source(&kernel);
        let json = json!({
            "strategy": strategy.name(),
            "params": params,
            "entry": kernel.name,
            "threads": kernel.threads,
            "hash": format!("{:016x}", cuda::source_hash(&kernel)),
            "source": source,
        });
        Ok(Answer { text: source, json, failure: None })
    }
}
