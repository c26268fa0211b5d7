"""The embedded base: what it was trained on, its tokenizer, and what is shipped."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest
from conftest import ROOT, TINY
from tests_support import domain_specs

import build_embedded_base as builder
from pipeline.embedded_base import pretraining_data as data
from pipeline.embedded_base import pretraining_groups, tiny_gemma
from pipeline.embedded_base.made_up_language import Manner, known_words, separators
from pipeline.embedded_base.made_up_schemas import ANDS, LINKS
from pipeline.errors import UserError
from pipeline.paths import EMBEDDED_BASE
from pipeline.requests.lacking import MISSING
from pipeline.schemas.dsl import reason_of
from pipeline.schemas.names import words_of
from pipeline.teachers.language import phrase_book
from pipeline.teachers.made_up_words import Words
from pipeline.teachers.schema_language import reserved

RECIPE = json.loads((ROOT / "config/embedded_base.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module", autouse=True)
def pieces_of_the_shipped_tokenizer(schema_rows):
    """Words are drawn as they were for the shipped base; those of `schema_rows` are drawn before."""
    from transformers import AutoTokenizer

    before = Words.pieces
    pretraining_groups.Encoder(AutoTokenizer.from_pretrained(EMBEDDED_BASE))
    assert len(Words.pieces) > 500
    yield
    Words.pieces = before


def sampled_texts(count: int = 150) -> str:
    parts = []
    for number in range(count):
        rng = random.Random(f"purity-{number}")
        documents = [
            make(rng, 3)
            for make in (
                data.schema_document,
                data.conditions_document,
                data.lookup_document,
                data.list_document,
                data.recall_document,
                data.instance_document,
                data.date_document,
                data.timed_rows,
            )
        ]
        documents += [data.pair_rows(rng, 3, form) for form in ("same", "other", "values")]
        documents += [data.name_rows(rng, 3), data.small_rows(rng, 3)]
        documents += [data.schema_document(rng, 3, short=True, refused=0.5, links=links) for links in (False, True)]
        for document in documents:
            for prompt, completion in document.rows:
                parts += [prompt, completion]
    return "\n".join(parts)


def test_pretraining_holds_no_shipped_name_value_or_sentence():
    text = sampled_texts().lower()
    shipped = set()
    for spec in domain_specs():
        for field in spec["fields"]:
            for said in (field, *field.get("values", [])):
                shipped |= {said["name"], *said["words"].values()}
    words = re.findall(r"\w+", text)
    said = {" ".join(words[at : at + size]) for size in range(1, 6) for at in range(len(words))}
    # short words may occur by chance among syllables
    likely = [name for name in shipped if len(name) > 7 and " ".join(re.findall(r"\w+", name.lower())) in said]
    assert not [name for name in likely if re.search(rf"\b{re.escape(name.lower())}\b", text)]
    for language in phrase_book().values():
        for frame in language["frames"]:
            words = re.sub(r"\{\w+\}", "", frame).strip(" ?:,")
            if len(words) > 8:
                assert words not in text
    assert '"refusal":{' in text
    assert not any(reason_of(kind) in text for kind in ("field", "value", "operator"))


def test_documents_are_the_same_for_the_same_seed():
    first, second = (data.schema_document(random.Random(5), 4).rows for _ in range(2))
    assert first == second
    assert first != data.schema_document(random.Random(6), 4).rows


def test_schema_documents_answer_with_instances_of_their_schema():
    from pipeline.schemas.asts import SchemaJudge

    for number in range(40):
        document = data.schema_document(random.Random(number), 3, short=number % 2 == 1)
        for prompt, completion in document.rows:
            schema = json.loads(re.search(r"^Schema: (.*)$", prompt, re.MULTILINE)[1])
            assert SchemaJudge(schema).validator.is_valid(json.loads(completion)), completion


def test_documents_of_any_schema_are_answered_in_its_order_whatever_the_request_s():
    from pipeline.schemas.asts import SchemaJudge

    refused = nested = reordered = 0
    for number in range(40):
        for prompt, completion in data.instance_document(random.Random(number), 3).rows:
            head, _, request = prompt.rpartition("\nRequest: ")
            schema = json.loads(re.search(r"^Schema: (.*)$", head, re.MULTILINE)[1])
            answer = json.loads(completion)
            assert SchemaJudge(schema).is_valid(answer), completion
            if "refusal" in answer:
                refused += 1
                continue
            names = [name for name in schema["anyOf"][0]["properties"] if name in answer]
            assert list(answer) == names
            nested += any(isinstance(value, dict) for value in answer.values())
            places = [request.lower().find(words_of(name)) for name in names]
            reordered += places != sorted(places)
    assert min(refused, nested, reordered) > 5, (refused, nested, reordered)


def test_documents_of_any_schema_say_other_words_for_names_where_descriptions_list_them_and_leave_names_out():
    from pipeline.schemas.dsl import said_for

    other = left_out = 0
    for number in range(60):
        for prompt, completion in data.instance_document(random.Random(number), 3, depth=0, refused=0.0).rows:
            schema = json.loads(re.search(r"^Schema: (.*)$", prompt, re.MULTILINE)[1])["anyOf"][0]
            request, _, named = prompt.rpartition("\nRequest: ")[2].lower().partition("\nnamed: ")
            for name in json.loads(completion):
                phrases = [*said_for(name, schema["properties"][name]), words_of(name), name.lower()]
                said = [phrase for phrase in phrases if phrase in request]
                other += said == phrases[:1] != [words_of(name)]
                left_out += not said
                assert name.lower() in named
    assert min(other, left_out) > 5, (other, left_out)


def test_what_stands_between_steps_is_in_the_schema_or_a_word_of_all_documents_that_the_teacher_does_not_say():
    words = separators(Words.pieces)
    assert len(words) > 90
    said = set(re.findall(r"\w+", json.dumps(phrase_book(), ensure_ascii=False)))
    assert not {part for text in words for part in re.findall(r"\w+", text)} & said
    several = {True: 0, False: 0}
    for number in range(60):
        for prompt, completion in data.schema_document(random.Random(number), 4, short=True).rows:
            head, _, request = prompt.rpartition("\nRequest: ")
            if len(json.loads(completion).get("steps", [])) > 1:
                schema = json.loads(re.search(r"^Schema: (.*)$", head, re.MULTILINE)[1])
                hints = schema["anyOf"][0]["properties"]["steps"].get("description", "")
                phrases = [hint.removesuffix(": step") for hint in hints.split(", ")] if hints else []
                assert any(f" {phrase} " in request for phrase in phrases) or (
                    not phrases and any(word in request for word in words)
                )
                several[bool(phrases)] += 1
    assert min(several.values()) > 5, several


def test_what_stands_around_values_are_words_of_all_documents_that_the_teacher_does_not_say():
    for known in (LINKS, ANDS):
        words = known_words(Words.pieces, *known)
        assert len(words) == known[1]
        assert not {part for text in words for part in text.split()} & reserved()


def test_the_mean_of_two_models_has_the_first_one_s_type_and_needs_the_same_shapes(tmp_path):
    import torch
    from safetensors.torch import save_file

    def folder(name: str, tensor: torch.Tensor) -> Path:
        (tmp_path / name).mkdir()
        save_file({"a": tensor}, tmp_path / name / "model.safetensors")
        return tmp_path / name

    first = folder("first", torch.tensor([1.0, 2.0], dtype=torch.bfloat16))
    mean = builder.mean_weights(first, folder("second", torch.tensor([3.0, 2.5])))["a"]
    assert mean.dtype == torch.bfloat16
    assert mean.tolist() == [2.0, 2.25]
    with pytest.raises(UserError, match="different shapes"):
        builder.mean_weights(first, folder("third", torch.zeros(3)))
    with pytest.raises(UserError, match="goes with --install"):
        builder.main(["--mean-with", str(first), "--output", str(tmp_path / "out")])


def test_keyed_rows_supervise_values_that_their_context_decides():
    for row, wanted in data.keyed_rows(random.Random(3), 2000, 20):
        assert wanted
        first = min(wanted)
        assert {row[at] for at in wanted} <= set(row[:first])


def test_lookups_are_answered_by_their_table():
    for form in ("same", "other", "values"):
        for prompt, completion in data.pair_rows(random.Random(4), 20, form).rows:
            table, _, request = prompt.rpartition("\nRequest: ")
            assert request
            for word in re.findall(r"\w+", completion):
                assert word in prompt, (form, prompt, completion)
            if form == "values":
                assert all(value in table for value in json.loads(completion))


def test_small_schemas_decide_every_name_and_the_described_ones_say_how():
    for described in (0.0, 1.0):
        for prompt, completion in data.small_rows(random.Random(7), 30, described=described).rows:
            table, _, request = prompt.rpartition("\n")
            assert request.startswith("Described request: " if described else "Request: ")
            for condition in json.loads(completion):
                assert ("description" in condition) == bool(described)
                assert json.dumps(condition["field"], ensure_ascii=False) in table
                if described:
                    values = condition["value"] if isinstance(condition["value"], list) else [condition["value"]]
                    spellings = {condition["field"], condition["operator"], *map(str, values)}
                    for looked_up in condition["description"].split(", "):
                        phrase, _, spelling = looked_up.partition(": ")
                        assert phrase in request
                        assert spelling in spellings | {str(value).lower() for value in values}


def test_a_time_span_is_answered_by_the_days_behind_it_and_conditions_by_the_schema_of_the_row():
    from jsonschema import Draft202012Validator

    spans = 0
    for prompt, answer in data.timed_rows(random.Random(5), 80).rows:
        table, today, request = prompt.split("\n")
        found = json.loads(answer)
        branches = [{"type": "object", "properties": branch} for branch in json.loads(table)]
        for condition in found["conditions"]:
            assert Draft202012Validator({"anyOf": branches}).is_valid(condition)
        shown = re.findall(r"\[(\S+) (\d\S+)\]", request)
        assert [(span["start"], span["end"]) for span in [found.get("timeframe")] if span] == shown
        for start, end in shown:
            spans += 1
            assert start <= end
            assert re.search(r"\d\d\d\d.*\[", request) or end <= today.split()[-1]
    assert 40 < spans < 80


def test_a_date_among_the_conditions_of_a_document_has_its_day_behind_it_as_in_a_prompt():
    from pipeline.requests.calendar import read_day

    dated = 0
    for prompt, answer in data.timed_rows(random.Random(6), 200).rows:
        request = prompt.rpartition("\nRequest: ")[2]
        shown = re.findall(r"(\S+(?: \S+){0,2}) \[(\d{4}-\d\d-\d\d)\]", request)
        for said, day in shown:
            words = said.split()
            assert day in [str(read_day(" ".join(words[at:]))) for at in range(len(words))]
        values = [condition["value"] for condition in json.loads(answer)["conditions"]]
        assert {day for _, day in shown} <= set(map(str, values))
        dated += len(shown)
    assert dated > 5


@pytest.mark.parametrize("kind", ["linked_small", "linked_picked", "linked_conditions", "linked_lists"])
def test_every_condition_of_a_document_with_links_has_its_field_in_brackets(kind):
    conditions = 0
    for number in range(20):
        for prompt, completion in pretraining_groups.DOCUMENTS[kind](random.Random(number), 4).rows:
            request = prompt.rpartition("equest: ")[2]
            for condition in json.loads(completion):
                assert f"[{condition['field']}" in request, request
                conditions += 1
    assert conditions > 80


def test_a_checked_answer_looks_up_to_what_is_missing_and_refuses_or_answers_as_the_unchecked_one():
    ends = {"missing": 0, "found": 0}
    for number in range(40):
        draw = lambda checked, number=number: data.small_rows(
            random.Random(number), 1, described=0.0, most=3, refused=0.5, checked=checked
        ).rows[0]
        (prompt, answer), (plain_prompt, plain_answer) = draw(1.0), draw(0.0)
        said, end = json.JSONDecoder().raw_decode(answer)
        assert prompt == plain_prompt.replace("\nRequest: ", "\nChecked Request: ")
        assert answer[end + 1 :] == plain_answer
        found = said["description"].split(", ") if said else []
        table = prompt.partition("\nChecked Request: ")[0]
        missing = [pair for pair in found if pair.endswith(f": {MISSING}")]
        assert missing == (found[-1:] if "refusal" in json.loads(plain_answer) else [])
        assert all(pair in table for pair in found if pair not in missing)
        ends["missing" if missing else "found"] += 1
    assert min(ends.values()) > 5, ends


def test_a_list_holds_each_of_its_items_once_and_each_is_said_and_picked_rows_have_many_lists_and_truth_values():
    kinds = {bool: 0, list: 0}
    for number in range(60):
        for prompt, answer in data.small_rows(random.Random(number), 2, (1, 2), described=0.0, picked=True).rows:
            table, _, request = prompt.rpartition("\nRequest: ")
            values = [condition["value"] for condition in json.loads(answer)]
            for value in values:
                kinds[type(value)] = kinds.get(type(value), 0) + 1
                if isinstance(value, list) and isinstance(value[0], str):
                    assert 2 <= len(value) == len(set(value))
                    hints = re.findall(r'"description":"([^"]*)"', table)
                    pairs = [pair.rsplit(": ", 1) for hint in hints for pair in hint.split(", ")]
                    said = [[item] + [phrase for phrase, name in pairs if name == item] for item in value]
                    assert all(any(phrase in request for phrase in phrases) for phrases in said)
    assert min(kinds[bool], kinds[list]) > 30, kinds


def test_a_phrase_of_an_operator_means_one_operator_of_its_field_wherever_it_stands():
    placed = {"before": 0, "after": 0}
    for number in range(60):
        rng = random.Random(number)
        words = Words(rng)
        manner = Manner(rng, words)
        for _ in range(4):
            field = manner.field()
            said = [way.key for ways in field.ways.values() for way in ways if way.key in field.spec.operator_hints]
            assert len(said) == len(set(said))
            for _ in range(4):
                text, condition, looked_up = manner.condition(words.more(), field)
                assert condition["operator"] in field.spec.operators.values()
                for phrase, spelling in looked_up.items():
                    assert phrase in text
                    assert spelling in {field.spec.name, condition["operator"], *field.spec.values, "true", "false"}
            for way in (way for ways in field.ways.values() for way in ways):
                placed["after" if way.after else "before"] += 1
    assert min(placed.values()) > 50, placed


def test_where_all_is_listed_a_schema_has_whatever_is_said_for_its_operators():
    said = 0
    for number in range(40):
        rng = random.Random(number)
        words = Words(rng)
        manner = Manner(rng, words, listed=True)
        for field in [manner.field() for _ in range(4)]:
            assert {way.key for ways in field.ways.values() for way in ways} <= set(field.spec.operator_hints)
            for _ in range(4):
                manner.left_out.clear()
                text, condition, looked_up = manner.condition(words.more(), field)
                whole = bool(manner.left_out) or (field.spec.type == "boolean" and len(looked_up) == 1)
                assert whole or condition["operator"] in looked_up.values(), text
                said += 1
    assert said == 640


def test_where_a_document_leaves_a_field_out_the_whole_condition_stands_behind_what_it_says():
    left_out = {"value": 0, "operator": 0}
    for number in range(60):
        for prompt, completion in data.conditions_document(random.Random(number), 4, links=True).rows:
            request = prompt.rpartition("\nRequest: ")[2]
            for condition in json.loads(completion):
                whole = f"[{condition['field']} {condition['operator']}"
                if f"[{condition['field']}]" not in request and not isinstance(condition["value"], bool):
                    assert whole in request, request
                    left_out["operator" if f"{whole}]" in request else "value"] += 1
    assert min(left_out.values()) > 10, left_out


def test_where_all_is_listed_most_missing_operators_are_marked_and_nothing_that_is_there():
    marked: dict[str, list[bool]] = {}
    for number in range(60):
        for prompt, completion in data.conditions_document(random.Random(number), 4, refused=0.5, links=True).rows:
            schema, request = prompt.removeprefix("Schema: ").split("\nRequest: ")
            answer = json.loads(completion)
            if "refusal" not in answer:
                marked.setdefault("program", []).append(f"[{MISSING}]" in request)
                continue
            kind, named = answer["refusal"]["reason"].split(" ", 1)
            marked.setdefault(kind, []).append(f"[{MISSING}]" in request)
            assert (f'"const":"{named}"' in schema) == (kind != "field")
            assert named in request
    assert sum(marked["program"]) <= 0.02 * len(marked["program"])
    assert sum(marked["operator"]) > 0.6 * len(marked["operator"]) > 10


def test_a_request_that_a_made_up_schema_cannot_say_holds_something_that_is_not_in_it():
    kinds = set()
    for number in range(60):
        (prompt, completion), *_ = data.small_rows(random.Random(number), 1, described=0.0, most=1, refused=1.0).rows
        kind, missing = json.loads(completion)["refusal"]["reason"].split(" ", 1)
        table, _, request = prompt.rpartition("\nRequest: ")
        kinds.add(kind)
        assert missing in request
        assert any(f"{before}{missing}: " in table for before in ('"', ", ")) == (kind == "operator")
    assert kinds == {"field", "value", "operator"}


def test_a_word_has_the_same_tokens_after_a_space_a_quote_and_a_dot(tiny_student):
    encode = lambda text: tiny_student.renderer.tokenizer(text, add_special_tokens=False)["input_ids"]
    for word in ("refunded", "pays", "orderCountry", "d\u00e9j\u00e0"):
        alone = encode(word)
        for before in (" ", '"', ".", '{"', "\n"):
            assert encode(before + word) == encode(before) + alone


@pytest.mark.parametrize(
    ("text", "pieces"),
    [("2024-02-29", "20 24 - 02 - 29"), ("1999", "19 99"), ("120", "1 20"), ("7", "7"), ("12.5", "12 . 5")],
)
def test_two_digits_are_a_token_and_a_year_begins_with_its_century(tiny_student, shipped, text, pieces):
    from transformers import AutoTokenizer

    for tokenizer in (tiny_student.renderer.tokenizer, AutoTokenizer.from_pretrained(shipped)):
        tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert [tokenizer.decode([token]) for token in tokens] == pieces.split()


@pytest.mark.parametrize("text", ["caf\u00e9 \u4f60\u597d \u00a0", 'a"b\\c', "l'\u00e9tat  x\n\n", "it's 12,5%"])
def test_text_survives_the_tokenizer(tiny_student, text):
    tokenizer = tiny_student.renderer.tokenizer
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


def test_a_prompt_has_one_bos_and_a_completion_ends_the_turn(tiny_student, schema_rows):
    renderer = tiny_student.renderer
    ids = renderer.request(schema_rows[0]["schema"], "x", "2024-03-17")
    assert ids[0] == renderer.tokenizer.bos_token_id
    assert ids.count(renderer.tokenizer.bos_token_id) == 1
    assert renderer.ast({"steps": []})[-1] == renderer.tokenizer.convert_tokens_to_ids("<end_of_turn>")


def test_training_and_use_see_the_same_tokens(tiny_student, schema_rows):
    from pipeline.requests.prompts import render_completion, render_prompt

    renderer, schema = tiny_student.renderer, schema_rows[0]["schema"]
    messages = render_prompt(schema, "a request", "2024-03-17")
    whole = renderer.tokenizer.apply_chat_template(messages + render_completion({"a": 1}), tokenize=False)
    whole_ids = renderer.tokenizer(whole, add_special_tokens=False)["input_ids"]
    mine = renderer.prompt(messages) + renderer.answer(render_completion({"a": 1}))
    assert whole_ids[: len(mine)] == mine
    assert renderer.request(schema, "a request", "2024-03-17") == renderer.prompt(messages)


def test_layers_added_to_a_model_change_nothing_until_they_are_trained(tiny_student):
    import torch

    model, tokenizer = tiny_student.model, tiny_student.renderer.tokenizer
    recipe = TINY | {"model": TINY["model"] | {"num_hidden_layers": 9}}
    deep = tiny_gemma.deepened(model, recipe, tokenizer)
    kinds = deep.config.layer_types
    assert (len(deep.model.layers), kinds[:6]) == (9, model.config.layer_types)
    ids = torch.arange(10, 90)[None]
    assert torch.equal(deep(ids).logits, model(ids).logits)
    deep(ids, labels=ids).loss.backward()
    for layer in deep.model.layers[6:]:
        assert layer.post_attention_layernorm.weight.grad.abs().max() > 0
    with pytest.raises(UserError, match="num_hidden_layers is 6 in the recipe and 9 in the model"):
        tiny_gemma.deepened(deep, TINY, tokenizer)
    for name, size, said in (
        ("hidden_size", 64, "hidden_size is 64 in the recipe"),
        ("num_hidden_layers", 12, "a full layer"),
    ):
        with pytest.raises(UserError, match=said):
            tiny_gemma.deepened(model, TINY | {"model": TINY["model"] | {name: size}}, tokenizer)


@pytest.mark.parametrize("shape", [(8, 24), (24, 8)])
def test_muon_makes_the_same_update_in_fp32_as_torch_does_in_bf16(shape, monkeypatch):
    import torch
    from torch.optim import _muon

    before = _muon._zeropower_via_newtonschulz
    monkeypatch.setattr(_muon, "_zeropower_via_newtonschulz", before)  # put back after the test
    monkeypatch.setattr(builder, "multiplies_bf16", lambda device: False)
    options = {"learning_rate": 0.1, "weight_decay": 0.0}
    made = []
    for patched in (False, True):
        torch.manual_seed(1)
        model = torch.nn.Linear(*shape[::-1])
        model.device = torch.device("cpu")
        muon = builder.optimizers_of(options, model)[0]
        if not patched:
            _muon._zeropower_via_newtonschulz = before
        start = model.weight.detach().clone()
        model.weight.grad = torch.randn(shape)
        muon.step()
        made.append(model.weight.detach() - start)
    assert not torch.equal(*made)
    assert (made[0] - made[1]).norm() < 0.05 * made[1].norm()


def test_the_builder_goes_on_from_its_checkpoint_and_ends(tmp_path, monkeypatch):
    from conftest import TINY

    options = RECIPE | TINY | {"groups_per_step": 1, "rows_per_group": 2, "evaluate_steps": 50, "checkpoint_minutes": 0}
    options["stages"] = [stage | {"steps": 2 if n < 3 else 1} for n, stage in enumerate(RECIPE["stages"])]
    real_advance, calls = builder.advance, []

    def interrupted(options, state):
        real_advance(options, state)
        calls.append(state["stage"])
        if len(calls) == 6:
            raise KeyboardInterrupt

    monkeypatch.setattr(builder, "advance", interrupted)
    with pytest.raises(KeyboardInterrupt):
        builder.train(options, tmp_path, "cpu", compiled=False, start=None)
    assert not (tmp_path / "model" / "model.safetensors").exists()
    builder.train(options, tmp_path, "cpu", compiled=False, start=None)
    assert len(calls) == sum(stage["steps"] for stage in options["stages"]) + 1
    assert (tmp_path / "model" / "model.safetensors").exists()
    assert json.loads((tmp_path / "model" / "tokenizer_config.json").read_text())["add_bos_token"] is True


def test_the_builder_goes_on_from_a_finished_model_with_the_stages_that_are_left(tiny_base, tmp_path):
    from conftest import TINY
    from safetensors.torch import load_file

    options = RECIPE | TINY | {"groups_per_step": 1, "rows_per_group": 2, "learning_rate": 0.0, "weight_decay": 0.0}
    options["stages"] = [{"name": name, "steps": 1, "mixture": {"small": 1.0}} for name in ("first", "second")]
    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps(options), encoding="utf-8")
    args = ["--config", str(recipe), "--output", str(tmp_path), "--start", str(tiny_base), "--from-stage"]
    with pytest.raises(builder.UserError, match="first, second"):
        builder.main([*args, "third"])
    builder.main([*args, "second"])
    assert [path.name for path in tmp_path.glob("after-*")] == ["after-second.pt"]
    before, after = (load_file(folder / "model.safetensors") for folder in (tiny_base, tmp_path / "model"))
    assert all(after[name].equal(before[name].to(after[name].dtype)) for name in after)
    assert (tmp_path / "model/tokenizer.json").read_bytes() == (tiny_base / "tokenizer.json").read_bytes()


@pytest.fixture
def shipped():
    assert EMBEDDED_BASE.exists(), "assets/embedded_base is part of the repository"
    return EMBEDDED_BASE


def test_the_shipped_base_is_small_safe_and_checked(shipped, tmp_path):
    import shutil

    from pipeline.errors import UserError
    from pipeline.students.student import check_embedded_base, locate_base

    assert sum(p.stat().st_size for p in shipped.iterdir()) <= 16 * 2**20
    assert locate_base("assets/embedded_base").resolve() == shipped
    copy = tmp_path / "base"
    shutil.copytree(shipped, copy)
    check_embedded_base(copy)
    with (copy / "model.safetensors").open("r+b") as file:
        file.seek(100_000)
        file.write(b"spoiled")
    with pytest.raises(UserError, match=r"model\.safetensors is not the file that was shipped"):
        check_embedded_base(copy)


def test_the_shipped_base_has_the_layout_that_ollama_runs(shipped):
    config = json.loads((shipped / "config.json").read_text(encoding="utf-8"))
    kinds = config["layer_types"]
    assert [kind == "full_attention" for kind in kinds] == [(i + 1) % 6 == 0 for i in range(len(kinds))]
    assert config["rope_parameters"]["full_attention"]["rope_theta"] == 1e6
    assert config["rope_parameters"]["sliding_attention"]["rope_theta"] == 1e4
    assert json.loads((shipped / "tokenizer_config.json").read_text(encoding="utf-8"))["add_bos_token"] is True
