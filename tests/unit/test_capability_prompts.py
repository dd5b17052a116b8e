"""The published prompt, byte for byte, and tokens at the prompt's end."""

import pytest
from brainalign.capability.prompts import (
    Prompt,
    Prompter,
    instructeval_choice,
    instructeval_generation,
    instructeval_header,
)
from brainalign.errors import InputError
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from worlds import capability_world as world


def test_mmlu_prompt_byte_for_byte() -> None:
    """As InstructEval prints it: two spaces after "about", a blank line between questions."""
    shot = instructeval_choice("Two and two?", ["1", "2", "3", "4"], 3)
    asked = instructeval_choice(" Which one? ", ["a b", "c", "d", "e"], 0)
    text = instructeval_header("high_school_us_history") + shot.body + shot.answer + "\n\n"
    text += asked.body
    assert text == (
        "The following are multiple choice questions (with answers) about  high school us "
        "history.\n\nTwo and two?\nA. 1\nB. 2\nC. 3\nD. 4\nAnswer: D\n\n Which one? \nA. a b\n"
        "B. c\nC. d\nD. e\nAnswer:"
    )


def test_bbh_prompt_byte_for_byte() -> None:
    shot = instructeval_generation("not True is", "False")
    assert f"{shot.body}{shot.answer}\n\n" == "not True is\nAnswer: False\n\n"


def prompter(tokenizer: PreTrainedTokenizerFast, **options: bool) -> Prompter:
    return Prompter(tokenizer, **{"encoder_decoder": False, "chat": False, **options})


def test_a_token_across_the_prompts_end_is_given_to_the_answers() -> None:
    """A tokenizer that merges ": A": the colon leaves the prompt and begins every answer."""
    words = ["Answer", ":", " ", "A", "B", "C", ": A", ": ", "x", "\n"]
    merges = [(":", " "), (": ", "A")]
    vocabulary = {token: number for number, token in enumerate([*words, *"nswer"])}
    made = Tokenizer(models.BPE(vocabulary, merges))
    made.pre_tokenizer = pre_tokenizers.Split("\n", "isolated")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made)
    text = "x\nAnswer:"
    ids = tuple(tokenizer(text)["input_ids"])
    overlap, result = prompter(tokenizer).continuations(Prompt(ids, text, 0), [" A", " B"])
    assert overlap == 1
    assert result == [(vocabulary[": A"],), (vocabulary[": "], vocabulary["B"])]
    for answer, new in zip((" A", " B"), result, strict=True):
        assert ids[:-overlap] + new == tuple(tokenizer(text + answer)["input_ids"])


@pytest.mark.parametrize("kind", ["bytes", "begin", "split"])
def test_prompt_and_continuation_are_the_tokens_of_the_joined_text(kind: str) -> None:
    tokenizer = world.tokenizer(kind)
    made = prompter(tokenizer)
    prompt = made.prompt("Header.\n\n", [], "What holds the river?\nAnswer:", 99)
    for answer in (" A", " the heron tower", "Ä", "\n"):
        overlap, [new] = made.continuations(prompt, [answer])
        full = tokenizer(prompt.text + answer)["input_ids"]
        assert [*prompt.ids[: len(prompt.ids) - overlap], *new] == full


def test_a_decoder_reads_no_end_token_before_the_answer() -> None:
    tokenizer = world.tokenizer("end")
    assert tokenizer("x")["input_ids"][-1] == tokenizer.eos_token_id
    decoder = prompter(tokenizer).prompt("", [], "What?", 99)
    encoder = prompter(tokenizer, encoder_decoder=True).prompt("", [], "What?", 99)
    assert encoder.ids == (*decoder.ids, tokenizer.eos_token_id)


def test_an_answer_without_tokens_is_an_error() -> None:
    with pytest.raises(InputError, match="no token for the answer"):
        made = prompter(world.tokenizer("bytes"))
        made.continuations(made.prompt("", [], "What?", 99), [""])
