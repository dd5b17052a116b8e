"""Direct preference optimisation: the loss by hand, a plain loop, margins on held-out pairs."""

import copy
import json

import numpy as np
import pytest
import torch
from brainalign.errors import InputError
from brainalign.simulation.corpus import corpus
from brainalign.simulation.instructions import instructions
from brainalign.simulation.preferences import with_rejected
from brainalign.simulation.vocabulary import save_tokenizer, train_tokenizer
from brainalign.simulation.world import VALUES, build_world
from brainalign.training.arms import course
from brainalign.training.labelling import IGNORED
from brainalign.training.loss import collate, log_likelihoods, preference_loss
from brainalign.training.pretraining import new_model
from brainalign.training.prompts import ALPACA
from brainalign.training.samples import read_samples
from brainalign.training.settings import Recipe
from brainalign.training.tuning import tune
from msgspec import structs
from transformers import PreTrainedTokenizerFast

WORLD = build_world(1, 6)
RECIPE = Recipe(
    arm="preference", prompt="plain", samples=64, epochs=1, learning_rate=5e-3, batch_size=8,
    warm_up=0.0, match="samples", beta=0.5,
)  # fmt: skip


@pytest.fixture(scope="module")
def samples():
    drawn = with_rejected(instructions(WORLD, 400, 5, 1), WORLD, 1)
    return [{**sample, "history": ""} for sample in drawn if "rejected" in sample]


@pytest.fixture(scope="module")
def tokenizer(samples, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    documents = corpus(WORLD, 200, 25, 1)
    asked = [{key: sample[key] for key in ("instruction", "input", "output")} for sample in samples]
    save_tokenizer(train_tokenizer(documents, asked, ALPACA.values()), folder)
    return PreTrainedTokenizerFast.from_pretrained(folder)


@pytest.fixture(params=["decoder-only", "encoder-decoder"])
def model(request, tokenizer):
    torch.manual_seed(0)
    return new_model(request.param, tokenizer, layers=1, width=16, heads=2, max_length=256)


def lessons(samples, tokenizer, model, recipe=RECIPE):
    return course(
        samples, recipe, tokenizer, 3, encoder_decoder=model.config.is_encoder_decoder
    )  # fmt: skip


def margin(model, row):
    """log p(preferred) - log p(rejected) of one pair in numpy, one unpadded row at a time."""
    summed = []
    for ids, labels in (("input_ids", "labels"), ("rejected_ids", "rejected_labels")):
        said = np.array(row[labels])
        read = {"input_ids": torch.tensor([row[ids]])}
        if model.config.is_encoder_decoder:
            begun = [model.config.decoder_start_token_id, *row[labels][:-1]]
            read["decoder_input_ids"] = torch.tensor([begun])
        with torch.no_grad():
            logits = model(**read).logits[0].double().numpy()
        if not model.config.is_encoder_decoder:
            logits, said = logits[:-1], said[1:]
        odds = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        at = np.flatnonzero(said != IGNORED)
        summed.append(odds[at, said[at]].sum())
    return summed[0] - summed[1]


def losses_by_hand(model, base, rows, beta):
    drift = [margin(model, row) - margin(base, row) for row in rows]
    return np.log1p(np.exp(-beta * np.array(drift)))


def test_the_loss_is_the_papers(model, samples, tokenizer):
    rows = lessons(samples, tokenizer, model).rows[:6]
    base = copy.deepcopy(model)
    with torch.no_grad():
        for weights in model.parameters():
            weights += 0.3 * torch.randn(weights.shape)
    batch = collate(rows, model)
    labels = batch.pop("labels")
    shifted = not model.config.is_encoder_decoder
    margins = []
    for network in (model.eval(), base.eval()):
        with torch.no_grad():
            better, worse = log_likelihoods(network(**batch), labels, shifted).chunk(2)
        margins.append(better - worse)
        np.testing.assert_allclose(margins[-1], [margin(network, row) for row in rows], atol=1e-4)
    expected = losses_by_hand(model, base, rows, 0.5)
    np.testing.assert_allclose(preference_loss(*margins, 0.5), expected, rtol=1e-4)
    assert np.ptp(expected) > 0.01
    untrained = preference_loss(margins[1], margins[1], 0.5)
    np.testing.assert_allclose(untrained, np.log(2), rtol=1e-6)


@pytest.mark.parametrize("micro_batch", [None, 3])
def test_losses_and_weights_are_those_of_a_plain_loop(
    model, samples, tokenizer, tmp_path, micro_batch
):
    recipe = structs.replace(RECIPE, micro_batch=micro_batch, samples=36)  # the last step is short
    one = lessons(samples, tokenizer, model, recipe)
    assert [len(step) for step in one.steps] == [8, 8, 8, 8, 4]
    base, plain = copy.deepcopy(model).eval(), copy.deepcopy(model).train()
    tuned = tune(model, one, recipe, 3, scratch=tmp_path / "s")
    optimizer = torch.optim.AdamW(plain.parameters(), lr=1.0, weight_decay=0.0)
    shifted, logged = not plain.config.is_encoder_decoder, []
    for number, step in enumerate(one.steps):
        rate = 0.5 * (1 + np.cos(np.pi * number / len(one.steps)))
        optimizer.param_groups[0]["lr"] = recipe.learning_rate * rate
        rows = [one.rows[i] for i in step]
        logged.append(losses_by_hand(plain, base, rows, recipe.beta).mean())
        batch = collate(rows, plain)
        labels = batch.pop("labels")
        better, worse = log_likelihoods(plain(**batch), labels, shifted).chunk(2)
        of_base = torch.tensor([margin(base, row) for row in rows])
        drift = recipe.beta * (better - worse - of_base)
        loss = torch.log1p(torch.exp(-drift)).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
        optimizer.step()
    np.testing.assert_allclose(tuned.log["loss"], logged, atol=1e-4)
    assert logged[0] == pytest.approx(np.log(2), abs=1e-5)
    for ours, theirs in zip(tuned.model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=0)


def test_training_raises_the_margin_on_held_out_pairs(tokenizer, tmp_path):
    """Warm colours are preferred to cold ones, whatever the question. (Turned round, it falls.)"""
    rng = np.random.default_rng(0)
    things = rng.permutation([fact.thing for fact in WORLD.facts])
    pairs = [
        {
            "instruction": f"What is the colour of the {thing}?", "input": "", "history": "",
            "output": ("red", "yellow", "brown")[i % 3],
            "rejected": ("blue", "green", "grey")[i // 3 % 3],
        }
        for i, thing in enumerate(dict.fromkeys(things))
    ]  # fmt: skip
    turned = [
        {**pair, "output": pair["rejected"], "rejected": pair["output"]} for pair in pairs
    ]  # fmt: skip
    shown, recipe = 48, structs.replace(RECIPE, samples=48, epochs=2)
    for order, sign in ((pairs, 1), (turned, -1)):
        torch.manual_seed(0)
        model = new_model("decoder-only", tokenizer, layers=1, width=16, heads=2, max_length=256)
        base, one = copy.deepcopy(model), lessons(order[:shown], tokenizer, model, recipe)
        tuned = tune(model, one, recipe, 3, scratch=tmp_path / str(sign))
        every = structs.replace(RECIPE, samples=None, batch_size=1)
        held_out = lessons(pairs[shown:], tokenizer, model, every).rows
        rise = [sign * (margin(tuned.model, row) - margin(base, row)) for row in held_out]
        assert len(rise) == len(pairs) - shown > 20
        assert np.mean(np.array(rise) > 0) > 0.9


@pytest.mark.long
def test_after_instruction_tuning_it_raises_margins_of_held_out_simulated_pairs(
    tokenizer, tmp_path
):
    drawn = with_rejected(instructions(WORLD, 2600, 25, 1), WORLD, 1)
    samples = [{**sample, "history": ""} for sample in drawn]
    torch.manual_seed(0)
    model = new_model("decoder-only", tokenizer, layers=2, width=48, heads=4, max_length=256)
    stated = Recipe(prompt="plain", samples=1200, epochs=2, learning_rate=3e-3, batch_size=16)
    one = lessons(samples[:1200], tokenizer, model, stated)
    tuned = tune(model, one, stated, 3, scratch=tmp_path / "instruction").model
    base = copy.deepcopy(tuned)
    shown = structs.replace(
        RECIPE, samples=1000, learning_rate=5e-4, batch_size=16, beta=0.1, warm_up=0.03
    )
    two = lessons(samples[1200:2200], tokenizer, model, shown)
    preferring = tune(tuned, two, shown, 3, scratch=tmp_path / "preference").model
    every = structs.replace(RECIPE, samples=None, batch_size=1)
    held_out = lessons(samples[2200:], tokenizer, model, every).rows
    rise = np.array([margin(preferring, row) - margin(base, row) for row in held_out])
    assert len(rise) > 300
    assert rise.mean() > 3 * rise.std(ddof=1) / len(rise) ** 0.5


def test_samples_without_a_rejected_output_are_left_out(samples, tokenizer, model):
    mixed = [
        {key: value for key, value in sample.items() if key != "rejected" or i % 2}
        for i, sample in enumerate(samples[:64])
    ]
    one = lessons(mixed, tokenizer, model)
    assert len(one.rows) == 32 == one.facts["preference_samples"]
    assert one.facts["trained_samples"] == 64
    counted = [
        sum(label != IGNORED for key in ("labels", "rejected_labels") for label in row[key])
        for row in one.rows
    ]
    assert one.learned[-1] == sum(counted[i] for step in one.steps for i in step)
    bare = [{k: v for k, v in sample.items() if k != "rejected"} for sample in mixed]
    with pytest.raises(InputError, match=r"arm preference: no sample is usable .*`rejected`"):
        lessons(bare, tokenizer, model)


def test_several_processes_are_refused(samples, tokenizer, model, tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINALIGN_PROCESSES", "2")
    one = lessons(samples, tokenizer, model)
    with pytest.raises(InputError, match="arm preference is trained in one process"):
        tune(model, one, RECIPE, 3, scratch=tmp_path)


def test_simulated_pairs_have_a_wrong_answer_of_the_same_kind():
    drawn = instructions(WORLD, 2000, 5, 1)
    paired = with_rejected(drawn, WORLD, 1)
    without = [{k: v for k, v in sample.items() if k != "rejected"} for sample in paired]
    assert without == drawn
    asked = [sample for sample in paired if "rejected" in sample]
    telling = [s for s in paired if s["instruction"].startswith("Say something about")]
    assert len(asked) + len(telling) == len(drawn) and telling
    assert all(sample["rejected"] != sample["output"] for sample in asked)
    kinds = [*map(set, VALUES.values()), set("ABCD"), {"one", "two", "three", "four", "five"}]
    kinds.append({other for _, other, asked in WORLD.translations if not asked})
    for sample in asked:  # a fact has one value of its kind, so another of the kind is wrong
        assert any({sample["output"], sample["rejected"]} <= kind for kind in kinds)
    answers = {sample["output"] for sample in drawn}
    assert {sample["rejected"] for sample in asked} <= answers  # so the tokenizer knows it


def test_pairs_are_read_from_both_formats(tmp_path):
    row = {"instruction": "Say it.", "output": "red", "rejected": "blue"}
    path = tmp_path / "pairs.json"
    path.write_text(json.dumps([row, {**row, "rejected": None}]), encoding="utf-8")
    first, second = read_samples(path)
    assert first["rejected"] == "blue" and "rejected" not in second

    turns = [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]
    chat = {"messages": [{"role": r, "content": c} for r, c in turns], "rejected": "no"}
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps(chat) + "\n", encoding="utf-8")
    earlier, last = read_samples(path)
    assert "rejected" not in earlier and (last["output"], last["rejected"]) == ("d", "no")

    path = tmp_path / "bad.json"
    path.write_text(json.dumps([row | {"rejected": 3}]), encoding="utf-8")
    with pytest.raises(InputError, match="sample 0: rejected is 3, expected text"):
        read_samples(path)
