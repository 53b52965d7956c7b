//! What a tensor does in its model, and in which layer, as far as its name tells.

use ecf8_core::container::Role;
use regex_lite::Regex;

/// Rules by which names tell kinds: the first that matches counts.
#[derive(Debug, Clone)]
pub struct Kinds {
    own: Vec<(String, Regex)>,
    usual: Vec<(&'static str, Regex)>,
    /// Names of parts that say nothing, at the end.
    ending: Regex,
    layer: Regex,
    number: Regex,
    shared: Regex,
}

/// What matches the path of a tensor's module, without `.weight`: in the order in which they are tried.
const RULES: [(&str, &str); 17] = [
    // AdaLN and FLUX: linear layers that make scales and shifts for norms.
    ("modulation", r"(^|[._])mod(\.|$|_)|modulation|norm\w*\.linear|adaln"),
    ("norms", r"norm|(^|[._])ln(_?[0-9a-z]+)?$"),
    ("router", r"(mlp|moe|block_sparse_moe|feed_forward|ffn)\.gate$|router|e_score_correction"),
    ("experts", r"(^|[._])experts?([._]|$)"),
    ("lm_head", r"lm_head|^output$|^head(\.|$)|predictions?\.decoder|embed_out"),
    ("qkv", r"qkv|c_attn$|query_key_value|w_pack$|(^|[._])in_proj|single_blocks\.[0-9]+\.linear1$"),
    ("q", r"(^|[._])(q|wq|query)(_[ab])?(_proj)?$|(^|[._])to_q$"),
    ("k", r"(^|[._])(k|wk|key)(_proj)?$|(^|[._])to_k$"),
    ("v", r"(^|[._])(v|wv|value)(_proj)?$|(^|[._])to_v$"),
    ("kv", r"(^|[._])kv(_[ab])?(_proj\w*)?$|(^|[._])to_kv$"),
    (
        "o",
        r"(^|[._])(o|wo|o_proj|out_proj)$|to_out(\.0)?$|to_add_out$|att\w*\.(c_proj|proj|dense|output\.dense|out)$|single_blocks\.[0-9]+\.linear2$",
    ),
    ("gate_up", r"gate_up|(^|[._])w13$"),
    ("gate", r"(^|[._])(gate_proj|w1|gate)$"),
    (
        "up",
        r"(^|[._])(up_proj|c_fc|fc1|fc_in|w3|linear1|proj_mlp|dense_h_to_4h|ffn)$|intermediate\.dense$|(ffn?|mlp|net)\.0(\.proj)?$",
    ),
    (
        "down",
        r"(^|[._])(down_proj|fc2|fc_out|w2|linear2|dense_4h_to_h|ffn_output)$|mlp\.c_proj$|output\.dense$|(ffn?|mlp|net)\.2$",
    ),
    ("embeddings", r"embed|(^|[._])(wte|wpe)$|(^|[._])(img|txt|time|vector|guidance|patch)_in([._]|$)"),
    ("conv", r"conv"),
];

/// The kinds that follow from something else than [`RULES`], and what is left.
const OTHERS: [&str; 3] = ["scales", "biases", "other"];

impl Kinds {
    /// The usual rules, after rules of the caller's own: a kind, and what is found anywhere in a tensor's whole name.
    ///
    /// # Errors
    /// What is wrong with a pattern.
    pub fn new(own: &[(String, String)]) -> Result<Self, String> {
        let compiled = |pattern: &str| Regex::new(pattern).map_err(|error| error.to_string());
        let own = own.iter().map(|(kind, pattern)| match Regex::new(pattern) {
            Ok(regex) => Ok((kind.clone(), regex)),
            Err(error) => Err(format!("`{pattern}` is no pattern for the kind {kind}: {error}")),
        });
        Ok(Self {
            own: own.collect::<Result<_, _>>()?,
            usual: RULES
                .iter()
                .map(|(kind, pattern)| Ok((*kind, compiled(&format!("(?i){pattern}"))?)))
                .collect::<Result<_, String>>()?,
            ending: compiled(r"[._](weight|qweight|kernel|scale|weight_packed|blocks|weight_scale\w*)$")?,
            layer: compiled(r"(?:^|\.)(?:\w*layers?|\w*blocks?|h|\w*groups)\.([0-9]+)(?:\.|$)")?,
            number: compiled(r"(?:^|\.)([0-9]+)(?:\.|$)")?,
            shared: compiled(r"shared_experts?")?,
        })
    }

    /// The names of all usual kinds.
    pub fn names() -> impl Iterator<Item = &'static str> {
        RULES.iter().map(|(kind, _)| *kind).chain(OTHERS)
    }

    /// The kind of a tensor.
    #[must_use]
    pub fn of(&self, name: &str, dtype: &str, shape: &[u64]) -> &str {
        if let Some((kind, _)) = self.own.iter().find(|(_, pattern)| pattern.is_match(name)) {
            return kind;
        }
        // Norms, too, call their weights so.
        if Role::of(name, dtype) == Role::Scales && !name.contains("norm.") {
            return "scales";
        }
        if name.ends_with("bias") {
            return if name.contains("e_score_correction") { "router" } else { "biases" };
        }
        // Experts that all tokens take are layers like others.
        let is_shared = self.shared.is_match(name);
        let path = self.ending.replace(name, "");
        let matching = |(kind, pattern): &&(&'static str, Regex)| {
            !(is_shared && *kind == "experts") && pattern.is_match(&path)
        };
        match self.usual.iter().find(matching) {
            Some((kind, _)) => kind,
            None if shape.len() > 3 => "conv",
            None => "other",
        }
    }

    /// The number of a tensor's layer: the first after a word such as `layers` or `blocks`, else the first there is.
    #[must_use]
    pub fn layer(&self, name: &str) -> Option<u32> {
        let found = self.layer.captures(name).or_else(|| self.number.captures(name))?;
        found.get(1)?.as_str().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_well_known_models_tell_kinds() {
        let kinds = Kinds::new(&[]).unwrap();
        for (name, expected) in [
            // Llama, Qwen
            ("model.layers.3.self_attn.q_proj.weight", "q"),
            ("model.layers.3.self_attn.k_proj.weight", "k"),
            ("model.layers.3.self_attn.v_proj.weight", "v"),
            ("model.layers.3.self_attn.v_proj.bias", "biases"),
            ("model.layers.3.self_attn.o_proj.weight", "o"),
            ("model.layers.3.self_attn.q_norm.weight", "norms"),
            ("model.layers.3.mlp.gate_proj.weight", "gate"),
            ("model.layers.3.mlp.up_proj.weight", "up"),
            ("model.layers.3.mlp.gate_up_proj.weight", "gate_up"),
            ("model.layers.3.mlp.down_proj.weight", "down"),
            ("model.layers.3.mlp.down_proj.weight_scale_inv", "scales"),
            ("model.layers.3.input_layernorm.weight", "norms"),
            ("model.norm.weight", "norms"),
            ("model.embed_tokens.weight", "embeddings"),
            ("lm_head.weight", "lm_head"),
            // DeepSeek
            ("model.layers.3.self_attn.q_a_proj.weight", "q"),
            ("model.layers.3.self_attn.q_b_proj.weight", "q"),
            ("model.layers.3.self_attn.kv_a_proj_with_mqa.weight", "kv"),
            ("model.layers.3.self_attn.kv_b_proj.weight", "kv"),
            ("model.layers.3.self_attn.kv_a_layernorm.weight", "norms"),
            ("model.layers.3.mlp.gate.weight", "router"),
            ("model.layers.3.mlp.gate.e_score_correction_bias", "router"),
            ("model.layers.3.mlp.experts.17.down_proj.weight", "experts"),
            ("model.layers.3.mlp.shared_experts.up_proj.weight", "up"),
            // Mixtral, gpt-oss
            ("model.layers.0.block_sparse_moe.gate.weight", "router"),
            ("model.layers.0.block_sparse_moe.experts.1.w2.weight", "experts"),
            ("model.layers.0.mlp.experts.gate_up_proj_blocks", "experts"),
            ("model.layers.0.mlp.router.weight", "router"),
            // GPT-2
            ("h.5.attn.c_attn.weight", "qkv"),
            ("h.5.attn.c_proj.weight", "o"),
            ("h.5.mlp.c_fc.weight", "up"),
            ("h.5.mlp.c_proj.weight", "down"),
            ("h.5.ln_1.weight", "norms"),
            ("ln_f.weight", "norms"),
            ("wte.weight", "embeddings"),
            // BERT, ALBERT
            ("bert.encoder.layer.5.attention.self.query.weight", "q"),
            ("bert.encoder.layer.5.attention.output.dense.weight", "o"),
            ("bert.encoder.layer.5.intermediate.dense.weight", "up"),
            ("bert.encoder.layer.5.output.dense.weight", "down"),
            ("bert.encoder.layer.5.output.LayerNorm.weight", "norms"),
            ("bert.embeddings.word_embeddings.weight", "embeddings"),
            ("encoder.albert_layer_groups.0.albert_layers.0.attention.key.weight", "k"),
            ("encoder.albert_layer_groups.0.albert_layers.0.attention.dense.weight", "o"),
            ("encoder.albert_layer_groups.0.albert_layers.0.ffn.weight", "up"),
            ("encoder.albert_layer_groups.0.albert_layers.0.ffn_output.weight", "down"),
            // FLUX, of its authors and of diffusers
            ("double_blocks.7.img_attn.qkv.weight", "qkv"),
            ("double_blocks.7.img_attn.proj.weight", "o"),
            ("double_blocks.7.img_attn.norm.query_norm.scale", "norms"),
            ("double_blocks.7.img_mlp.0.weight", "up"),
            ("double_blocks.7.txt_mlp.2.weight", "down"),
            ("double_blocks.7.img_mod.lin.weight", "modulation"),
            ("single_blocks.7.linear1.weight", "qkv"),
            ("single_blocks.7.linear2.weight", "o"),
            ("img_in.weight", "embeddings"),
            ("transformer_blocks.7.attn.to_q.weight", "q"),
            ("transformer_blocks.7.attn.to_out.0.weight", "o"),
            ("transformer_blocks.7.attn.add_k_proj.weight", "k"),
            ("transformer_blocks.7.ff.net.0.proj.weight", "up"),
            ("transformer_blocks.7.ff_context.net.2.weight", "down"),
            ("transformer_blocks.7.norm1.linear.weight", "modulation"),
            ("single_transformer_blocks.7.proj_mlp.weight", "up"),
            // Wan
            ("blocks.11.self_attn.q.weight", "q"),
            ("blocks.11.cross_attn.v.weight", "v"),
            ("blocks.11.self_attn.o.weight", "o"),
            ("blocks.11.ffn.0.weight", "up"),
            ("blocks.11.ffn.2.weight", "down"),
            ("blocks.11.modulation", "modulation"),
            // Others
            ("decoder.conv1.weight", "conv"),
            ("something", "other"),
        ] {
            assert_eq!(kinds.of(name, "BF16", &[64, 64]), expected, "{name}");
            assert!(Kinds::names().any(|kind| kind == expected));
        }
        assert_eq!(kinds.of("decoder.3.weight", "F32", &[64, 64, 3, 3]), "conv");
    }

    #[test]
    fn own_rules_come_first() {
        let own = [("attention".to_owned(), r"self_attn\.[qkvo]_proj".to_owned())];
        let kinds = Kinds::new(&own).unwrap();
        assert_eq!(kinds.of("model.layers.3.self_attn.q_proj.bias", "BF16", &[1]), "attention");
        assert_eq!(kinds.of("model.layers.3.mlp.up_proj.weight", "BF16", &[1, 1]), "up");
        let error = Kinds::new(&[("a".to_owned(), "(".to_owned())]).unwrap_err();
        assert!(error.contains("`(`") && error.contains("kind a"), "{error}");
    }

    #[test]
    fn layers_are_numbers_after_words_for_them() {
        let kinds = Kinds::new(&[]).unwrap();
        for (name, layer) in [
            ("model.layers.31.mlp.experts.5.up_proj.weight", Some(31)),
            ("h.0.attn.c_attn.weight", Some(0)),
            ("double_blocks.18.img_mlp.0.weight", Some(18)),
            ("decoder.7.conv.2.weight", Some(7)),
            ("lm_head.weight", None),
            ("layers.99999999999.weight", None),
        ] {
            assert_eq!(kinds.layer(name), layer, "{name}");
        }
    }
}
