"""Tuning experiments: arms, tokens, exact resume, a plain loop as the truth; tiny models."""

import copy
import itertools
import json
import logging
import resource
import signal
from typing import get_args

import numpy as np
import pytest
import torch
from brainalign.errors import InputError
from brainalign.simulation.corpus import corpus
from brainalign.simulation.instructions import instructions
from brainalign.simulation.preferences import with_rejected
from brainalign.simulation.vocabulary import save_tokenizer, train_tokenizer
from brainalign.simulation.world import build_world
from brainalign.training import trainer
from brainalign.training.arms import course
from brainalign.training.labelling import IGNORED
from brainalign.training.lora import adapted
from brainalign.training.loss import collate
from brainalign.training.pretraining import PackedText, new_model
from brainalign.training.prompts import ALPACA
from brainalign.training.samples import read_samples
from brainalign.training.settings import Arm, Lora, Recipe
from brainalign.training.states import keep_state
from brainalign.training.trainer import Watch
from brainalign.training.tuning import tune
from msgspec import structs
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerFast
from worlds.tiny_checkpoints import network

ARCHITECTURES = ("decoder-only", "encoder-decoder")
RECIPE = Recipe(prompt="plain", samples=48, epochs=1, learning_rate=5e-3, batch_size=8, held_out=8)
STEPS = 6
TIMED = ["seconds", "tokens_per_second"]


@pytest.fixture(scope="module")
def samples():
    world = build_world(1, 6)
    drawn = with_rejected(instructions(world, 120, 5, 1), world, 1)
    return [{**sample, "history": ""} for sample in drawn]


@pytest.fixture(scope="module")
def tokenizer(samples, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    documents = corpus(build_world(1, 6), 200, 25, 1)
    save_tokenizer(train_tokenizer(documents, samples, ALPACA.values()), folder)
    return PreTrainedTokenizerFast.from_pretrained(folder)


@pytest.fixture(params=ARCHITECTURES)
def model(request, tokenizer):
    torch.manual_seed(0)
    return new_model(request.param, tokenizer, layers=1, width=16, heads=2, max_length=256)


def recipe(**changes):
    return structs.replace(RECIPE, **changes)


def lessons(samples, tokenizer, model=None, of=RECIPE, **options):
    encoder_decoder = bool(model is not None and model.config.is_encoder_decoder)
    return course(samples, of, tokenizer, 3, encoder_decoder=encoder_decoder, **options)


def equal(one, other):
    left, right = one.state_dict(), other.state_dict()
    return all(torch.equal(left[key], right[key]) for key in left)


def distinct_samples():
    """20 samples, no two with the same output."""
    words = ("red", "blue", "green")
    outputs = [" ".join(three) for three in itertools.product(words, repeat=3)][:20]
    return [
        {"instruction": f"Say {output}.", "input": "", "output": output, "history": ""}
        for output in outputs
    ]


def test_every_arm_reads_as_many_tokens_as_arm_instruction(samples, tokenizer, model):
    pace = lessons(samples, tokenizer, model)
    longest = 2 * max(sum(map(len, row.values())) for row in pace.rows)  # a pair is two
    for arm in ("no-instruction", "shuffled", "preference", "continued"):
        one = lessons(samples, tokenizer, model, recipe(arm=arm), documents=["It is red."] * 100)
        assert len(one.steps) == len(pace.steps) == STEPS
        assert (one.samples == pace.samples).all()
        assert np.abs(one.tokens - pace.tokens).max() <= longest  # after every single step
        assert one.held_out == pace.held_out
    assert (one.tokens == pace.tokens).all()  # continued: exactly
    assert [len(step) for step in one.steps] == [len(step) for step in pace.steps]
    counted = [
        sum(len(pace.rows[i]["input_ids"]) for i in step)
        + sum(len(pace.rows[i]["labels"]) for i in step) * model.config.is_encoder_decoder
        for step in pace.steps
    ]
    assert (np.cumsum(counted) == pace.tokens).all()


def test_micro_batches_change_nothing_of_what_an_arm_reads(tokenizer):
    uneven = [  # paired anew, a step may need fewer rows than a batch has
        {
            "instruction": "Say red.",
            "input": "red",
            "output": "red " * (1 + i**2 % 23),
            "history": "",
            "rejected": "blue " * (1 + i**3 % 5),
        }
        for i in range(48)
    ]
    for arm in get_args(Arm):
        for match in ("tokens", "samples"):
            full = recipe(arm=arm, match=match, batch_size=4, held_out=0)
            cut = structs.replace(full, micro_batch=1)
            steps = lessons(uneven, tokenizer, of=full).steps
            assert lessons(uneven, tokenizer, of=cut).steps == steps, arm
            if (arm, match) == ("shuffled", "tokens"):
                assert min(map(len, steps)) < full.batch_size


def test_arms_may_match_samples_as_the_paper_did(samples, tokenizer):
    pace = lessons(samples, tokenizer)
    one = lessons(samples, tokenizer, of=recipe(arm="no-instruction", match="samples"))
    assert one.steps == pace.steps
    assert one.tokens[-1] < pace.tokens[-1]


def test_shuffled_pairs_every_instruction_with_another_samples_output(tokenizer):
    asked = distinct_samples()
    drawn = recipe(samples=12, held_out=4, batch_size=4, match="samples")
    stated = lessons(asked, tokenizer, of=drawn)
    mixed = lessons(asked, tokenizer, of=structs.replace(drawn, arm="shuffled"))

    def answers(course):
        return ["".join(tokenizer.convert_ids_to_tokens(_said(row))) for row in course.rows]

    def prompts(course):
        return [row["input_ids"][: row["labels"].count(IGNORED)] for row in course.rows]

    assert prompts(mixed) == prompts(stated)
    assert sorted(answers(mixed)) == sorted(answers(stated))
    assert not any(a == b for a, b in zip(answers(mixed), answers(stated), strict=True))


def _said(row):
    return [label for label in row["labels"] if label != IGNORED]


def test_arm_continued_reads_running_text_on(samples, tokenizer):
    documents = ["It is red.", "The lamp is blue and old."] * 200
    one = lessons(samples, tokenizer, of=recipe(arm="continued"), documents=documents)
    read = [token for row in one.rows for token in row["input_ids"]]
    stream = PackedText(documents, tokenizer).stream[1:]  # it puts the end first, we put it last
    assert read[: len(stream)] == stream[: len(read)].tolist()
    assert all(row["labels"] == [IGNORED, *row["input_ids"][1:]] for row in one.rows)
    with pytest.raises(InputError, match="arm continued: 4 tokens of text, fewer than"):
        lessons(samples, tokenizer, of=recipe(arm="continued"), documents=["It is red"])


def test_samples_without_input_are_kept_or_dropped_by_name(samples, tokenizer):
    bare = sum(not sample["input"].strip() for sample in samples)
    every = recipe(samples=None, held_out=0, arm="no-instruction")
    kept = lessons(samples, tokenizer, of=every).facts["no-instruction_samples"]
    fewer = structs.replace(every, empty_input="drop")
    dropped = lessons(samples, tokenizer, of=fewer).facts["no-instruction_samples"]
    assert 0 < bare == kept - dropped


def test_held_out_samples_are_trained_on_by_no_arm(tokenizer):
    asked = distinct_samples()
    for arm in ("instruction", "no-instruction", "continued"):
        one = lessons(asked, tokenizer, of=recipe(arm=arm, samples=16, held_out=4, epochs=2))
        assert len(one.held_out) == 4
        held = {tuple(_said(row)) for row in one.held_out}
        assert not held & {tuple(_said(row)) for row in one.rows}


@pytest.mark.parametrize("micro_batch", [None, 2])
def test_losses_and_weights_are_those_of_a_plain_loop(
    model, samples, tokenizer, tmp_path, micro_batch
):
    drawn = recipe(held_out=0, micro_batch=micro_batch)
    one = lessons(samples, tokenizer, model, drawn)
    plain = copy.deepcopy(model).train()
    tuned = tune(model, one, drawn, 3, scratch=tmp_path / "s")
    optimizer = torch.optim.AdamW(plain.parameters(), lr=1.0, weight_decay=0.0)
    losses = []
    for number, step in enumerate(one.steps):
        rate = number if number < 1 else 0.5 * (1 + np.cos(np.pi * (number - 1) / (STEPS - 1)))
        optimizer.param_groups[0]["lr"] = drawn.learning_rate * rate
        batch = collate([one.rows[i] for i in step], plain)
        loss = plain(**batch).loss  # the model's own: mean over labels
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    np.testing.assert_allclose(tuned.log["loss"], losses, atol=1e-5)
    for ours, theirs in zip(tuned.model.parameters(), plain.parameters(), strict=True):
        # AdamW divides a gradient by its own size: near 0 it magnifies rounding.
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)
        if micro_batch is None:
            torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


def test_micro_batches_hold_rows_of_like_lengths(model, samples, tokenizer, tmp_path, monkeypatch):
    drawn = recipe(held_out=0, micro_batch=2)
    one = lessons(samples, tokenizer, model, drawn)
    read = []
    collated = trainer.collate
    monkeypatch.setattr(
        trainer, "collate", lambda rows, network: read.append(rows) or collated(rows, network)
    )
    tune(model, one, drawn, 3, scratch=tmp_path / "s")
    per_step = len(read) // STEPS
    for number, step in enumerate(one.steps):
        parts = read[number * per_step : (number + 1) * per_step]
        lengths = [sum(map(len, row.values())) for part in parts for row in part]
        assert lengths == sorted(sum(map(len, one.rows[i].values())) for i in step)
        assert len(set(lengths)) > 1


def test_gradients_are_those_of_a_plain_loop(model, samples, tokenizer, tmp_path, monkeypatch):
    """Of the first step, unclipped, summed over micro-batches."""
    from transformers import Trainer

    drawn = recipe(held_out=0, micro_batch=2)
    one = lessons(samples, tokenizer, model, drawn)
    plain = copy.deepcopy(model).train()
    plain(**collate([one.rows[i] for i in one.steps[0]], plain)).loss.backward()
    result = []

    class Seen(Exception):
        pass

    def look(self, *_):
        result.extend(p.grad.clone() for p in self.model.parameters())
        raise Seen

    monkeypatch.setattr(Trainer, "_clip_grad_norm", look)
    with pytest.raises(Seen):
        tune(model, one, drawn, 3, scratch=tmp_path / "s")
    for ours, theirs in zip(result, plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs.grad, atol=1e-5, rtol=0)


@pytest.mark.long
@pytest.mark.parametrize("arm", ["instruction", "preference"])
@pytest.mark.parametrize("lora", [None, Lora(rank=2, dropout=0.1)], ids=["full", "lora"])
def test_a_run_cut_at_a_checkpoint_or_killed_ends_with_the_same_weights(
    model, samples, tokenizer, tmp_path, monkeypatch, lora, arm
):
    drawn = recipe(arm=arm, lora=lora, learning_rate=0.05)
    one = lessons(samples, tokenizer, model, drawn)
    all_rows = tune(copy.deepcopy(model), one, drawn, 3, scratch=tmp_path / "whole")
    assert not equal(all_rows.model, model)
    if arm == "instruction":  # pairs are new at every step, and the rate is too high for them
        assert all_rows.log["loss"].iloc[-1] < all_rows.log["loss"].iloc[0]
    assert all_rows.log["step"].tolist() == list(range(1, STEPS + 1))
    assert all_rows.log.notna().all().all()

    first = tune(
        copy.deepcopy(model), one, drawn, 3, scratch=tmp_path / "first", until=2
    )  # fmt: skip
    keep_state(tmp_path / "first", tmp_path / "state", first.facts)
    assert (first.facts["steps"], first.facts["samples"]) == (2, 16)

    class Killed(Exception):
        pass

    end = Watch.on_step_end

    def kill(self, args, state, control, **kwargs):
        if state.global_step == 5:
            raise Killed
        return end(self, args, state, control, **kwargs)

    rest = {
        "scratch": tmp_path / "rest", "start": tmp_path / "state", "key": "this", "save_seconds": 0
    }  # fmt: skip
    monkeypatch.setattr(Watch, "on_step_end", kill)
    with pytest.raises(Killed):
        tune(copy.deepcopy(model), one, drawn, 3, **rest)
    assert (tmp_path / "rest" / "checkpoint-4" / "complete").exists()
    # A state that the kill cut short counts for nothing.
    (tmp_path / "rest" / "checkpoint-5").mkdir()
    monkeypatch.setattr(Watch, "on_step_end", end)
    last = tune(copy.deepcopy(model), one, drawn, 3, **rest)
    assert equal(last.model, all_rows.model)
    assert last.log.drop(columns=TIMED).equals(all_rows.log.drop(columns=TIMED))
    assert last.log["seconds"].is_monotonic_increasing
    keep_state(tmp_path / "rest", tmp_path / "end", last.facts)
    assert not (tmp_path / "rest").exists()
    assert [file.name for file in (tmp_path / "end").iterdir()] == ["trainer_state.json"]


def test_a_killed_run_of_another_recipe_is_begun_anew(samples, tokenizer, tmp_path):
    torch.manual_seed(0)
    model = new_model("decoder-only", tokenizer, layers=1, width=16, heads=2, max_length=256)
    one = lessons(samples, tokenizer)
    with pytest.raises(InputError, match="the checkpoint is after step 7, but the training has 6"):
        tune(model, one, RECIPE, 3, scratch=tmp_path / "s", until=7)
    stale = tmp_path / "s" / "checkpoint-4"
    stale.mkdir(parents=True)
    (stale / "complete").touch()
    (tmp_path / "s" / "training.json").write_text('"another"', encoding="utf-8")
    tuned = tune(model, one, RECIPE, 3, scratch=tmp_path / "s", key="this")
    assert tuned.log["step"].tolist() == list(range(1, STEPS + 1))


@pytest.mark.parametrize("file", ["model.safetensors", "optimizer.pt", "scheduler.pt"])
def test_a_damaged_state_is_one_error_that_names_it(file, samples, tokenizer, tmp_path):
    model = new_model("decoder-only", tokenizer, layers=1, width=16, heads=2, max_length=256)
    one = lessons(samples, tokenizer)
    start = tmp_path / "state"
    first = tune(copy.deepcopy(model), one, RECIPE, 3, scratch=tmp_path / "a", until=2)
    keep_state(tmp_path / "a", start, first.facts)
    (start / file).write_bytes((start / file).read_bytes()[:100])
    with pytest.raises(InputError, match=r"state: the state cannot be read .*remove it and run"):
        tune(copy.deepcopy(model), one, RECIPE, 3, scratch=tmp_path / "b", start=start)


def test_a_state_resumes_silently_where_the_head_is_tied_and_not_without_a_weight(
    samples, tokenizer, tmp_path, caplog, monkeypatch
):
    torch.manual_seed(0)
    model = new_model("encoder-decoder", tokenizer, layers=1, width=16, heads=2, max_length=256)
    assert model.config.tie_word_embeddings
    one, start = lessons(samples, tokenizer, model), tmp_path / "state"
    first = tune(copy.deepcopy(model), one, RECIPE, 3, scratch=tmp_path / "a", until=2)
    keep_state(tmp_path / "a", start, first.facts)
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    tune(copy.deepcopy(model), one, RECIPE, 3, scratch=tmp_path / "b", start=start)
    assert not [r.getMessage() for r in caplog.records if r.name.startswith("transformers")]
    weights = load_file(start / "model.safetensors")
    lost = next(name for name in weights if "SelfAttention.q" in name)
    save_file({name: w for name, w in weights.items() if name != lost}, start / "model.safetensors")
    with pytest.raises(InputError, match=f"state cannot be read .*another network's: {lost}"):
        tune(copy.deepcopy(model), one, RECIPE, 3, scratch=tmp_path / "c", start=start)


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_good_state(
    samples, tokenizer, tmp_path
):
    torch.manual_seed(0)
    model = new_model("decoder-only", tokenizer, layers=1, width=16, heads=2, max_length=256)
    wild = recipe(learning_rate=1e38)
    with pytest.raises(InputError, match=r"step \d of 6: the loss is nan at learning rate .*lower"):
        tune(model, lessons(samples, tokenizer), wild, 3, scratch=tmp_path, save_seconds=0)
    assert (tmp_path / "checkpoint-1" / "complete").exists()


def test_a_full_disk_is_one_error_and_the_last_good_state_is_kept(
    samples, tokenizer, tmp_path, monkeypatch
):
    torch.manual_seed(0)
    model = new_model("decoder-only", tokenizer, layers=1, width=16, heads=2, max_length=256)
    one = lessons(samples, tokenizer)
    complete = tune(copy.deepcopy(model), one, RECIPE, 3, scratch=tmp_path / "whole")
    end = Watch.on_step_end
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Files may not grow beyond 20 kB, as on a disk that is full.
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def fill(self, args, state, control, **kwargs):
        if state.global_step == 4:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, most))
        return end(self, args, state, control, **kwargs)

    monkeypatch.setattr(Watch, "on_step_end", fill)
    try:
        with pytest.raises(InputError, match=r"written after step 4 .*kept: .*-3"):
            tune(copy.deepcopy(model), one, RECIPE, 3, scratch=tmp_path / "s", save_seconds=0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, most))
        signal.signal(signal.SIGXFSZ, before)
    monkeypatch.setattr(Watch, "on_step_end", end)
    assert equal(
        tune(copy.deepcopy(model), one, RECIPE, 3, scratch=tmp_path / "s").model, complete.model
    )


def test_a_lora_target_that_the_architecture_lacks_is_named(model):
    with pytest.raises(InputError, match=r"has no module 'c_attn'; it has .*lm_head"):
        adapted(model, Lora(targets=("c_attn",)))


@pytest.mark.parametrize(
    ("kind", "target"),
    [("gpt2", "wte"), ("gpt2", "lm_head"), ("llama", "model.embed_tokens"), ("t5", "shared"),
     ("t5", "embed_tokens"), ("mt5", "lm_head")],
)  # fmt: skip
def test_a_lora_target_whose_matrix_is_tied_is_refused(kind, target):
    tied = network(kind, tie_word_embeddings=True)
    with pytest.raises(InputError, match=rf"'{target}' of \w+ has one matrix for .* and"):
        adapted(tied, Lora(targets=(target,)))


@pytest.mark.parametrize("target", ["lm_head", "embed_tokens", "all-linear"])
def test_merged_adapters_compute_what_the_network_with_them_did(target):
    model = network("llama", tie_word_embeddings=False)
    tuned = adapted(model, Lora(rank=2, targets=target if target == "all-linear" else (target,)))
    for parameter in tuned.parameters():
        if parameter.requires_grad:
            parameter.data += 0.3 * torch.randn_like(parameter)
    ids = torch.arange(5, 25)[None]
    with torch.no_grad():
        expected = tuned.eval()(input_ids=ids).logits
        merged = tuned.merge_and_unload()(input_ids=ids).logits
        assert (
            expected - network("llama", tie_word_embeddings=False)(ids).logits
        ).abs().max() > 0.1
    torch.testing.assert_close(merged, expected, rtol=1e-4, atol=1e-4)


def test_lora_trains_its_adapters_alone_and_is_merged(model, samples, tokenizer, tmp_path):
    drawn = recipe(lora=Lora(rank=2), learning_rate=0.05)
    before = copy.deepcopy(model)
    tuned = tune(model, lessons(samples, tokenizer, model, drawn), drawn, 3, scratch=tmp_path / "s")
    assert list(tuned.model.state_dict()) == list(before.state_dict())
    embeddings = [m.get_input_embeddings().weight for m in (before, tuned.model)]
    assert torch.equal(*embeddings)
    assert not equal(before, tuned.model)
    assert 0 < tuned.facts["trained_parameters"] < before.num_parameters()


def test_chats_become_a_sample_per_answer(tmp_path):
    path = tmp_path / "chats.jsonl"
    said = [("system", "Be brief."), ("user", "Hi {x}"), ("assistant", "Yo"), ("user", "Why?"),
            ("assistant", "")]  # fmt: skip
    chat = {"messages": [{"role": role, "content": content} for role, content in said]}
    path.write_text(
        json.dumps(chat) + "\n\n" + json.dumps({"messages": chat["messages"][1:3]}),
        encoding="utf-8",
    )
    first, second, third = read_samples(path)
    assert first == {
        "instruction": "Hi {x}", "input": "", "output": "Yo", "history": "Be brief."
    }  # fmt: skip
    assert second["history"] == "Be brief.\n\nHi {x}\n\nYo"
    assert (second["instruction"], second["output"]) == ("Why?", "")
    assert third["history"] == ""


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 1: not JSON"),
        ('{"text": "it"}', 'line 1: expected {"messages"'),
        ('{"messages": [{"role": "user", "content": "it"}]}', "take turns .* found user"),
        ('{"messages": [{"role": "bot", "content": "it"}]}', "each with role"),
        ('{"messages": []}', "found nothing"),
        ("", "there are no samples"),
    ],
)
def test_bad_chats_are_named_by_their_line(tmp_path, line, message):
    path = tmp_path / "chats.jsonl"
    path.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_samples(path)
