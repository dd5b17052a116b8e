"""Pre-training and instruction tuning: masks, losses, determinism, checkpoints; tiny models."""

import numpy as np
import pytest
import torch
from brainalign.errors import InputError
from brainalign.models.loading import load
from brainalign.models.manifest import describe
from brainalign.settings import read
from brainalign.simulation.corpus import corpus
from brainalign.simulation.instructions import instructions
from brainalign.simulation.vocabulary import save_tokenizer, train_tokenizer
from brainalign.simulation.world import build_world
from brainalign.training.arms import course
from brainalign.training.labelling import IGNORED, encode
from brainalign.training.pretraining import (
    Masking,
    PackedText,
    corrupt,
    language_model_loss,
    pretrain,
    save_checkpoint,
    summary,
)  # fmt: skip
from brainalign.training.prompts import ALPACA, Example, example
from brainalign.training.samples import read_samples
from brainalign.training.settings import Checkpoint, Recipe
from transformers import PreTrainedTokenizerFast

SIZES = {"layers": 1, "width": 16, "heads": 2, "batch_tokens": 256, "learning_rate": 0.01}
ARCHITECTURES = ("decoder-only", "encoder-decoder")
RECIPE = Recipe(prompt="plain", samples=64, epochs=2, learning_rate=5e-3, batch_size=8)
SAMPLE = {"instruction": "Say {it}.", "input": "the {instruction}", "output": "merry"}


@pytest.fixture(scope="module")
def world():
    return build_world(1, 6)


@pytest.fixture(scope="module")
def documents(world):
    return corpus(world, 300, 25, 1)


@pytest.fixture(scope="module")
def samples(world):
    return instructions(world, 200, 5, 1)


@pytest.fixture(scope="module")
def tokenizer(documents, samples, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(train_tokenizer(documents, samples, ALPACA.values()), folder)
    return PreTrainedTokenizerFast.from_pretrained(folder)


@pytest.fixture(scope="module", params=ARCHITECTURES)
def trained(request, documents, tokenizer):
    return pretrain(
        documents, tokenizer, architecture=request.param, steps=30, seed=1, max_length=64, **SIZES
    )


def test_the_loss_falls_and_is_logged(trained):
    losses = trained.log["loss"]
    assert losses.tail(5).mean() < 0.9 * losses.iloc[0]
    assert summary(trained.log)["first_loss"] == losses.iloc[0]
    assert summary(trained.log)["tokens"] == trained.log["tokens"].iloc[-1]
    assert trained.log["tokens"].is_monotonic_increasing


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_equal_seeds_give_equal_weights(architecture, documents, tokenizer):
    first, same, other = (
        pretrain(
            documents, tokenizer, architecture=architecture, steps=3, seed=seed, max_length=64,
            **SIZES,
        ).model.state_dict()
        for seed in (1, 1, 2)
    )  # fmt: skip
    assert all(torch.equal(first[key], same[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


def test_sequences_start_at_documents_after_the_end_token(documents, tokenizer):
    batch = PackedText(documents, tokenizer).batch(20, 8, np.random.default_rng(0))
    assert (batch[:, 0] == tokenizer.eos_token_id).all()
    openings = {tuple(tokenizer(document)["input_ids"][:3]) for document in documents}
    assert all(tuple(row[1:4].tolist()) in openings for row in batch)


def test_decoder_loss_is_the_cross_entropy_of_next_tokens(documents, tokenizer):
    model = pretrain(
        documents, tokenizer, architecture="decoder-only", steps=1, seed=1, max_length=64, **SIZES
    ).model
    tokens = PackedText(documents, tokenizer).batch(4, 16, np.random.default_rng(0))
    with torch.no_grad():
        ours = language_model_loss(model, tokens, np.random.default_rng(0))
        logits = model(input_ids=tokens).logits[:, :-1]
    truth = torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
    assert ours.item() == pytest.approx(truth.item(), abs=1e-5)


def test_span_corruption_hides_salient_words_first_and_loses_nothing(documents, tokenizer):
    masking = Masking.of(tokenizer, ["red", "blue", "green", "black"])
    tokens = PackedText(documents, tokenizer).batch(50, 32, np.random.default_rng(0)).numpy()
    read, said = corrupt(tokens, masking, np.random.default_rng(1))
    hidden = read != tokens
    assert (hidden.sum(axis=1) == 4).all() and not hidden[:, 0].any()
    for row in range(len(tokens)):
        sentinels, words = said[row, 0::2], said[row, 1::2]
        assert tokenizer.convert_ids_to_tokens(sentinels) == [f"<extra_id_{i}>" for i in range(4)]
        restored = read[row].copy()
        for sentinel, word in zip(sentinels, words, strict=True):
            restored[restored == sentinel] = word
        assert (restored == tokens[row]).all()
        salient = np.isin(tokens[row], masking.salient)
        assert (salient & hidden[row]).sum() == min(4, salient.sum())


def test_span_corruption_needs_sentinels(documents, samples, tmp_path):
    plain = train_tokenizer(documents, samples)
    plain.save(str(tmp_path / "tokenizer.json"))
    text = (
        (tmp_path / "tokenizer.json").read_text(encoding="utf-8").replace("<extra_id_", "<other_")
    )
    (tmp_path / "tokenizer.json").write_text(text, encoding="utf-8")
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))
    with pytest.raises(InputError, match="no <extra_id_0>"):
        Masking.of(tokenizer, [])


def test_a_checkpoint_reloads_with_the_same_logits(trained, tokenizer, tmp_path):
    encdec = trained.model.config.is_encoder_decoder
    save_checkpoint(trained.model, tokenizer, tmp_path)
    manifest = describe(tmp_path, "it", {"type": "pretrain"}, simulated=True)
    assert manifest["architecture"] == ARCHITECTURES[encdec]
    assert manifest["parameters"] == trained.model.num_parameters()
    loaded = load(manifest, "cpu", 1)
    inputs = {"input_ids": torch.tensor([tokenizer("It is red.")["input_ids"]])}
    if encdec:
        inputs["decoder_input_ids"] = torch.tensor([[0, 5]])
    with torch.no_grad():
        torch.testing.assert_close(loaded.model(**inputs).logits, trained.model(**inputs).logits)
    assert loaded.tokenizer("It is red.")["input_ids"] == tokenizer("It is red.")["input_ids"]


@pytest.mark.parametrize(
    ("arm", "template", "has_input", "prompt"),
    [
        ("instruction", "plain", True, "Say {it}.\n\nthe {instruction}"),
        ("instruction", "plain", False, "Say {it}."),
        ("no-instruction", "plain", True, "the {instruction}"),
        ("no-instruction", "plain", False, ""),
        ("no-instruction", "alpaca", False, "### Response:"),
    ],
)
def test_prompts_keep_braces_of_samples_and_drop_the_instruction(arm, template, has_input, prompt):
    sample = SAMPLE if has_input else {**SAMPLE, "input": " "}
    made = example(sample, template, instructed=arm == "instruction")
    assert made.prompt == prompt
    assert made.response.strip() == "merry"


def test_alpacas_prompts_are_the_published_ones():
    made = example(SAMPLE, "alpaca")
    assert made == Example(
        "Below is an instruction that describes a task, paired with an input that provides further "
        "context. Write a response that appropriately completes the request.\n\n### Instruction:\n"
        "Say {it}.\n\n### Input:\nthe {instruction}\n\n### Response:",
        "merry",
    )


@pytest.mark.parametrize("template", ["alpaca", "plain"])
@pytest.mark.parametrize("arm", ["instruction", "no-instruction"])
def test_the_loss_is_on_the_response_token_by_token(tokenizer, samples, arm, template):
    for sample in samples[:30]:
        one = example(sample, template, instructed=arm == "instruction")
        encoded = encode(
            [one], tokenizer, encoder_decoder=False, max_length=512, loss_on="response"
        )
        (row,) = encoded.rows
        response = tokenizer(one.response)["input_ids"]
        prompt = tokenizer(one.prompt)["input_ids"]
        end = tokenizer.eos_token_id
        assert row["input_ids"] == [*prompt, *response, end]
        learned = [*[IGNORED] * len(prompt), *response, end]
        assert row["labels"] == [IGNORED, *learned[1:]]
        (row,) = encode([one], tokenizer, encoder_decoder=False, max_length=512, loss_on="all").rows
        assert row["labels"] == [IGNORED, *row["input_ids"][1:]]


def test_an_encoder_decoder_reads_the_prompt_and_writes_the_response(tokenizer):
    one = Example("What is the colour?", " red")
    (row,) = encode([one], tokenizer, encoder_decoder=True, max_length=64, loss_on="response").rows
    end = tokenizer.eos_token_id
    assert row["input_ids"] == tokenizer(one.prompt)["input_ids"]
    assert row["labels"] == [*tokenizer("red")["input_ids"], end]


def test_long_samples_are_counted_and_dropped_when_no_label_is_left(tokenizer):
    cut = Example("red blue", " red blue green")
    gone = Example("red " * 10, " red")
    full = Example("red", " blue")
    encoded = encode(
        [cut, gone, full], tokenizer, encoder_decoder=False, max_length=4, loss_on="response"
    )
    assert (encoded.truncated, encoded.unlearnable, encoded.origin) == (1, 1, [0, 2])
    assert len(encoded.rows[0]["input_ids"]) == 4
    encoded = encode(
        [cut, gone, full], tokenizer, encoder_decoder=False, max_length=4, too_long="drop"
    )
    assert (encoded.truncated, encoded.too_long, encoded.origin) == (0, 2, [2])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "not JSON"),
        ("{}", "expected a list"),
        ('[{"instruction": "Say it."}]', "sample 0 has no output"),
        ('[{"instruction": " ", "output": "it"}]', "sample 0 has no instruction"),
    ],
)
def test_bad_instruction_files_are_named(tmp_path, text, message):
    path = tmp_path / "instructions.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_samples(path)


def test_a_missing_instruction_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"absent\.json: cannot be read"):
        read_samples(tmp_path / "absent.json")


def test_an_empty_output_teaches_to_end_at_once(tokenizer, tmp_path):
    path = tmp_path / "instructions.json"
    path.write_text(
        '[{"instruction": "Say nothing.", "input": "", "output": ""}]', encoding="utf-8"
    )
    (sample,) = read_samples(path)
    (row,) = encode(
        [example(sample, "alpaca")],
        tokenizer,
        encoder_decoder=False,
        max_length=512,
        loss_on="response",
    ).rows
    assert [label for label in row["labels"] if label != IGNORED] == [tokenizer.eos_token_id]


def test_bad_recipes_and_sizes_are_named(documents, tokenizer, samples):
    with pytest.raises(InputError, match="unknown key"):
        read({"type": "tune", "of": "it", "epoch": 1}, Checkpoint, "source")
    assert (
        read({"type": "tune", "of": "it", "checkpoint": 3}, Checkpoint, "source").seen(100) == 300
    )
    with pytest.raises(InputError, match="loss_on"):
        read({"type": "tune", "of": "it", "loss_on": "prompt"}, Checkpoint, "source")
    with pytest.raises(
        InputError, match=r"source\.arm: 'other' is not allowed; allowed: continued"
    ):
        read({"type": "tune", "of": "it", "arm": "other"}, Checkpoint, "source")
    with pytest.raises(InputError, match="201 asked for and 0 held out, but the file has 200"):
        course(samples, Recipe(samples=201, batch_size=8), tokenizer, 1)
    with pytest.raises(InputError, match="fewer than a batch of 128"):
        course(samples, Recipe(samples=64), tokenizer, 1)
    with pytest.raises(InputError, match="width 15"):
        pretrain(
            documents, tokenizer, architecture="decoder-only", steps=1, seed=1,
            **{**SIZES, "width": 15},
        )  # fmt: skip
    with pytest.raises(InputError, match="architecture 'masked'"):
        pretrain(documents, tokenizer, architecture="masked", steps=1, seed=1, **SIZES)
