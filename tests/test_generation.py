"""Grouped decoding answers as a plain loop does, row by row; grammars hold."""

from __future__ import annotations

import json
import random
from contextlib import suppress
from datetime import date

import pytest
import torch
from tests_support import dataset_options

from pipeline.schemas.asts import SchemaJudge
from pipeline.students.generation import generate
from pipeline.teachers.embedded_teacher import EmbeddedTeacher


def plain_greedy(model, prompt: list[int], end_ids: set[int], limit: int) -> list[int]:
    """The textbook loop: the whole sequence through the model for every token."""
    ids = list(prompt)
    for _ in range(limit):
        with torch.no_grad():
            token = int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax())
        if token in end_ids:
            break
        ids.append(token)
    return ids[len(prompt) :]


@pytest.fixture(scope="module")
def prompts(tiny_student, schema_rows):
    row = schema_rows[0]
    other = tiny_student.renderer.request(schema_rows[1]["schema"], "another schema beside them", "2024-01-02")
    queries = ["x", "show the records where something is longer than this", "one two three", "last month"]
    return [*(tiny_student.renderer.request(row["schema"], query, "2024-03-17") for query in queries), other]


def test_batched_answers_equal_single_ones_token_by_token(tiny_student, prompts):
    # prompts are longer than the sliding window of 48, of different lengths, so that padding and windows meet
    together = generate(tiny_student.model, prompts, end_ids=tiny_student.renderer.end_ids, max_new_tokens=24)
    for prompt, answer in zip(prompts, together, strict=True):
        assert answer.tokens == plain_greedy(tiny_student.model, prompt, tiny_student.renderer.end_ids, 24)


def test_prefixes_are_read_once_or_repeated_in_pieces_or_whole_with_the_same_answers(
    tiny_student, prompts, monkeypatch
):
    """Attention over a prefix kept once, over it in pieces of rows, and over copies of it (where Unsloth's is in
    place)."""
    from pipeline.students import generation

    run = lambda: generate(tiny_student.model, prompts, end_ids=set(), max_new_tokens=12)
    once = run()
    seen: list[bool] = []
    attend = generation._prefix_part
    monkeypatch.setattr(generation, "_prefix_part", lambda *a: (seen.append(True), attend(*a))[1])
    monkeypatch.setattr(generation, "MOST_SCORES", 1)
    assert run() == once
    pieces = len(seen)
    assert pieces >= 12 * len(prompts) * tiny_student.model.config.num_hidden_layers
    attention = type(tiny_student.model.model.layers[0].self_attn)
    monkeypatch.setattr(attention.forward, "__module__", "elsewhere")
    assert run() == once
    assert len(seen) == pieces


@pytest.mark.parametrize("prefix", [20, 200])
@pytest.mark.parametrize("own", [[3, 9, 40], [60, 120, 90]])
def test_hidden_states_are_those_of_single_rows_however_far_the_window_reaches(tiny_student, prefix, own, monkeypatch):
    """A window of 48: it sees a prefix whole, its end or nothing of it, from some of a row's positions or all."""
    from pipeline.students import generation

    rng = random.Random(f"{prefix}-{own}")
    draw = lambda count: [rng.randrange(100, 2000) for _ in range(count)]
    shared, body = draw(prefix), tiny_student.model.model
    assert body.config.sliding_window == 48
    monkeypatch.setattr(generation, "shared_beginnings", lambda prompts: [(0, 2, prefix), (2, 3, prefix + own[2] - 1)])
    prompts, new = [shared + draw(count) for count in own], [draw(count) for count in (1, 3, 30)]
    with torch.inference_mode(), generation._attending(body) as sharing:
        batch = generation._Batch(body, prompts, sharing)
        first, second = batch.start(prompts), batch.run(new)
        for row, prompt in enumerate(prompts):
            for mine, tokens in ((first, prompt), (second, prompt + new[row])):
                alone = body(input_ids=torch.tensor([tokens])).last_hidden_state[0, -1]
                torch.testing.assert_close(mine[row], alone, atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize("dtype, near", [(torch.float32, 1e-5), (torch.bfloat16, 0.03)])
@pytest.mark.parametrize("masked", [False, True])
def test_the_kernel_of_the_cpu_and_the_steps_that_other_devices_take_attend_alike(dtype, near, masked):
    from pipeline.students.generation import _attended, _attended_in_steps

    torch.manual_seed(0)
    draw = lambda *shape: torch.randn(shape).to(dtype)
    query, keys, values = draw(3, 2, 7, 64), draw(3, 2, 40, 64)[:, :, :33], draw(3, 2, 40, 64)[:, :, :33]
    hidden = torch.rand(3, 1, 7, 33) < 0.5
    hidden[..., 5] = False
    mask = torch.zeros(hidden.shape, dtype=dtype).masked_fill_(hidden, float("-inf")) if masked else None
    (out, total), (other, other_total) = (f(query / 8, keys, values, mask) for f in (_attended, _attended_in_steps))
    torch.testing.assert_close(out.float(), other.float(), atol=near, rtol=near)
    torch.testing.assert_close(total.float(), other_total.float(), atol=near, rtol=near)


def test_a_batch_on_a_device_without_a_kernel_of_its_own_has_the_same_answers(tiny_student, prompts, monkeypatch):
    from pipeline.students import generation

    run = lambda: generate(tiny_student.model, prompts, end_ids=set(), max_new_tokens=12)
    usual = run()
    monkeypatch.setattr(generation, "_attended", generation._attended_in_steps)
    assert run() == usual


@pytest.mark.parametrize("loaded", ["eager", "flex_attention"])
@pytest.mark.parametrize("whose", ["transformers.x", "elsewhere"])
def test_answers_are_the_same_whatever_attention_the_model_was_loaded_with(
    tiny_student, prompts, monkeypatch, loaded, whose
):
    usual = generate(tiny_student.model, prompts, end_ids=set(), max_new_tokens=12)
    attention = type(tiny_student.model.model.layers[0].self_attn)
    monkeypatch.setattr(attention.forward, "__module__", whose)
    monkeypatch.setattr(tiny_student.model.config, "_attn_implementation", loaded)
    assert generate(tiny_student.model, prompts, end_ids=set(), max_new_tokens=12) == usual
    assert tiny_student.model.config._attn_implementation == loaded


def test_prompts_run_beside_others_of_like_length_and_once_for_all_their_rows(tiny_student):
    rng = random.Random("prompts")
    draw = lambda count: [rng.randrange(100, 2000) for _ in range(count)]
    prefix = draw(900)
    prompts = [prefix + draw(count) for count in (401, 2, 400, 3)] * 3
    run = []
    hook = tiny_student.model.model.register_forward_pre_hook(
        lambda _, args, kwargs: run.append(kwargs["input_ids"].shape), with_kwargs=True
    )
    made = generate(tiny_student.model, prompts, end_ids=set(), max_new_tokens=6)
    hook.remove()
    assert sorted(run[:3]) == [(1, 900), (2, 3), (2, 401)]
    assert {shape[0] for shape in run[3:]} == {12}
    assert [answer.tokens for answer in made] == 3 * [
        plain_greedy(tiny_student.model, prompt, set(), 6) for prompt in prompts[:4]
    ]


def test_a_step_is_as_wide_as_leaves_little_padding():
    from pipeline.students.generation import MOST_FORCED, _step_width

    assert _step_width([1] * 48 + [12] * 48) == 2
    assert _step_width([12] * 48) == 12
    assert _step_width([99] * 3) == MOST_FORCED
    assert _step_width([1, 1]) == 1


def test_rows_that_end_leave_the_batch_and_the_others_go_on(tiny_student, prompts):
    plain = [plain_greedy(tiny_student.model, prompt, set(), 20) for prompt in prompts]
    ends = {plain[0][3], plain[1][9]}
    for tokens, answer in zip(
        plain, generate(tiny_student.model, prompts, end_ids=ends, max_new_tokens=20), strict=True
    ):
        cut = next((index for index, token in enumerate(tokens) if token in ends), None)
        assert answer.tokens == tokens[:cut]
        assert answer.ended == (cut is not None)


def test_an_answer_cut_at_the_limit_is_not_called_ended(tiny_student, prompts):
    for answer in generate(tiny_student.model, prompts, end_ids=set(), max_new_tokens=3):
        assert len(answer.tokens) == 3
        assert not answer.ended


def test_sampling_is_the_same_for_the_same_seed(tiny_student, prompts):
    def sample(seed: int):
        generator = torch.Generator().manual_seed(seed)
        return generate(
            tiny_student.model, prompts, end_ids=set(), max_new_tokens=8, temperature=1.0, generator=generator
        )

    assert sample(1) == sample(1)
    assert sample(1) != sample(2)


def test_constrained_answers_of_an_untrained_model_satisfy_the_schema(tiny_student):
    """A schema that leaves much open and no way to go on for ever, so that every answer ends."""
    from pipeline.students.evaluation import Answerer

    step = {
        "type": "object",
        "properties": {"kind": {"enum": ["sort", "limit", "skip"]}, "count": {"enum": [1, 20, 300]}},
        "required": ["kind", "count"],
        "additionalProperties": False,
    }
    schema = {
        "type": "object",
        "properties": {
            "steps": {"type": "array", "items": step, "minItems": 1, "maxItems": 3},
            "day": {"type": "string", "format": "date"},
            "code": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3}$"},
            "urgent": {"type": "boolean"},
        },
        "required": ["steps", "day", "code", "urgent"],
        "additionalProperties": False,
    }
    answerer = Answerer(tiny_student.model, tiny_student.renderer, max_new_tokens=120)
    rows = [{"query": f"request {index}", "current_date": "2024-03-17"} for index in range(8)]
    judge = SchemaJudge(schema)
    options = {"temperature": 1.0, "generator": torch.Generator().manual_seed(1)}
    made = answerer.answers([{"schema_id": "mine", "schema": schema}] * 8, rows, constrained=[True] * 8, **options)
    for answer in made:
        assert answer["ended"]
        assert answer["enforced"]
        assert judge.is_valid(json.loads(answer["text"]))
    assert len({answer["text"] for answer in made}) > 4
    assert not answerer.unenforced


def test_free_and_constrained_answers_of_one_batch_are_those_of_batches_of_their_own(tiny_student, schema_rows):
    from pipeline.students.evaluation import Answerer

    answerer = Answerer(tiny_student.model, tiny_student.renderer, max_new_tokens=40)
    rows = [{"query": f"request {index}", "current_date": "2024-03-17"} for index in range(4)]
    mine = [schema_rows[0]] * 2 + [schema_rows[1]] * 2
    flags = [False, True, True, False]
    together = answerer.answers(mine, rows, constrained=flags)
    for flag in (False, True):
        alone = answerer.answers(mine, rows, constrained=[flag] * 4)
        assert [a for a, f in zip(together, flags, strict=True) if f == flag] == [
            a for a, f in zip(alone, flags, strict=True) if f == flag
        ]


def test_a_bound_row_is_decoded_only_where_its_free_answer_leaves_the_grammar(monkeypatch):
    """The shipped base on hand-written requests: some of its free answers are instances of their schema, some are
    not."""
    from types import SimpleNamespace

    from pipeline.artifacts import read_jsonl
    from pipeline.paths import EMBEDDED_BASE
    from pipeline.students import generation
    from pipeline.students.evaluation import GOLD_REQUESTS, GOLD_SCHEMAS, Answerer, load_schemas
    from pipeline.students.student import Renderer, load_answering, load_tokenizer, place

    schemas, rows = load_schemas(GOLD_SCHEMAS), list(read_jsonl(GOLD_REQUESTS, ""))[:40]
    mine = [schemas[row["schema_id"]] for row in rows]
    options = SimpleNamespace(base_model=str(EMBEDDED_BASE), backend="auto", device="cpu", max_seq_length=2048)
    model = load_answering(options, place(options), None)
    answerer = Answerer(model, Renderer(load_tokenizer(options.base_model)), max_new_tokens=160)
    bound = answerer.answers(mine, rows, constrained=[True] * len(rows))
    decoded = []

    def counting(model, prompts, **options):
        decoded.append(len(prompts))
        return generate(model, prompts, **options)

    monkeypatch.setattr(generation, "generate", counting)
    both = answerer.answers(mine * 2, rows * 2, constrained=[False] * len(rows) + [True] * len(rows))
    assert [answer["text"] for answer in both[len(rows) :]] == [answer["text"] for answer in bound]
    assert all(answer["enforced"] for answer in both[len(rows) :])
    ended = [(row, json.loads(answer["text"])) for row, answer in zip(mine, bound, strict=True) if answer["ended"]]
    assert len(ended) > 0.8 * len(rows)
    assert all(SchemaJudge(row["schema"]).validator.is_valid(ast) for row, ast in ended)
    instances = 0
    for schema_row, answer in zip(mine, both, strict=False):
        with suppress(ValueError):
            instances += SchemaJudge(schema_row["schema"]).validator.is_valid(json.loads(answer["text"]))
    assert 0 < instances < len(rows)
    assert decoded == [len(rows), len(rows) - instances]


def test_forced_tokens_give_the_text_of_the_plain_constrained_loop(tiny_student, schema_rows, monkeypatch):
    """The same masks, one forward pass a token: forced tokens change the number of passes, not the text."""
    from pipeline.schemas.constraints import GrammarCompiler, GrammarConstraint

    end = next(iter(tiny_student.renderer.end_ids))
    compiler = GrammarCompiler(tiny_student.renderer.tokenizer, end)
    prompts = [
        tiny_student.renderer.request(schema_rows[0]["schema"], query, "2024-03-17")
        for query in ("a", "more of it", "b c")
    ]
    choices = {name: {"enum": [f"{name} first", f"{name} second"]} for name in ("alpha", "beta", "gamma")}
    schema = {"type": "object", "properties": choices, "required": list(choices), "additionalProperties": False}
    passes: list[int] = []
    tiny_student.model.model.register_forward_hook(lambda *_: passes.append(1))

    def texts() -> list[str]:
        passes.clear()
        limits = [compiler.constraint(schema) for _ in prompts]
        made = generate(
            tiny_student.model, prompts, end_ids=tiny_student.renderer.end_ids, max_new_tokens=60, constraints=limits
        )
        return [tiny_student.renderer.text(answer.tokens) for answer in made]

    fast, fast_passes = texts(), len(passes)
    monkeypatch.setattr(GrammarConstraint, "forced", lambda self: [])
    slow, slow_passes = texts(), len(passes)
    assert fast == slow
    assert fast_passes < 0.7 * slow_passes


def test_positions_make_the_masks_wherever_padding_lies():
    from types import SimpleNamespace

    from pipeline.students.generation import _masks

    columns = torch.tensor([[0, 1, -1, 2, 3]])
    masks = _masks(SimpleNamespace(sliding_window=2), columns, torch.tensor([[3]]))
    assert masks["full_attention"][0, 0, 0].tolist() == [True, True, False, True, True]
    assert masks["sliding_attention"][0, 0, 0].tolist() == [False, False, False, True, True]


def test_the_grammar_accepts_every_answer_of_the_teacher(tiny_student, schema_rows):
    from pipeline.schemas.constraints import GrammarCompiler

    end = next(iter(tiny_student.renderer.end_ids))
    compiler = GrammarCompiler(tiny_student.renderer.tokenizer, end)
    teacher = EmbeddedTeacher(dataset_options())
    for row in schema_rows[:12]:
        for query in teacher.write_queries(row, "fr", "2024-03-17", 6, "grammar"):
            assert date.fromisoformat(query.current_date)
            matcher = compiler.constraint(row["schema"]).matcher
            assert (
                matcher.validate_tokens(tiny_student.renderer.ast(query.expected)[:-1])
                == len(tiny_student.renderer.ast(query.expected)) - 1
            )


def test_a_merged_adapter_answers_as_it_does_beside_its_base(tiny_base, tiny_student, prompts, tmp_path):
    from types import SimpleNamespace

    from pipeline.students.student import (
        add_lora,
        causal_lm,
        load_answering,
        load_base,
        load_student,
        place,
        save_adapter,
    )

    student = SimpleNamespace(base_model=str(tiny_base), backend="transformers", device="cpu", max_seq_length=4096)
    placement = place(student)
    model = add_lora(load_base(student, placement), student, placement, rank=4, alpha=8.0, seed=0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.5)
    save_adapter(model, tiny_student.renderer.tokenizer, tmp_path / "adapter", student)
    merged = load_answering(student, placement, tmp_path / "adapter")
    assert not any("lora" in name for name, _ in merged.named_modules())
    answers = [
        generate(m, prompts, end_ids=set(), max_new_tokens=16)
        for m in (merged, causal_lm(load_student(student, placement, tmp_path / "adapter")).eval(), tiny_student.model)
    ]
    assert answers[0] == answers[1] != answers[2]
