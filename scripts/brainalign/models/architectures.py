"""Architecture families: where their blocks lie, what the layers are called, how to read them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from brainalign.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor, nn

ARCHITECTURES = ("decoder-only", "encoder-decoder", "masked")
# What a config may ask of attention. Families that do not know a key ignore it in silence.
_ATTENTION = re.compile(r"soft_?cap|sink|alibi$|sliding_window$|^layer_types$")
_NOT_SDPA = ("attn_logit_softcapping", "reorder_and_upcast_attn")  # torch's kernel has neither


@dataclass(frozen=True)
class Stack:
    """One stack of blocks: module paths below the model's body.

    `first` names the input of block 1 (None: not offered as a layer), `block` the outputs
    (`{}` is the block's number from 1), `last` the output of the final norm. `projection`: what
    brings the last state to the head's width, in models that have it.
    """

    blocks: str
    norm: str | None
    first: str | None
    block: str
    last: str
    depth_key: str
    projection: str | None = None


@dataclass(frozen=True)
class Family:
    """What brainalign knows of the models with one `model_type`.

    `width_key`, `context_key` and the stacks' `depth_key` are keys of config.json; `former` maps
    them to the key that stands in where they are missing (early conversions had other names).
    `default_context` stands in where a config has no `context_key`; `fixed_positions` says that
    positions come from a table, so a longer context cannot run; `counts_positions` that attention
    counts distances in places, padding included, and not by the mask. `kernel` is what
    transformers calls the attention that is used, and `obeys` are the keys of `_ATTENTION` that the
    architecture does something about. `ignored` matches tensors of a checkpoint that the language
    model does not use as parameters (buffers, other heads); `buffers` matches those that it does
    use, and that count as no parameters. Keys of a config in a config (T5Gemma's
    encoder) have a dot. `memory` is what the model carries from token to token, for further tokens
    to be read after: keys and values of every token; a `state` of one size; a `stepped state`,
    which transformers continues by one token at a time only; or `none` that it hands out.
    """

    architecture: str
    stacks: tuple[Stack, ...]
    width_key: str = "hidden_size"
    context_key: str = "max_position_embeddings"
    default_context: int | None = None
    fixed_positions: bool = False
    counts_positions: bool = False
    kernel: str = "sdpa"
    obeys: tuple[str, ...] = ()
    former: Mapping[str, str] = field(default_factory=dict)
    memory: str = "keys and values"
    buffers: str = r"(?!)"
    ignored: str = r"\.(inv_freq|position_ids)$"


def _decoder_only(blocks: str, norm: str | None, depth_key: str = "num_hidden_layers") -> Stack:
    return Stack(blocks, norm, "embedding", "layer.{}", "final", depth_key)


_LLAMA_LIKE = Family(
    "decoder-only",
    (_decoder_only("layers", "norm"),),
    former={"max_position_embeddings": "max_sequence_length"},
)
_WINDOWED = replace(_LLAMA_LIKE, obeys=("sliding_window",))
_MIXED = replace(_LLAMA_LIKE, obeys=("sliding_window", "use_sliding_window", "layer_types"))
_T5_LIKE = Family(
    "encoder-decoder",
    (
        Stack("encoder.block", "encoder.final_layer_norm", "encoder.embedding", "encoder.{}",
              "encoder.final", "num_layers"),
        # The decoder's embedding output is the encoder's, shifted: no layer of its own.
        Stack("decoder.block", "decoder.final_layer_norm", None, "decoder.{}",
              "decoder.final", "num_decoder_layers"),
    ),
    width_key="d_model",
    context_key="n_positions",
    # Relative positions have no end; 512 tokens is the length T5 was pre-trained with.
    default_context=512,
    former={"num_decoder_layers": "num_layers"},
    ignored=r"decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight$",
)  # fmt: skip
_MAMBA = Family(
    "decoder-only",
    (_decoder_only("layers", "norm_f"),),
    # A state has no end; 2,048 tokens is the length that Mamba 1 and 2 were trained with.
    default_context=2048,
    kernel="eager",
    memory="stepped state",
)
_GEMMA_3 = replace(_MIXED, obeys=(*_MIXED.obeys, "final_logit_softcapping"))
_T5GEMMA = Family(
    "encoder-decoder",
    (
        Stack("encoder.layers", "encoder.norm", "encoder.embedding", "encoder.{}",
              "encoder.final", "encoder.num_hidden_layers"),
        Stack("decoder.layers", "decoder.norm", None, "decoder.{}",
              "decoder.final", "decoder.num_hidden_layers"),
    ),
    width_key="encoder.hidden_size",
    context_key="encoder.max_position_embeddings",
    obeys=("sliding_window", "layer_types", "attn_logit_softcapping", "final_logit_softcapping"),
)  # fmt: skip

FAMILIES: Mapping[str, Family] = {
    "gpt2": Family(
        "decoder-only",
        (_decoder_only("h", "ln_f", "n_layer"),),
        width_key="n_embd",
        context_key="n_positions",
        fixed_positions=True,
        ignored=r"\.attn\.(bias|masked_bias)$",
    ),
    "gptj": Family(
        "decoder-only",
        (_decoder_only("h", "ln_f", "n_layer"),),
        width_key="n_embd",
        context_key="n_positions",
        fixed_positions=True,  # of rotations
        kernel="eager",
        ignored=r"\.attn\.(bias|masked_bias|embed_positions)$",
    ),
    "gpt_neox": Family(
        "decoder-only",
        (_decoder_only("layers", "final_layer_norm"),),
        default_context=2048,
        ignored=r"\.attention\.(bias|masked_bias|rotary_emb\.inv_freq)$",
    ),
    "opt": Family(
        "decoder-only",
        (
            replace(
                _decoder_only("decoder.layers", "decoder.final_layer_norm"),
                projection="decoder.project_out",
            ),
        ),
        fixed_positions=True,
    ),
    "bloom": Family(
        "decoder-only",
        (_decoder_only("h", "ln_f", "n_layer"),),
        context_key="seq_length",
        # Distances have no end; 2,048 tokens is the length BLOOM was trained with.
        default_context=2048,
        width_key="n_embed",
        kernel="eager",
        obeys=("alibi",),
        former={"n_embed": "hidden_size"},
    ),
    "falcon": Family(
        "decoder-only",
        (_decoder_only("h", "ln_f"),),
        default_context=2048,
        obeys=("alibi",),
    ),
    "mpt": Family(
        "decoder-only",
        (_decoder_only("blocks", "norm_f", "n_layers"),),
        width_key="d_model",
        context_key="max_seq_len",
        fixed_positions=True,  # distances, of a table
        counts_positions=True,
        kernel="eager",
        obeys=("alibi",),
    ),
    "phi": Family("decoder-only", (_decoder_only("layers", "final_layernorm"),)),
    "phi3": _WINDOWED,
    "llama": _LLAMA_LIKE,
    "mistral": _WINDOWED,
    "mixtral": _WINDOWED,
    "olmo": _LLAMA_LIKE,
    "olmo2": _LLAMA_LIKE,
    "olmo3": _MIXED,
    "granite": _LLAMA_LIKE,
    "qwen2": _MIXED,
    "qwen3": _MIXED,
    "smollm3": _MIXED,
    "gemma": _LLAMA_LIKE,
    "gemma2": replace(
        _MIXED, obeys=(*_MIXED.obeys, "attn_logit_softcapping", "final_logit_softcapping")
    ),
    "gemma3_text": _GEMMA_3,
    "gemma4_text": replace(_GEMMA_3, buffers=r"\.layer_scalar$"),
    "mamba": _MAMBA,
    "falcon_mamba": replace(_MAMBA, default_context=8192),
    "mamba2": replace(_MAMBA, memory="state"),
    "rwkv": replace(
        _MAMBA,
        stacks=(_decoder_only("blocks", "ln_out"),),
        context_key="context_length",
        default_context=1024,
        memory="none",
    ),
    "falcon_h1": Family(
        "decoder-only", (_decoder_only("layers", "final_layernorm"),), memory="state"
    ),
    "qwen3_next": replace(_MIXED, memory="state"),
    "t5": _T5_LIKE,
    "mt5": _T5_LIKE,
    "t5gemma": _T5GEMMA,
    "bert": Family(
        "masked",
        # Blocks end with their norm: there is no other final one.
        (_decoder_only("encoder.layer", None),),
        fixed_positions=True,
        ignored=r"(\.position_ids|\.pooler\.dense\.(weight|bias)|seq_relationship\.(weight|bias)"
        r"|predictions\.decoder\.bias)$",
    ),
    "modernbert": Family(
        "masked", (_decoder_only("layers", "final_norm"),), obeys=("layer_types", "sliding_window")
    ),
}


def family(config: Mapping[str, Any], where: str = "config.json") -> Family:
    """The family that a model's config.json (as a mapping) belongs to.

    Raises
    ------
    InputError : `model_type` is none of the known ones, which the message lists.
    """
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in FAMILIES:
        raise InputError(
            f"{where}: model_type {kind!r} is not known; known are {', '.join(sorted(FAMILIES))} "
            "(docs/adding-a-model.md says how to add one)"
        )
    if FAMILIES[kind].architecture == "decoder-only":
        # Gemma 4 reads images (`vision`) in both directions, and none are shown to it.
        for key, causal in (
            ("is_causal", (True, None)),
            ("use_bidirectional_attention", (False, None, "vision")),
        ):
            if config.get(key) not in causal:
                raise InputError(
                    f"{where}: {key} is {config[key]!r}: the model reads in both directions (as "
                    f"embedding models do), and {kind} is known from left to right alone"
                )
    return FAMILIES[kind]


def layer_names(config: Mapping[str, Any], where: str = "config.json") -> tuple[str, ...]:
    """The names of all layers in the order in which the model computes them."""
    names: list[str] = []
    for stack in family(config, where).stacks:
        if stack.first is not None:
            names.append(stack.first)
        names += [stack.block.format(k + 1) for k in range(_number(config, stack.depth_key, where))]
        if _has_norm(config, stack):
            names.append(stack.last)
    return tuple(names)


def width(config: Mapping[str, Any], where: str = "config.json") -> int:
    """Units per layer (d_model)."""
    return _number(config, family(config, where).width_key, where)


def context(config: Mapping[str, Any], where: str = "config.json") -> int:
    """The most tokens that the config allows in one sequence."""
    kind = family(config, where)
    if kind.default_context is not None and kind.context_key not in config:
        return kind.default_context
    return _number(config, kind.context_key, where)


def steady_context(config: Mapping[str, Any]) -> int | None:
    """The most tokens whose positions do not depend on the sequence's length; None: any number.

    Rotary positions of type `dynamic` and `longrope` (once `su`) change where a sequence is longer:
    a token's hidden state would then depend on what follows it, and on the batch it is read in.
    """
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if rope.get("rope_type", rope.get("type")) not in ("dynamic", "longrope", "su"):
        return None
    key = "original_max_position_embeddings"
    return rope.get(key) or config.get(key) or config.get("max_position_embeddings")


def attention(config: Mapping[str, Any], where: str = "config.json") -> str:
    """The attention of transformers that does what a config asks for: `sdpa` (torch's) or `eager`.

    Raises
    ------
    InputError : the config asks for something that its architecture does not do at all.
    """
    kind = family(config, where)
    stacks = [config[key] for key in ("encoder", "decoder") if isinstance(config.get(key), Mapping)]
    if stacks:  # each with a config (T5Gemma)
        kernels = {attention({**s, "model_type": config["model_type"]}, where) for s in stacks}
        return "eager" if "eager" in kernels else kind.kernel
    asked = {key for key, value in config.items() if value and _ATTENTION.search(key)}
    if str(config.get("position_embedding_type")).startswith("relative"):
        asked.add("position_embedding_type")
    if config.get("use_sliding_window") is False or not _narrow(config):
        asked.discard("sliding_window")
    if set(config.get("layer_types") or ()) <= {"full_attention"}:
        asked.discard("layer_types")
    ignored = sorted(asked - set(kind.obeys))
    if ignored:
        raise InputError(
            f"{where}: {ignored[0]} is {config[ignored[0]]!r}, which {config['model_type']} in "
            "transformers does not do: the model would be another one"
        )
    if config["model_type"] == "mpt" and (config.get("attn_config") or {}).get("alibi") is False:
        raise InputError(
            f"{where}: attn_config.alibi is false, and MPT in transformers always has it"
        )
    return "eager" if any(config.get(key) for key in _NOT_SDPA) else kind.kernel


def _narrow(config: Mapping[str, Any]) -> bool:
    """Whether a sliding window is shorter than the context."""
    window, longest = config.get("sliding_window"), config.get("max_position_embeddings")
    return window is not None and (longest is None or window < longest)


def integer(config: Mapping[str, Any], key: str, where: str) -> int:
    """A positive whole number of config.json.

    Raises
    ------
    InputError : the key is missing or has another value.
    """
    value: Any = config
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if not isinstance(value, int) or value < 1:
        raise InputError(f"{where}: key {key} is {value!r}, expected a positive whole number")
    return value


def is_read(name: str, config: Mapping[str, Any]) -> bool:
    """Whether the language model uses a checkpoint's tensor."""
    return re.search(family(config).ignored, name) is None


def is_parameter(name: str, config: Mapping[str, Any]) -> bool:
    """Whether a checkpoint's tensor is a parameter of the language model, not a buffer."""
    return is_read(name, config) and re.search(family(config).buffers, name) is None


def body(model: nn.Module) -> nn.Module:
    """The model below its language-model head (for encoder-decoder models: the model itself)."""
    inner = getattr(model, "base_model", model)
    assert not isinstance(inner, str)
    return inner


@contextmanager
def capture(
    model: nn.Module,
    layers: tuple[str, ...] | None = None,
    keep: Callable[[Tensor], Tensor] | None = None,
) -> Iterator[dict[str, Tensor]]:
    """Collect hidden states while the block's forward passes run.

    Parameters
    ----------
    model : a transformers model of a known family.
    layers : names to collect; default all of `layer_names`.
    keep : applied to each hidden state [batch, token, unit] at once, so that what is not needed
        (other positions) never accumulates; default: the hidden state itself.

    Yields
    ------
    A dict, layer name → hidden states of the last forward pass (in the model's dtype, on the
    device of that layer); a further pass overwrites it.

    Raises
    ------
    InputError : `layers` holds a name that the model does not have.
    """
    config = model.config.to_dict()  # type: ignore[operator,union-attr]
    wanted = layer_names(config) if layers is None else layers
    unknown = set(wanted) - set(layer_names(config))
    if unknown:
        raise InputError(
            f"layer {', '.join(sorted(unknown))} does not exist; the model has "
            f"{', '.join(layer_names(config))}"
        )
    states: dict[str, Tensor] = {}

    def collect(name: str, value: Any) -> None:
        state = value[0] if isinstance(value, tuple) else value
        states[name] = state if keep is None else keep(state)

    handles = []
    root = body(model)
    try:
        for stack in family(config).stacks:
            blocks = list(root.get_submodule(stack.blocks))  # type: ignore[call-overload]
            if stack.first in wanted:
                handles.append(
                    blocks[0].register_forward_pre_hook(
                        _entering(collect, stack.first), with_kwargs=True
                    )
                )
            named = [(stack.block.format(k + 1), block) for k, block in enumerate(blocks)]
            if stack.norm is not None and _has_norm(config, stack):
                named.append((stack.last, root.get_submodule(stack.norm)))
            for name, module in named:
                if name in wanted:
                    handles.append(module.register_forward_hook(_leaving(collect, name)))
        yield states
    finally:
        for handle in handles:
            handle.remove()


def ending(model: nn.Module) -> tuple[nn.Module, ...]:
    """What a model's last stack does to the output of its last block, before the head: the final
    norm, and in OPT-350m a projection."""
    config = model.config.to_dict()  # type: ignore[operator,union-attr]
    stack, root = family(config).stacks[-1], body(model)
    norm = stack.norm if _has_norm(config, stack) else None
    modules = [attrgetter(path)(root) for path in (norm, stack.projection) if path is not None]
    return tuple(module for module in modules if module is not None)


def run_body(
    model: nn.Module,
    input_ids: Tensor,
    attention_mask: Tensor | None = None,
    decoder_input_ids: Tensor | None = None,
    **options: Any,
) -> Any:
    """One forward pass without the language-model head.

    Parameters
    ----------
    input_ids, attention_mask : int64 [batch, token].
    decoder_input_ids : int64 [batch, token], for encoder-decoder models.
    options : handed to the body (`position_ids`, `past_key_values`, `use_cache`, …).

    Returns
    -------
    The body's output; for encoder-decoder models the decoder's.

    Raises
    ------
    InputError : an encoder-decoder model without `decoder_input_ids`.
    """
    options.setdefault("use_cache", False)
    root: Any = body(model)
    if family(model.config.to_dict()).architecture != "encoder-decoder":  # type: ignore[operator,union-attr]
        return root(input_ids=input_ids, attention_mask=attention_mask, **options)
    if decoder_input_ids is None:
        raise InputError("an encoder-decoder model needs decoder_input_ids")
    encoded = root.encoder(input_ids=input_ids, attention_mask=attention_mask)
    return root.decoder(
        input_ids=decoder_input_ids,
        encoder_hidden_states=encoded.last_hidden_state,
        encoder_attention_mask=attention_mask,
        **options,
    )


def _entering(collect: Callable[[str, Any], None], name: str) -> Callable[..., None]:
    def hook(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        collect(name, args[0] if args else kwargs["hidden_states"])

    return hook


def _leaving(collect: Callable[[str, Any], None], name: str) -> Callable[..., None]:
    def hook(_module: nn.Module, _args: tuple[Any, ...], output: Any) -> None:
        collect(name, output)

    return hook


def _number(config: Mapping[str, Any], key: str, where: str) -> int:
    """`integer` of a key, or of the one that stands in for it."""
    former = family(config, where).former.get(key, key)
    return integer(config, former if config.get(key) is None and former in config else key, where)


def _has_norm(config: Mapping[str, Any], stack: Stack) -> bool:
    # OPT-350m normalises after each block and so has no final norm.
    post_norm = config.get("do_layer_norm_before") is False
    return stack.norm is not None and not post_norm and not config.get("_remove_final_layer_norm")
