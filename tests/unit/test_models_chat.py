"""Chat templates: what a user's message becomes."""

from brainalign.models.chat import as_user
from worlds.tiny_checkpoints import tokenizer

TEMPLATE = (
    "On {{ strftime_now('%d %B %Y') }} a user said: {{ messages[0]['content'] }}"
    "{% if add_generation_prompt %} Reply:{% endif %}"
)


def test_a_template_that_tells_the_date_gives_the_same_on_every_day():
    made = tokenizer()
    made.chat_template = TEMPLATE
    assert as_user(made, "hello") == "On 26 July 2024 a user said: hello"
    assert as_user(made, "hello", answer=True) == "On 26 July 2024 a user said: hello Reply:"
