"""Reading as Brain-Score does it: a loop over stimuli, one forward pass each."""

import re
from contextlib import contextmanager

import numpy as np
import torch
from eager_attention import eager

from worlds.tiny_networks import WITHOUT_EMBEDDING


def naive_text(stimuli, row, context):
    """Brain-Score's preparation of the text of one stimulus, and its context's."""
    group = stimuli["context_group"].iloc[row]
    before = [
        stimuli["text"].iloc[k]
        for k in range(row)
        if context == "corpus" or stimuli["context_group"].iloc[k] == group
    ]
    part = stimuli["text"].iloc[row]
    if context == "none":
        before = []
    if context.startswith("window:"):
        limit = int(context.split(":")[1])
        before = " ".join(before).split()
        before = before[max(0, len(before) + len(part.split()) - limit) :]

    def join(parts):
        return re.sub(r"\s+([.,!?;:])", r"\1", " ".join(parts))

    return join(before), join([*before, part])


def naive(model, stimuli, context, pooling="last", bos="default", decoder_input="shifted"):
    """Layer name → [stimulus, unit], a loop over stimuli with transformers' own hidden states."""
    tokenizer = model.tokenizer
    rows = []
    for row in range(len(stimuli)):
        before, text = naive_text(stimuli, row, context)
        encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        chosen = [k for k, (_, end) in enumerate(encoded["offset_mapping"]) if end > len(before)]
        n_rows = len(encoded["input_ids"]) - chosen[0]
        if model.architecture == "decoder-only":
            begins = bos == "tokenizer" or tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id
            left, right = ([tokenizer.bos_token_id] if begins else []), []
        elif model.architecture == "masked":
            left, right = [tokenizer.cls_token_id], [tokenizer.sep_token_id]
        else:
            left, right = [], [tokenizer.eos_token_id]
        ids = encoded["input_ids"][-(model.max_context - len(left) - len(right)) :]
        stop = len(left) + len(ids)
        inputs = {"input_ids": torch.tensor([left + ids + right])}
        if model.architecture == "encoder-decoder":
            start = model.model.config.decoder_start_token_id
            decoder = [start, *ids] if decoder_input == "shifted" else [start]
            inputs["decoder_input_ids"] = torch.tensor([decoder])
        with eager(model.model) as network, unprojected(network) as taken:
            output = network(**inputs, output_hidden_states=True)
        chosen = slice(stop - (1 if pooling == "last" else n_rows), stop)
        if model.architecture == "encoder-decoder":
            width = len(decoder)
            answer = slice(width - (chosen.stop - chosen.start), width)
            stacks = [
                ("encoder.", output.encoder_hidden_states, chosen),
                ("decoder.", output.decoder_hidden_states, answer),
            ]
        else:
            states = output.hidden_states
            if model.model.config.model_type in WITHOUT_EMBEDDING:
                states = (network.get_input_embeddings()(inputs["input_ids"]), *states)
                states = (*states[:-2], states[-1])  # the last block's, before the final norm
            states = (*states[:-1], *(taken or states[-1:]))
            stacks = [("", states, chosen)]
        reduce = torch.mean if pooling == "mean" else torch.sum
        rows.append(
            {
                name: reduce(state[0, span], 0).numpy()
                for prefix, states, span in stacks
                for name, state in zip(_names(prefix, len(states) - 1), states, strict=True)
            }
        )
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


@contextmanager
def unprojected(network):
    """The last state before OPT-350m's projection to the width of its head, in a list."""
    taken = []
    hooks = [
        module.register_forward_pre_hook(lambda _, inputs: taken.append(inputs[0]))
        for name, module in network.named_modules()
        if name.endswith("project_out") and module is not None
    ]
    try:
        yield taken
    finally:
        for hook in hooks:
            hook.remove()


def _names(prefix, n_blocks):
    """What transformers' hidden states are: the last is taken after the final norm."""
    block = prefix + "{}" if prefix else "layer.{}"
    return [f"{prefix}embedding", *(block.format(k) for k in range(1, n_blocks)), f"{prefix}final"]


def agree(ours, theirs, tolerance=1e-5):
    """Assert that layers are those of `naive`, relative to the largest value of each."""
    compared = 0
    for name, expected in theirs.items():
        name = "layer.3" if name == "final" and name not in ours else name  # no final norm
        if name == "decoder.embedding":
            continue  # the encoder's, shifted: not a layer
        compared += 1
        scale = max(1.0, float(np.abs(expected).max()))
        difference = float(np.abs(ours[name] - expected).max())
        assert difference <= tolerance * scale, (name, difference, scale)
    assert compared > 3
