"""Shapes of tiny networks of every family: one table for all tests."""

from typing import Any

HEAD = 8  # units of an attention head

# Name → transformers' type of model, and what sets it apart from its type's usual one.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("gpt2", {}),
    "llama": ("llama", {}),
    "gemma": ("gemma", {"num_key_value_heads": 1}),
    "gemma2": (
        "gemma2",
        {
            "num_key_value_heads": 1, "attn_logit_softcapping": 1.0,
            "final_logit_softcapping": 2.0,
        },
    ),
    "gemma3": ("gemma3_text", {"num_key_value_heads": 1}),
    "gemma4": ("gemma4_text", {"num_key_value_heads": 1}),
    "gemma4-e2b": (
        "gemma4_text",
        {
            "num_key_value_heads": 1, "hidden_size_per_layer_input": 4,
            "vocab_size_per_layer_input": 320, "num_kv_shared_layers": 1,
            "use_bidirectional_attention": "vision",
        },
    ),
    "mamba": ("mamba", {}),
    "mamba2": ("mamba2", {}),
    "falcon_mamba": ("falcon_mamba", {}),
    "rwkv": ("rwkv", {}),
    "falcon_h1": ("falcon_h1", {"lm_head_multiplier": 0.5, "embedding_multiplier": 3.0}),
    "qwen3_next": ("qwen3_next", {}),
    "mistral": ("mistral", {}),
    "mixtral": ("mixtral", {}),
    "olmo": ("olmo", {"clip_qkv": 0.5}),
    "olmo2": ("olmo2", {}),
    "olmo3": ("olmo3", {}),
    "granite": ("granite", {"logits_scaling": 4.0, "residual_multiplier": 0.5}),
    "phi": ("phi", {}),
    "phi3": ("phi3", {}),
    "falcon": ("falcon", {}),
    "falcon-40b": ("falcon", {"new_decoder_architecture": True, "num_kv_heads": 2}),
    "falcon-rw": ("falcon", {"alibi": True, "parallel_attn": False}),
    "bloom": ("bloom", {}),
    "mpt": ("mpt", {}),
    "gptj": ("gptj", {}),
    "qwen2": ("qwen2", {}),
    "qwen3": ("qwen3", {}),
    "smollm3": ("smollm3", {}),
    "opt": ("opt", {}),
    "opt-350m": ("opt", {"do_layer_norm_before": False, "word_embed_proj_dim": HEAD}),
    "gpt_neox": ("gpt_neox", {"rotary_pct": 0.5}),
    "t5": ("t5", {}),
    "t5-v1.1": ("t5", {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}),  # Flan-T5
    "mt5": ("mt5", {}),
    "t5gemma": ("t5gemma", {}),
    "bert": ("bert", {}),
    "modernbert": ("modernbert", {}),
}  # fmt: skip
ENCODER_DECODER = ("t5", "t5-v1.1", "mt5", "t5gemma")
MASKED = ("bert", "modernbert")
# Types whose hidden states transformers gives after each block, and not before the first.
WITHOUT_EMBEDDING = ("mamba", "falcon_mamba", "mamba2", "rwkv")
# Types whose layers, or some of them, look back over a window.
WINDOWED = ("mistral", "gemma2", "gemma3_text", "gemma4_text", "olmo3", "phi3")


def shape(kind: str, width: int, layers: int, positions: int) -> dict[str, Any]:
    """Settings of a type of model: its width, layers (of a T5 decoder two) and positions.

    T5 takes texts of any length (512 tokens by its config), BLOOM too.
    """
    heads, inner = width // HEAD, width * 3 // 2
    if kind in ("gpt2", "gptj"):
        rotary = {"rotary_dim": 4} if kind == "gptj" else {}
        return {
            "n_embd": width, "n_layer": layers, "n_head": heads, "n_positions": positions, **rotary,
        }  # fmt: skip
    if kind in ("t5", "mt5"):
        return {
            "d_model": width, "d_kv": HEAD, "d_ff": inner, "num_layers": layers,
            "num_decoder_layers": 2, "num_heads": heads,
            "decoder_start_token_id": 0,
        }  # fmt: skip
    if kind == "mpt":
        return {"d_model": width, "n_layers": layers, "n_heads": heads, "max_seq_len": positions}
    if kind == "bloom":
        return {"hidden_size": width, "n_layer": layers, "n_head": heads}
    shared = {
        "hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads,
        "max_position_embeddings": positions,
    }  # fmt: skip
    if kind in ("falcon", "rwkv"):
        return shared
    states = {"hidden_size": width, "num_hidden_layers": layers, "state_size": HEAD}
    if kind in ("mamba", "falcon_mamba"):
        return states
    if kind == "mamba2":
        return {**states, "num_heads": 2 * heads, "head_dim": HEAD, "n_groups": 2, "chunk_size": 8}
    if kind == "t5gemma":
        stack = {
            **shared, "intermediate_size": inner, "num_key_value_heads": 1, "head_dim": HEAD,
            "attn_logit_softcapping": 1.0, "final_logit_softcapping": 2.0,
        }  # fmt: skip
        return {
            "encoder": {**stack, "layer_types": None},
            "decoder": {
                **stack, "num_hidden_layers": 2, "layer_types": None,
                "cross_attention_hidden_size": width,
            },
            "decoder_start_token_id": 2,
        }  # fmt: skip
    if kind == "opt":
        return {**shared, "ffn_dim": inner, "word_embed_proj_dim": width}
    if kind in ("bert", "modernbert", "gpt_neox"):
        special = {"cls_token_id": 2, "sep_token_id": 1} if kind == "modernbert" else {}
        return {**shared, **special, "intermediate_size": inner}
    types: dict[str, Any] = {
        "mixtral": {"num_local_experts": 4, "num_experts_per_tok": 2},
        "gemma4_text": {
            "layer_types": (["sliding_attention", "full_attention"] * layers)[-layers:],
            "hidden_size_per_layer_input": 0,
        },
        "falcon_h1": {
            "mamba_d_ssm": width,
            "mamba_n_heads": heads,
            "mamba_d_head": HEAD,
            "mamba_d_state": HEAD,
            "mamba_chunk_size": 8,
        },
        "qwen3_next": {
            "num_experts": 0,
            "linear_num_key_heads": heads // 2,
            "linear_num_value_heads": heads,
            "linear_key_head_dim": HEAD,
            "linear_value_head_dim": HEAD,
            "layer_types": (["linear_attention", "full_attention"] * layers)[-layers:],
        },
    }
    return {
        **shared, **types.get(kind, {}), "intermediate_size": inner,
        "num_key_value_heads": heads // 2, "head_dim": HEAD,
    }  # fmt: skip


def with_vocabulary(settings: dict[str, Any], n: int) -> dict[str, Any]:
    """Settings for `n` tokens, also where each stack has a config (T5Gemma)."""
    stacks = {
        key: {**value, "vocab_size": n}
        for key, value in settings.items()
        if key in ("encoder", "decoder")
    }
    by_layer = {key: n for key in settings if key == "vocab_size_per_layer_input"}
    return {**settings, **stacks, **by_layer, "vocab_size": n}


def sizes(name: str, layers: int, positions: int, window: int) -> tuple[str, dict[str, Any]]:
    """Type and settings of a network of `VARIANTS`, 32 units wide."""
    kind, rows = VARIANTS[name]
    windowed = {"sliding_window": window} if kind in WINDOWED else {}
    return kind, {**shape(kind, 32, layers, positions), **windowed, **rows}
