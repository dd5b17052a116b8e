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
    "opt-350m": ("opt", {"do_layer_norm_before": False}),
    "gpt_neox": ("gpt_neox", {"rotary_pct": 0.5}),
    "t5": ("t5", {}),
    "t5-v1.1": ("t5", {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}),  # Flan-T5
    "mt5": ("mt5", {}),
    "bert": ("bert", {}),
}  # fmt: skip
ENCODER_DECODER = ("t5", "t5-v1.1", "mt5")
# Types whose layers, or some of them, look back over a window.
WINDOWED = ("mistral", "gemma2", "gemma3_text", "olmo3", "phi3")


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
    if kind == "falcon":
        return shared
    if kind == "opt":
        return {**shared, "ffn_dim": inner, "word_embed_proj_dim": width}
    if kind in ("bert", "gpt_neox"):
        return {**shared, "intermediate_size": inner}
    experts = {"num_local_experts": 4, "num_experts_per_tok": 2} if kind == "mixtral" else {}
    return {
        **shared, **experts, "intermediate_size": inner, "num_key_value_heads": heads // 2,
        "head_dim": HEAD,
    }  # fmt: skip


def sizes(name: str, layers: int, positions: int, window: int) -> tuple[str, dict[str, Any]]:
    """Type and settings of a network of `VARIANTS`, 32 units wide."""
    kind, own = VARIANTS[name]
    windowed = {"sliding_window": window} if kind in WINDOWED else {}
    return kind, {**shape(kind, 32, layers, positions), **windowed, **own}
