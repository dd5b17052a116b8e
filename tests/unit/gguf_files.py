"""Random models as GGUF files, as llama.cpp's converter writes them (convert_hf_to_gguf.py)."""

import json

import gguf
import numpy as np
from worlds.tiny_checkpoints import tokenizer

ARCHITECTURES = {
    "llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "gemma": "gemma",
    "gemma2": "gemma2", "gemma3_text": "gemma3",
}  # fmt: skip
_NAMES = {
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
    "model.layers.": "blk.", "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}  # fmt: skip
_GEMMA2 = {
    "post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}  # fmt: skip
_OTHERS = {"post_attention_layernorm": "ffn_norm"}


def tensors(model):
    """Name → float32 array, as the converter stores them."""
    config = model.config
    after = _GEMMA2 if config.model_type in ("gemma2", "gemma3_text") else _OTHERS
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    stored = {}
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        values = tensor.float().numpy()
        if config.model_type in ("llama", "mistral"):
            for projection, n in heads.items():
                if projection in name:  # rotary halves are interleaved
                    halves = values.reshape(n, 2, values.shape[0] // n // 2, *values.shape[1:])
                    values = np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(values.shape)
        if config.model_type.startswith("gemma") and name.endswith("norm.weight"):
            values = values + 1
        for theirs, ours in (_NAMES | after).items():
            name = name.replace(theirs, ours)
        stored[name] = values
    return stored


def byte_level(writer, model, pre="smollm", control=(0, 1, 2)):
    """The tokenizer of `tiny_checkpoints`."""
    tokens = tokenizer()
    pieces = tokens.convert_ids_to_tokens(list(range(len(tokens))))
    pieces += [f"<unused{n}>" for n in range(model.config.vocab_size - len(pieces))]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(pieces)
    writer.add_token_types([3 if n in control else 1 for n in range(len(pieces))])
    merges = json.loads(tokens.backend_tokenizer.to_str())["model"]["merges"]
    writer.add_token_merges([" ".join(merge) for merge in merges])
    writer.add_pad_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_bos_token_id(2)


def write(path, model, fields=None, more=None, keep=None, words=byte_level, stored=None, **options):
    """Write a model.

    `fields` adds fields to the writer; `more` are further tensors; `keep` says which to write, by
    name; `words` writes the tokenizer, with `options`; `stored` name → (raw bytes, type).
    """
    config = model.config
    architecture = ARCHITECTURES[config.model_type]
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    rope = config.rope_parameters
    writer.add_rope_freq_base(rope.get("full_attention", rope)["rope_theta"])
    if architecture in ("llama",):
        writer.add_rope_dimension_count(config.head_dim)
        writer.add_vocab_size(config.vocab_size)
    elif architecture != "qwen2":
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
    if architecture in ("gemma2", "gemma3"):
        writer.add_sliding_window(config.sliding_window)
    if architecture == "gemma2":
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
    words(writer, model, **options)
    if fields is not None:
        fields(writer)
    for name, values in {**tensors(model), **(more or {})}.items():
        if keep is not None and not keep(name):
            continue
        if stored and name in stored:
            data, kind = stored[name]
            writer.add_tensor(name, data, raw_dtype=kind)
        else:
            writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
