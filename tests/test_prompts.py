"""A prompt's token ids are those of its whole text, whatever is tokenized once for many rows; values keep their
worth."""

from __future__ import annotations

import json

import pytest
from conftest import TINY
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.requests.prompts import REQUEST, render_prompt
from pipeline.schemas.constraints import lets_through
from pipeline.schemas.json_text import minify
from pipeline.students.student import Renderer, load_tokenizer


@pytest.fixture(scope="module")
def renderers(tiny_base, tmp_path_factory):
    """Renderers of both kinds of tokenizer: byte-level BPE, and SentencePiece as the real Gemma has."""
    from sentencepiece_support import make_sentencepiece_base

    folder = tmp_path_factory.mktemp("sentencepiece")
    make_sentencepiece_base(folder, TINY)
    return [Renderer(load_tokenizer(str(base))) for base in (tiny_base, folder)]


def whole(renderer: Renderer, messages: list[dict[str, str]]) -> list[int]:
    text = renderer.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return renderer.tokenizer(text, add_special_tokens=False)["input_ids"]


@given(st.text(max_size=40), st.sampled_from([0, 1]))
@example("", 0)
@example(" a", 0)
@example("\nx", 1)
@example(REQUEST + "x", 0)
@example("<end_of_turn>\n", 1)
def test_a_prompt_has_the_tokens_of_its_whole_text(renderers, schema_rows, query, which):
    messages = render_prompt(schema_rows[which]["schema"], query, "2024-03-17")
    for renderer in renderers:
        assert renderer.prompt(messages) == whole(renderer, messages)


def test_the_prompt_states_the_current_date_and_the_days_of_what_the_request_says_of_time():
    content = render_prompt({}, "sold before 3 march 2024, last month", "2024-03-17")[0]["content"]
    head, _, request = content.partition(REQUEST)
    assert head.endswith("\nToday: sunday 2024-03-17")
    assert request == "sold before 3 march 2024 [2024-03-03], last month [2024-02-01 2024-02-29]"


def test_what_stands_before_the_request_is_tokenized_once(tiny_base, schema_rows, monkeypatch):
    renderer, sizes = Renderer(load_tokenizer(str(tiny_base))), []
    ids = renderer._ids
    monkeypatch.setattr(renderer, "_ids", lambda text: (sizes.append(len(text)), ids(text))[1])
    for number in range(8):
        renderer.request(schema_rows[0]["schema"], f"request {number}", "2024-03-17")
    assert sum(size > 500 for size in sizes) == 2  # the first row, whole and in parts
    for number in range(Renderer.most_heads + 1):
        renderer.request(schema_rows[0]["schema"], "x", f"20{number:02d}-01-01")
    assert len(renderer._heads) <= Renderer.most_heads


def test_a_tokenizer_that_merges_over_the_border_gets_whole_texts():
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    letters = sorted(set("ab" + REQUEST))
    vocabulary = {letter: number for number, letter in enumerate([*letters, "a\n"])}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.BPE(vocabulary, [("a", "\n")])), eos_token="b", pad_token="b"
    )
    tokenizer.chat_template = "{{ messages[0]['content'] }}"
    renderer = Renderer(tokenizer)
    for query in ("a", "b", "ab"):
        messages = [{"role": "user", "content": "ba" + REQUEST + query}]
        assert renderer.prompt(messages) == whole(renderer, messages)
        assert vocabulary["a\n"] in renderer.prompt(messages)


@given(st.recursive(st.floats(allow_nan=False, allow_infinity=False) | st.text('e-019."\\'), st.lists))
@example([1e-06, -2.5e-07, "1e-06", 'x\\"1e-07'])
def test_compact_json_keeps_every_value(value):
    assert json.loads(minify(value)) == value


@given(st.floats(1e-12, 9))
def test_a_grammar_with_bounds_lets_small_numbers_through_as_they_are_written(number):
    assert lets_through(minify({"type": "number", "minimum": 0, "maximum": 10}), number)


def test_rows_are_written_again_for_other_phrases_of_time_and_adapters_stay(monkeypatch, tmp_path):
    from pipeline.requests import prompts

    adapters, rows = prompts.form(), prompts.form_of_rows()
    others = tmp_path / "calendar.json"
    others.write_text(prompts.CALENDAR.read_text(encoding="utf-8").replace("today", "heute"), encoding="utf-8")
    monkeypatch.setattr(prompts, "CALENDAR", others)
    assert prompts.form() == adapters
    assert prompts.form_of_rows() != rows
