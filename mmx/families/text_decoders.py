"""Language models that see nothing: a text, and the token that is said to follow each of its tokens.

They are asked in Python alone, with ids; what asks with pictures does not list them.
"""

from mmx.families._decoders import ANSWERS, READS, outputs
from mmx.families.base import Family, Text, layers

FAMILY = Family(
    architectures=("LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM", "GemmaForCausalLM",
                   "Gemma3ForCausalLM", "Phi3ForCausalLM"),
    score=ANSWERS,
    inputs=(Text(ask="", names=("input_ids", "attention_mask")),),
    schedule=lambda config: tuple(layers("model.layers.{}.self_attn", "text", config.num_hidden_layers)),
    roots={"text": "model.embed_tokens"},
    reads=READS,
    outputs=outputs,
    arguments={"use_cache": False},
)
