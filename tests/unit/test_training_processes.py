"""Training spread over processes (FSDP2), against the same training in one process."""

import json
import logging
import os
from dataclasses import replace

import pytest
import torch
from brainalign.errors import InputError
from brainalign.models.loading import empty
from brainalign.models.manifest import describe
from brainalign.settings import read
from brainalign.training import processes
from brainalign.training.pretraining import save_checkpoint
from brainalign.training.settings import Checkpoint
from brainalign.training.tuned_checkpoint import Training, write_checkpoint
from msgspec import structs
from safetensors.torch import load_file
from sharded_training import add, fail_in, write_on_cpus
from worlds.tiny_checkpoints import network, save, write

SOURCE = {
    "type": "tune", "of": "base", "arm": "instruction", "prompt": "plain", "batch_size": 6,
    "micro_batch": 2, "epochs": 1, "learning_rate": 1e-3, "max_length": 60, "held_out": 3,
}  # fmt: skip
NO_DROPOUT = {
    "llama": {}, "t5": {"dropout_rate": 0.0},
    "gpt2": dict.fromkeys(("attn_pdrop", "embd_pdrop", "resid_pdrop"), 0.0),
}  # fmt: skip
LORA = {"rank": 2, "alpha": 4, "targets": "all-linear"}


@pytest.fixture(scope="module")
def instructions(tmp_path_factory):
    file = tmp_path_factory.mktemp("samples") / "samples.json"
    words = ["the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog"]
    samples = [
        {"instruction": " ".join(words[: i % 7 + 2]), "input": "", "output": words[i % 9] * (i % 3)}
        for i in range(1, 31)
    ]
    file.write_text(json.dumps(samples), encoding="utf-8")
    return file


def training(kind, instructions, folder, **settings) -> Training:
    """A training of a tiny model of a family; `settings` change its source."""
    base = folder / "base"
    if not base.exists():
        write(kind, base, **NO_DROPOUT[kind])
    return Training(
        base=describe(base, kind, {"type": "folder"}, simulated=True),
        source=read({**SOURCE, **settings}, Checkpoint),
        seed=1, instructions=instructions, text=None, start=None,
        scratch=folder / "unfinished", code="", threads=1,
    )  # fmt: skip


def weights(folder) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


KINDS = {
    "untied": ("llama", {}), "tied": ("gpt2", {}), "tied, LoRA": ("gpt2", {"lora": LORA}),
    "encoder-decoder": ("t5", {}), "encoder-decoder, LoRA": ("t5", {"lora": LORA}),
}  # fmt: skip


@pytest.fixture(scope="module")
def shared(instructions, tmp_path_factory):
    """Name → folder, log and facts of trainings in two processes, which start once for all.

    Beside `KINDS` a training up to its half (`half`).
    """
    folder = tmp_path_factory.mktemp("shared")
    trainings = {
        name: training(kind, instructions, folder / f"{name}-base", **settings)
        for name, (kind, settings) in KINDS.items()
    }
    trainings["half"] = training("llama", instructions, folder / "half-base", checkpoint=12)
    folders = [folder / name for name in trainings]
    made = processes.run(write_on_cpus, 2, list(trainings.values()), folders)
    return {
        name: (trainings[name], folder / name, *result)
        for name, result in zip(trainings, made, strict=True)
    }


@pytest.mark.long
@pytest.mark.parametrize("name", KINDS)
def test_two_processes_train_as_one(name, shared, instructions, tmp_path):
    kind, settings = KINDS[name]
    alone = training(kind, instructions, tmp_path / "alone", **settings)
    log, facts = write_checkpoint(alone, tmp_path / "a")
    _, shared_folder, shared_log, shared_facts = shared[name]
    for key in ("loss", "learning_rate", "held_out_loss", "tokens"):
        assert shared_log[key].to_numpy() == pytest.approx(
            log[key].to_numpy(), abs=1e-4, nan_ok=True
        )
    floats = {"held_out_loss", "first_loss", "last_loss", "checked_loss", "checkpoint_loss"}
    for each in (facts, shared_facts):
        assert each["checkpoint_loss"] == pytest.approx(each["checked_loss"], abs=1e-5)
    assert {k: v for k, v in facts.items() if k not in floats} == {
        k: v for k, v in shared_facts.items() if k not in floats
    }
    for file in ("config.json", "generation_config.json"):
        assert (shared_folder / file).read_text() == (tmp_path / "a" / file).read_text()
    expected, result = weights(tmp_path / "a"), weights(shared_folder)
    assert expected.keys() == result.keys()
    before = weights(tmp_path / "alone" / "base")
    assert any((expected[name] - before[name]).abs().max() > 1e-3 for name in before)
    for name, values in expected.items():
        # AdamW magnifies rounding where a gradient is 0, as that of keys' biases.
        torch.testing.assert_close(result[name], values, atol=1e-4, rtol=1e-4)


def test_a_checkpoint_that_is_not_what_was_trained_is_an_error(instructions, tmp_path, monkeypatch):
    def altered(model, tokenizer, folder):
        with torch.no_grad():
            model.lm_head.weight *= 3
        save_checkpoint(model, tokenizer, folder)

    monkeypatch.setattr("brainalign.training.tuned_checkpoint.save_checkpoint", altered)
    with pytest.raises(InputError, match="it is not what was trained"):
        write_checkpoint(training("llama", instructions, tmp_path / "t"), tmp_path / "a")


def test_a_t5_with_a_separate_head_is_trained_in_one_process(instructions, tmp_path, monkeypatch):
    model = network("t5", tie_word_embeddings=False)
    model.lm_head.weight = torch.nn.Parameter(0.1 * torch.randn_like(model.lm_head.weight))
    save(model, tmp_path / "t" / "base")
    one = training("t5", instructions, tmp_path / "t")
    write_checkpoint(one, tmp_path / "a")
    head, embeddings = (weights(tmp_path / "a")[f"{name}.weight"] for name in ("lm_head", "shared"))
    assert not torch.equal(head, embeddings)
    empty_one = empty(one.base)
    assert empty_one.lm_head.weight is not empty_one.shared.weight
    monkeypatch.setattr(processes, "count", lambda: 2)
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(InputError, match=r"a separate head .* give the job one"):
        write_checkpoint(one, tmp_path / "b")


@pytest.mark.parametrize("kind", ["llama", "t5"])
def test_a_last_step_of_fewer_samples_than_micro_batches(kind, instructions, tmp_path):
    full = training(kind, instructions, tmp_path / "whole", batch_size=26, micro_batch=None)
    parts = training(kind, instructions, tmp_path / "parts", batch_size=26, micro_batch=5)
    log, _ = write_checkpoint(full, tmp_path / "a")
    parts_log, _ = write_checkpoint(parts, tmp_path / "b")
    assert log["samples"].to_list() == [26, 27]
    assert parts_log["loss"].to_numpy() == pytest.approx(log["loss"].to_numpy(), abs=1e-5)
    expected, result = weights(tmp_path / "a"), weights(tmp_path / "b")
    for name, values in expected.items():
        torch.testing.assert_close(result[name], values, atol=1e-5, rtol=1e-4)


@pytest.mark.long
def test_a_training_over_processes_goes_on_where_it_was_stopped(shared, tmp_path):
    _, complete, complete_log, _ = shared["untied"]
    first, _, _, facts = shared["half"]
    rest = replace(
        first,
        source=structs.replace(first.source, checkpoint=0),
        start=first.scratch / f"checkpoint-{facts['steps']}",
        scratch=tmp_path / "rest",
    )
    ((log, _),) = processes.run(write_on_cpus, 2, [rest], [tmp_path / "b"])
    assert len(log) == len(complete_log) == 5
    expected, result = weights(complete), weights(tmp_path / "b")
    assert all(torch.equal(expected[name], result[name]) for name in expected)


def test_states_of_other_samples_are_not_gone_on_from(instructions, tmp_path):
    samples = tmp_path / "samples.json"
    keys = []
    for output in ("fox", "dog", "fox"):
        read = json.loads(instructions.read_text(encoding="utf-8"))
        samples.write_text(
            json.dumps([dict(sample, output=output) for sample in read]), encoding="utf-8"
        )
        short = replace(training("llama", instructions, tmp_path), instructions=samples)
        write_checkpoint(
            replace(short, source=structs.replace(short.source, checkpoint=12)), tmp_path / output
        )
        keys.append((short.scratch / "training.json").read_text(encoding="utf-8"))
    assert keys[0] == keys[2] != keys[1]


@pytest.mark.long
def test_several_processes_do_not_go_on_from_the_state_of_one(instructions, tmp_path):
    complete = training("llama", instructions, tmp_path)
    _, facts = write_checkpoint(
        replace(complete, source=structs.replace(complete.source, checkpoint=12)), tmp_path / "half"
    )
    rest = replace(complete, start=complete.scratch / f"checkpoint-{facts['steps']}")
    rest = replace(rest, scratch=tmp_path / "rest")
    with pytest.raises(InputError, match="nor several from that of one; there are 2 now"):
        processes.run(write_on_cpus, 2, [rest], [tmp_path / "b"])


def test_a_clusters_variables_make_no_processes(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "8")
    monkeypatch.setenv("RANK", "3")
    assert processes.count() == 1 and processes.is_first()


def test_the_first_answers_and_its_log_is_ours(monkeypatch):
    said: list[str] = []
    log, handler = logging.getLogger("brainalign"), logging.Handler()
    monkeypatch.setattr(handler, "emit", lambda record: said.append(record.getMessage()))
    monkeypatch.setattr(log, "handlers", [handler])
    before = dict(os.environ)
    assert processes.run(add, 2, 1, 2) == 3
    assert said == ["process 0 of 2"]
    assert dict(os.environ) == before


@pytest.mark.long
@pytest.mark.parametrize("rank", [0, 1])
def test_the_error_of_one_ends_all(rank):
    with pytest.raises(InputError, match=f"^process {rank} found a fault$"):
        processes.run(fail_in, 2, rank)


def test_one_process_is_this_one():
    assert processes.run(os.getpid, 1) == processes.run(os.getpid, 0) == os.getpid()
