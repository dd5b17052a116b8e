"""Surprisal equals that of a naive loop over words, and minds its edges."""

from datetime import datetime

import numpy as np
import pytest
import torch
from brainalign.errors import InputError
from brainalign.reading.contexts import join
from brainalign.reading.prediction import mass_bits
from brainalign.reading.sequences import INSTRUCTION
from brainalign.reading.surprisal import word_surprisal
from eager_attention import eager
from worlds.extraction import extract
from worlds.families import crossed, every
from worlds.naive_reading import naive_text
from worlds.reading_models import CAUSAL, ENCODER_DECODER, stories, tiny, words


def bits_of(logits, tokens):
    """-log2 p of tokens, the first predicted by the first row of logits."""
    return -torch.log_softmax(logits.double(), -1)[range(len(tokens)), tokens].sum() / np.log(2)


def said_by_decoder(model, method, ids, n_scored, begin=()):
    """Bits of the last `n_own` of a text's tokens; the encoder reads `begin` before them."""
    scored, seen = ids[-n_scored:], ids[:-n_scored]
    end, start = model.tokenizer.eos_token_id, model.model.config.decoder_start_token_id
    sentinel = model.tokenizer.convert_tokens_to_ids("<extra_id_0>")
    encoder, decoder = {
        "prefix": ([*begin, *seen, end], [start, *scored]),
        "infilling": ([*begin, *seen, sentinel, end], [start, sentinel, *scored]),
        "teacher-forcing": ([*begin, end], [start, *ids]),
    }[method]
    with eager(model.model) as network:
        logits = network(
            input_ids=torch.tensor([encoder]), decoder_input_ids=torch.tensor([decoder])
        ).logits[0, -n_scored - 1 : -1]
    return bits_of(logits, scored)


def naive(model, stimuli, context, bos="none", method=None):
    """Bits per word: one forward pass per word, transformers' own logits."""
    tokenizer = model.tokenizer
    bits = []
    for row in range(len(stimuli)):
        before, text = naive_text(stimuli, row, context)
        encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        n_scored = sum(end > len(before) for _, end in encoded["offset_mapping"])
        adds_bos = tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id  # LLaMA's, not GPT-2's
        begins = bos == "tokenizer" or (bos == "default" and adds_bos)
        left = [tokenizer.bos_token_id] if begins else []
        if method is None:
            ids = left + encoded["input_ids"][-(model.max_context - len(left)) :]
            if len(ids) == n_scored:
                bits.append(np.nan)
                continue
            with eager(model.model) as network:
                logits = network(input_ids=torch.tensor([ids])).logits[0, -n_scored - 1 : -1]
            bits.append(bits_of(logits, ids[-n_scored:]))
            continue
        specials = 1 if method == "teacher-forcing" else 2
        ids = encoded["input_ids"][-(model.max_context - specials) :]
        bits.append(said_by_decoder(model, method, ids, n_scored))
    return np.array(bits, float)


@pytest.mark.parametrize(("name", "bos"), crossed(CAUSAL, "default", "none", "tokenizer"))
def test_equal_to_one_forward_per_word(name, bos):
    table = word_surprisal(tiny(name), words(), "story", bos)
    np.testing.assert_allclose(table["bits"], naive(tiny(name), words(), "story", bos), atol=1e-4)
    begins = tiny(name).tokenizer("a")["input_ids"][0] == tiny(name).tokenizer.bos_token_id
    first = 0 if bos == "tokenizer" or (bos == "default" and begins) else 2
    assert table["bits"].isna().sum() == first
    assert len(table) == len(words())


@pytest.mark.parametrize(("name", "context"), crossed(CAUSAL, "corpus", "window:3", "none"))
def test_equal_past_the_models_limit(name, context):
    model = tiny(name, 32)
    table = word_surprisal(model, words(), context, "tokenizer")
    np.testing.assert_allclose(
        table["bits"], naive(model, words(), context, "tokenizer"), atol=1e-4
    )
    if context == "corpus":
        assert table["truncated"].sum() > 30
        assert (table["context_tokens"] + table["n_tokens"])[table["truncated"]].eq(31).all()


@pytest.mark.parametrize("limit", [512, 32])
@pytest.mark.parametrize("method", ["prefix", "infilling", "teacher-forcing"])
@pytest.mark.parametrize("name", every(ENCODER_DECODER))
def test_encoder_decoder_methods_are_what_they_say(name, method, limit):
    model = tiny(name, limit)
    table = word_surprisal(model, words(), "story", method=method)
    np.testing.assert_allclose(
        table["bits"], naive(model, words(), "story", method=method), atol=1e-4
    )
    assert table["truncated"].any() == (limit == 32)


def test_stride_is_an_approximation_that_keeps_most_context():
    model = tiny("gpt2", 32)
    exact = word_surprisal(model, words(), "corpus", "tokenizer")
    near = word_surprisal(model, words(), "corpus", "tokenizer", stride=8)
    complete = ~exact["truncated"]
    np.testing.assert_allclose(near["bits"][complete], exact["bits"][complete], atol=1e-4)
    lost = exact["context_tokens"] - near["context_tokens"]
    assert lost.between(0, 8).all()
    assert lost.max() > 3


def test_batches_change_nothing():
    alone = word_surprisal(tiny("llama"), words(), "window:4", batch_tokens=1)
    together = word_surprisal(tiny("llama"), words(), "window:4", batch_tokens=10**6)
    np.testing.assert_allclose(alone["bits"], together["bits"], atol=1e-4)


def test_masked_models_have_none():
    with pytest.raises(InputError, match="masked"):
        word_surprisal(tiny("bert"), words(), "story")


def test_probabilities_that_are_not_finite_are_an_error():
    model = tiny.__wrapped__("gpt2")
    model.model.transformer.wpe.weight[20] = float("nan")
    with pytest.raises(InputError, match="no finite probability"):
        word_surprisal(model, words(), "story")


def test_what_is_done_again_for_lack_of_memory_counts_once(monkeypatch):
    """The memory ends after the words' own bits, before those of the ends of words."""
    model, stimuli = tiny("gpt2"), words()[lambda table: table["text"].str.isalpha()]
    expected = word_surprisal(model, stimuli, "story", "tokenizer", whitespace="trailing")["bits"]
    calls = []

    def full_at_first(*given):
        calls.append(1)
        if len(calls) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return mass_bits(*given)

    monkeypatch.setattr("brainalign.reading.prediction.mass_bits", full_at_first)
    actual = word_surprisal(model, stimuli, "story", "tokenizer", whitespace="trailing")["bits"]
    np.testing.assert_allclose(actual, expected, atol=1e-4)
    assert len(calls) > 2


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_trailing_whitespace_is_a_probability_of_complete_words(name):
    """p(tokens) p(end after) / p(end before), with every probability from transformers' logits."""
    model = tiny(name)
    stimuli = words()[lambda table: table["text"].str.isalpha()].reset_index(drop=True)
    leading = word_surprisal(model, stimuli, "corpus", "tokenizer")["bits"]
    trailing = word_surprisal(model, stimuli, "corpus", "tokenizer", whitespace="trailing")["bits"]
    tokenizer = model.tokenizer
    ids = [tokenizer.bos_token_id]
    space = "▁" if name == "llama" else "Ġ"
    ends = [
        token.startswith(space) or token in {*tokenizer.all_special_tokens, *"ĊĉčĠ▁"}
        for token in tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    ]
    mass = []
    for row in range(len(stimuli)):
        text = " ".join(stimuli["text"][: row + 1])
        ids = [tokenizer.bos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"]]
        p = torch.softmax(model.model(input_ids=torch.tensor([ids])).logits[0, -1].double(), 0)
        mass.append(-np.log2(float(p[torch.tensor(ends)].sum())))
    alone = torch.tensor([[tokenizer.bos_token_id]])
    p = torch.softmax(model.model(input_ids=alone).logits[0, -1].double(), 0)
    first = -np.log2(float(p[torch.tensor(ends)].sum())) if name == "llama" else 0.0
    expected = leading + np.array(mass) - np.array([first, *mass[:-1]])
    np.testing.assert_allclose(trailing, expected, atol=1e-4)


CHATS = {
    "plain": "{{ bos_token }}user: {{ messages[0]['content'] }}\nassistant:",
    "llama2": "{{ bos_token }}[INST] {{ messages[0]['content'] }} [/INST]",
    "chatml": "<|im_start|>user\n{{ messages[0]['content'] }}<|im_end|>\n",
    "dated": "Today: {{ strftime_now('%d %b %Y') }}\n\n{{ messages[0]['content'] }}",
}


@pytest.mark.parametrize("template", CHATS)
@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma"])
def test_chat_text_is_tokenised_as_the_template_renders_it(name, template, monkeypatch):
    model = tiny(name)
    monkeypatch.setattr(model.tokenizer, "chat_template", CHATS[template])
    stimuli = words()
    text = join(stimuli["text"][stimuli["context_group"] == stimuli["context_group"][0]].tolist())
    rendered = model.tokenizer.apply_chat_template(
        [{"role": "user", "content": text}], tokenize=False,
        strftime_now=lambda form: datetime(2024, 7, 26).strftime(form),
    )  # fmt: skip
    complete = rendered[: rendered.index(text) + len(text)]
    ids = model.tokenizer(complete, add_special_tokens=False)["input_ids"]
    table = word_surprisal(model, stimuli, "story", presentation="chat")
    of_group = table[stimuli["context_group"] == stimuli["context_group"][0]]
    n = int(of_group["n_tokens"].sum())
    logits = model.model(input_ids=torch.tensor([ids])).logits[0, :-1]
    each = [float(bits_of(logits[k : k + 1], ids[k + 1 : k + 2])) for k in range(len(ids) - 1)]
    expected = np.add.reduceat(each[-n:], np.cumsum([0, *of_group["n_tokens"][:-1]]))
    np.testing.assert_allclose(of_group["bits"], expected, atol=1e-4)
    _, metadata = extract(model, stories(), "story", presentation="chat")
    assert metadata["opening"] == rendered[: rendered.index(text)]


@pytest.mark.parametrize("bos", ["none", "tokenizer"])
@pytest.mark.parametrize("presentation", ["instruction", "prefix"])
@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma"])
def test_text_after_an_instruction_or_a_prefix_equals_one_forward_pass(name, presentation, bos):
    model = tiny(name)
    tokenizer = model.tokenizer
    stimuli = words()
    text = join(stimuli["text"][stimuli["context_group"] == stimuli["context_group"][0]].tolist())
    _, metadata = extract(model, stories(), "story", presentation=presentation, bos=bos)
    opening = metadata["opening"]
    asked = INSTRUCTION.strip()
    if presentation == "instruction":
        assert opening.strip() == asked
    else:  # as many tokens, and nothing of the instruction
        count = [
            len(tokenizer(part, add_special_tokens=False)["input_ids"])
            for part in (opening.strip(), asked)
        ]
        assert count[0] == count[1]
        assert not set(asked.split()) & set(opening.split()) - {"the"}
    begin = (
        [tokenizer.bos_token_id]
        if bos == "tokenizer" and tokenizer.bos_token_id is not None
        else []
    )
    ids = begin + tokenizer(opening + text, add_special_tokens=False)["input_ids"]
    table = word_surprisal(model, stimuli, "story", presentation=presentation, bos=bos)
    of_group = table[stimuli["context_group"] == stimuli["context_group"][0]]
    n = int(of_group["n_tokens"].sum())
    logits = model.model(input_ids=torch.tensor([ids])).logits[0, :-1]
    each = [float(bits_of(logits[k : k + 1], ids[k + 1 : k + 2])) for k in range(len(ids) - 1)]
    expected = np.add.reduceat(each[-n:], np.cumsum([0, *of_group["n_tokens"][:-1]]))
    np.testing.assert_allclose(of_group["bits"], expected, atol=1e-4)


@pytest.mark.parametrize("method", ["prefix", "infilling", "teacher-forcing"])
@pytest.mark.parametrize("presentation", ["instruction", "prefix"])
def test_an_encoder_reads_what_is_before_the_text(presentation, method):
    """The decoder says the word, or all words so far; one forward pass per word."""
    model = tiny("t5")
    tokenizer = model.tokenizer
    stimuli = words().iloc[:6]
    _, metadata = extract(model, stories(), "story", presentation=presentation)
    opening = metadata["opening"]
    begin = tokenizer(opening.strip(), add_special_tokens=False)["input_ids"]
    expected = []
    for row in range(len(stimuli)):
        before, text = naive_text(stimuli, row, "story")
        encoded = tokenizer(opening + text, add_special_tokens=False, return_offsets_mapping=True)
        ids = encoded["input_ids"][len(begin) :]
        offsets = encoded["offset_mapping"][len(begin) :]
        n_scored = sum(stop > len(opening + before) for _, stop in offsets)
        expected.append(said_by_decoder(model, method, ids, n_scored, begin))
    table = word_surprisal(model, stimuli, "story", method=method, presentation=presentation)
    np.testing.assert_allclose(table["bits"], np.array(expected, float), atol=1e-4)


@pytest.mark.parametrize(
    ("name", "presentation", "message"),
    [
        ("t5", "chat", "the model's tokenizer has no chat template"),
        ("gpt2", "shouted", "expected raw, chat, instruction, prefix"),
    ],
)
def test_a_presentation_that_cannot_be_is_refused(name, presentation, message):
    with pytest.raises(InputError, match=message):
        word_surprisal(tiny(name), words(), "story", presentation=presentation)


def test_logits_that_are_changed_by_more_than_is_known_are_refused(monkeypatch):
    """As Granite and Cohere do, whose logits are scaled."""
    model = tiny("llama")
    head = model.model.lm_head.forward
    monkeypatch.setattr(model.model.lm_head, "forward", lambda states: head(states) / 8)
    with pytest.raises(InputError, match="its logits are not what"):
        word_surprisal(model, words(), "story")


def test_a_word_longer_than_the_window_is_named():
    stimuli = words().iloc[:3].assign(text=["The", "lantern" * 9, "went"])
    with pytest.raises(InputError, match=r"stimulus w1 has \d+ tokens, the model reads at most 12"):
        word_surprisal(tiny("gpt2", 12), stimuli, "story")
