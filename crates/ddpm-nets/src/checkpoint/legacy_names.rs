//! Former names of attention weights in diffusers (which were stored as 1x1 convolutions): such files are still published.

use crate::tensor_file::TensorMap;

const RENAMED: [(&str, &str); 4] =
    [("query", "to_q"), ("key", "to_k"), ("value", "to_v"), ("proj_attn", "to_out.0")];

/// The same tensors under today's names and shapes.
pub(super) fn renamed(tensors: TensorMap) -> TensorMap {
    tensors
        .into_iter()
        .map(|(name, tensor)| {
            let name = current_name(&name);
            let pointwise = name.contains(".attentions.") && tensor.dim() == 4;
            let tensor = if pointwise { tensor.squeeze_dim(-1).squeeze_dim(-1) } else { tensor };
            (name, tensor)
        })
        .collect()
}

fn current_name(name: &str) -> String {
    if name.contains(".attentions.") {
        for (old, new) in RENAMED {
            if let Some(stem) = name.strip_suffix(&format!(".{old}.weight")) {
                return format!("{stem}.{new}.weight");
            }
            if let Some(stem) = name.strip_suffix(&format!(".{old}.bias")) {
                return format!("{stem}.{new}.bias");
            }
        }
    }
    name.to_string()
}

#[cfg(test)]
mod tests {
    use super::current_name;

    #[test]
    fn only_attention_weights_are_renamed() {
        assert_eq!(
            current_name("mid_block.attentions.0.proj_attn.bias"),
            "mid_block.attentions.0.to_out.0.bias"
        );
        assert_eq!(
            current_name("up_blocks.2.attentions.1.query.weight"),
            "up_blocks.2.attentions.1.to_q.weight"
        );
        assert_eq!(current_name("conv_in.weight"), "conv_in.weight");
    }
}
