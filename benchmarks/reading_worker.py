"""One timed run of reading.py: `ours` or `peer` does one work and writes what it found.

`peer` runs in the peer's environment, without ours (the naive loop in ours). Only the work itself
is timed, tokenising and our writing to disk included; models are loaded before. Of the passages
brainscore-language reads every seventh, since it is slow: `share` is the part of the sentences.
"""

import json
import logging
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from measuring import Measured, matrix_rate, write

ASSETS = Path(__file__).parent / ".environments" / "reading-assets"
EVERY = 7  # passages that brainscore-language reads
SEGMENT = 510  # most tokens of a segment, as minicons reads it with BOS
BATCH = 2  # segments that minicons scores at once


def texts() -> dict[str, Any]:
    """What reading_assets.py wrote."""
    written: dict[str, Any] = json.loads((ASSETS / "texts.json").read_text(encoding="utf-8"))
    return written


def model_of(work: str) -> str:
    """The folder of the model that a work reads with."""
    if work == "activations-encdec":
        return str(ASSETS / "t5")
    long = work in ("activations-story", "surprisal-story")
    return str(ASSETS / ("gpt2-2048" if long else "gpt2-1024"))


def groups_of(work: str, tokenizer: Any) -> list[list[str]]:
    """The stimuli of a work, context group by context group."""
    parts = texts()
    if work.startswith("activations-story"):
        return [parts["fragments"]]
    if work in ("activations-passages", "activations-encdec"):
        return list(parts["passages"])
    if work == "surprisal-segments":
        return [part for story in parts["stories"] for part in segments(story, tokenizer)]
    return [parts["stories"][0]]


def segments(words: list[str], tokenizer: Any) -> list[list[str]]:
    """A story cut at word ends into pieces of at most `SEGMENT` tokens."""
    pieces: list[list[str]] = [[]]
    size = 0
    for word in words:
        n = len(tokenizer(f" {word}", add_special_tokens=False)["input_ids"])
        if size + n > SEGMENT:
            pieces.append([])
            size = 0
        pieces[-1].append(word)
        size += n
    return pieces


# Ours -----------------------------------------------------------------------------------------


def ours(work: str) -> dict[str, Any]:
    """Our side of a work."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
    import pandas as pd
    from brainalign.models.loading import load
    from brainalign.models.manifest import describe

    folder = model_of(work)
    source = {"type": "folder", "path": folder}
    described = describe(Path(folder), work, source, simulated=False, max_context=limit_of(work))
    model = load(described, "cpu", 1)
    groups = groups_of(work, model.tokenizer)
    stimuli = pd.DataFrame(
        {"stimulus_id": f"{group}.{index}", "text": text, "context_group": str(group)}
        for group, pieces in enumerate(groups)
        for index, text in enumerate(pieces)
    )
    rate = torch_rate()
    read = our_surprisal if work.startswith("surprisal") else our_activations
    result, operations = read(work, model, stimuli)
    if work == "activations-passages":  # the rows that the peer has read as well
        result["values"] = result["values"][stimuli["context_group"].astype(int) % EVERY == 0]
    if operations:
        result["limit_s"] = operations / max(rate, torch_rate())
    return result


def limit_of(work: str) -> int | None:
    """T5 has relative positions: longer passages than it was trained on are read whole, too."""
    return 2048 if work == "activations-encdec" else None


def our_activations(work: str, model: Any, stimuli: Any) -> tuple[dict[str, Any], float]:
    """Every layer of every stimulus into a file, as scripts/activations.py does it."""
    from brainalign.formats.activations import ActivationWriter, open_activations
    from brainalign.reading.activations import prepare
    from brainalign.reading.forward import batch_budget

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "activations.safetensors"
        ids = stimuli["stimulus_id"].tolist()
        with Measured() as cost:
            extraction = prepare(model, stimuli, "passage")
            with ActivationWriter(path, model.layers, ids, extraction.metadata, "") as writer:
                extraction.run(writer.write, done=writer.done)
                writer.finish()
        file = open_activations(path)
        values = np.stack([file.layer(name) for name in blocks(model.layers)], axis=1)
    result = cost.report(values)
    # The bound of memory: the weights, which are mapped and so come in as they are first read, and
    # twice what all hidden states of a batch would take.
    weights = sum(p.numel() * p.element_size() for p in model.model.parameters())
    states = batch_budget(model.device) * len(model.layers) * model.d_model * 4
    result["memory_limit_mb"] = (weights + 2 * states) / 2**20
    lengths = [len(sequence.ids) for sequence in extraction.sequences]
    flops = forward_flops if model.architecture == "decoder-only" else encoder_decoder_flops
    return result, flops(model, lengths)


def blocks(layers: tuple[str, ...]) -> list[str]:
    """The layers that the peers give: outputs of blocks (T5: transformers' hidden states)."""
    if "layer.1" in layers:
        return [name for name in layers if name.startswith("layer.")]
    return [name for name in layers if name not in ("encoder.6", "decoder.6")]


def our_surprisal(work: str, model: Any, stimuli: Any) -> tuple[dict[str, Any], float]:
    """Bits of every word; NaN where the peer's are of another text (beyond its window)."""
    from brainalign.reading.contexts import chains
    from brainalign.reading.sequences import plan
    from brainalign.reading.surprisal import word_surprisal

    bos = "tokenizer" if work == "surprisal-segments" else "none"
    with Measured() as cost:
        surprisal = word_surprisal(model, stimuli, "story", bos)
    values = surprisal["bits"].to_numpy(copy=True)
    values[surprisal["truncated"]] = np.nan
    limit = model.max_context - (bos == "tokenizer")
    laid = plan(chains(stimuli, "story"), model.tokenizer, limit, [""] * len(stimuli), share=True)
    head = 2 * model.model.config.vocab_size * model.d_model * int(laid.n_tokens.sum())
    lengths = [len(sequence.ids) for sequence in laid.sequences]
    return cost.report(values), forward_flops(model, lengths) + head


def forward_flops(model: Any, lengths: list[int]) -> float:
    """Operations of one pass over sequences: every token through all weights, causal attention."""
    weights = sum(p.numel() for n, p in model.model.named_parameters() if ".h." in n)
    layers = model.model.config.n_layer
    return float(sum(2 * weights * n + 2 * n * n * model.d_model * layers for n in lengths))


def encoder_decoder_flops(model: Any, lengths: list[int]) -> float:
    """The same for T5, whose encoder and decoder both read a sequence; only the decoder's attention
    to itself is causal.
    """
    config = model.model.config
    weights = sum(p.numel() for n, p in model.model.named_parameters() if ".block." in n)
    seen = 4 * config.num_layers + (2 + 4) * config.num_decoder_layers
    inner = config.num_heads * config.d_kv
    return float(sum(2 * weights * n + seen * n * n * inner for n in lengths))


def torch_rate() -> float:
    """Operations per second of torch's float32 matrix product on this machine."""
    import torch

    return matrix_rate(torch.randn)


# Peers ----------------------------------------------------------------------------------------


def peer(work: str) -> dict[str, Any]:
    """The peer's side of a work."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    import torch

    torch.set_num_threads(1)
    if work == "activations-encdec":
        return naive_loop(work)
    if work == "surprisal-segments":
        return minicons(work)
    return brainscore(work)


def tokenizer_of(folder: str) -> Any:
    """The tokenizer of a folder, whatever the version of transformers."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_file=f"{folder}/tokenizer.json", bos_token="<|endoftext|>",
        eos_token="<|endoftext|>", unk_token="<|endoftext|>", truncation_side="left",
        model_max_length=int(folder.rsplit("-", 1)[1]),
        model_input_names=["input_ids", "attention_mask"],  # as GPT-2's own has it
    )  # fmt: skip


def brainscore(work: str) -> dict[str, Any]:
    """HuggingfaceSubject: the outputs of all blocks, or reading times in bits."""
    from brainscore_language import ArtificialSubject
    from brainscore_language.model_helpers.huggingface import HuggingfaceSubject

    folder = model_of(work)
    tokenizer = tokenizer_of(folder)
    names = [f"transformer.h.{k}" for k in range(12)]
    target = ArtificialSubject.RecordingTarget.language_system
    subject = HuggingfaceSubject(
        model_id=folder, region_layer_mapping={target: names}, tokenizer=tokenizer
    )
    groups = groups_of(work, tokenizer)
    if work.startswith("surprisal"):
        subject.start_behavioral_task(ArtificialSubject.Task.reading_times)
        kind = "behavior"
    else:
        subject.start_neural_recording(target, ArtificialSubject.RecordingType.fMRI)
        kind = "neural"
    some = groups[::EVERY] if work == "activations-passages" else groups
    with Measured() as cost:
        assemblies = [subject.digest_text(np.array(group))[kind] for group in some]
    values = np.concatenate([assembly.values for assembly in assemblies])
    if kind == "neural":
        layer = [names.index(name) for name in assemblies[0]["layer"].values]
        order = np.lexsort((assemblies[0]["neuron_number_in_layer"].values, layer))
        values = values[:, order].reshape(len(values), len(names), -1)
    share = sum(map(len, some)) / sum(map(len, groups))
    return cost.report(values.astype(float), share)


def minicons(work: str) -> dict[str, Any]:
    """IncrementalLMScorer.word_score_tokenized over segments, BOS before each."""
    from minicons import scorer

    folder = model_of(work)
    tokenizer = tokenizer_of(folder)
    model = scorer.IncrementalLMScorer(folder, "cpu", tokenizer=tokenizer)
    pieces = [" ".join(words) for words in groups_of(work, tokenizer)]
    values = []
    with Measured() as cost:
        for k in range(0, len(pieces), BATCH):
            scored = model.word_score_tokenized(
                pieces[k : k + BATCH], tokenize_function=str.split, bos_token=True,
                surprisal=True, base_two=True,
            )  # fmt: skip
            values += [bits for words in scored for _, bits in words]
    return cost.report(values)


def naive_loop(work: str) -> dict[str, Any]:
    """One stimulus, one forward pass, its whole context; no language-model head."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = model_of(work)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    model.eval()
    values = []
    with torch.inference_mode(), Measured() as cost:
        for group in groups_of(work, tokenizer):
            for k in range(len(group)):
                inputs = tokenizer(" ".join(group[: k + 1]), return_tensors="pt")
                ids = inputs["input_ids"]
                start = torch.zeros((1, 1), dtype=torch.int64)
                output = model(
                    **inputs, decoder_input_ids=torch.cat([start, ids[:, :-1]], 1),
                    output_hidden_states=True,
                )  # fmt: skip
                encoder = [state[0, -2] for state in output.encoder_hidden_states]
                decoder = [state[0, -1] for state in output.decoder_hidden_states[1:]]
                values.append(torch.stack([*encoder, *decoder]).numpy())
    return cost.report(np.stack(values))


if __name__ == "__main__":
    side, what, target = sys.argv[1:]
    write((ours if side == "ours" else peer)(what), target)
