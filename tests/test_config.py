"""Options: every shipped config loads, every mistake is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import ROOT
from jsonschema import Draft202012Validator

from pipeline.config import (
    DEFAULTS,
    chain_sections,
    complete_sections,
    flag_of,
    load_sections,
    option_schema,
    parse_options,
)
from pipeline.errors import UserError

SHIPPED = [ROOT / "config" / name for name in ("defaults.json", "offline.json")]


@pytest.fixture(autouse=True)
def no_outside_settings(monkeypatch):
    for name in ("LLM_MODEL", "OLLAMA_HOST"):
        monkeypatch.delenv(name, raising=False)


def write(folder: Path, value) -> Path:
    path = folder / "config.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.name)
def test_shipped_configs_are_complete_and_valid(path):
    sections = complete_sections(path)
    known = option_schema()["properties"]
    assert {s: set(v) for s, v in sections.items()} == {s: set(v["properties"]) for s, v in known.items()}


def test_defaults_name_every_option_once_and_offline_only_what_differs():
    defaults = load_sections(DEFAULTS)
    own = json.loads(SHIPPED[1].read_text(encoding="utf-8"))
    own.pop("extends")
    for section, values in own.items():
        for key, value in values.items():
            assert defaults[section][key] != value, f"{section}.{key} repeats the default"


def test_option_schema_is_a_schema_with_a_meaning_for_every_key():
    for section in option_schema()["properties"].values():
        for spec in section["properties"].values():
            Draft202012Validator.check_schema(spec)
            assert spec["description"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"runn": {}}, "unknown section 'runn'"),
        ({"run": {"sed": 1}}, "unknown key run.sed"),
        ({"run": {"seed": "x"}}, "run.seed"),
        ({"run": {"seed": -1}}, "at least 0"),
        ({"teacher": {"kind": "human"}}, "one of ollama, embedded"),
        ({"run": {"languages": ["de"]}}, "run.languages"),
        ({"run": {"name": "../up"}}, "run.name"),
        ({"run": []}, "not an object"),
        ([1], "not a JSON object"),
        ('{"run": {},\n oops}', "line 2"),
        ({"extends": "missing.json"}, "does not exist"),
        ({"extends": "config.json"}, "extends itself"),
    ],
)
def test_a_broken_config_is_one_sentence_with_file_and_place(tmp_path, value, said):
    path = write(tmp_path, value)
    with pytest.raises(UserError) as error:
        load_sections(path)
    assert said in str(error.value)
    assert str(tmp_path) in str(error.value)


def test_a_flag_overrides_the_file_and_zero_is_a_value(tmp_path):
    path = write(tmp_path, {"run": {"seed": 5}, "schemas": {"test_schemas": 7}})
    options = parse_options(["--config", str(path), "--test-schemas", "0"], "", ("run", "schemas"))
    assert (options.run.seed, options.schemas.test_schemas) == (5, 0)


def test_none_lists_and_booleans_are_read_from_flags():
    argv = ["--max-steps", "none", "--languages", "fr", "--no-shared-prefix"]
    options = parse_options(argv, "", ("run", "training"))
    assert (options.run.max_steps, options.run.languages, options.training.shared_prefix) == (None, ["fr"], False)


def test_every_option_that_may_be_null_is_spelled_none():
    for section, spec in option_schema()["properties"].items():
        for key, option in spec["properties"].items():
            if "null" in option.get("type", []) or None in option.get("enum", []):
                options = parse_options([flag_of(section, key), "none"], "", (section,))
                assert getattr(getattr(options, section), key) is None, (section, key)


@pytest.mark.parametrize("argv", [["--seed", "x"], ["--seed", "-3"], ["--learning-rate", "0"], ["--languages", "xx"]])
def test_a_flag_out_of_range_is_named(argv):
    with pytest.raises(UserError) as error:
        parse_options(argv, "", ("run", "training"))
    assert argv[0] in str(error.value)


def test_a_list_out_of_range_is_answered_with_what_it_may_hold():
    with pytest.raises(UserError, match="a list, each once, of en, fr"):
        parse_options(["--languages", "xx"], "", ("run",))


def test_the_teachers_model_comes_from_flag_then_variable_then_llmrc_then_config(monkeypatch, tmp_path):
    import pipeline.config as config

    monkeypatch.setattr(config, "ROOT", tmp_path)
    read = lambda *argv: parse_options(list(argv), "", ("run", "teacher")).teacher
    assert read().model == "gpt-oss:120b"
    (tmp_path / ".llmrc").write_text("from-file\n", encoding="utf-8")
    assert read().model == "from-file"
    monkeypatch.setenv("LLM_MODEL", "from-variable")
    assert read().model == "from-variable"
    assert read("--teacher-model", "from-flag").model == "from-flag"
    assert read("--config", str(SHIPPED[1])).kind == "embedded"


def test_a_flag_is_one_stages_alone_so_that_a_chain_can_hand_all_of_them_to_each(monkeypatch):
    flags = [flag_of(s, key) for s in chain_sections() for key in option_schema()["properties"][s]["properties"]]
    assert len(flags) == len(set(flags))
    argv = ["--rows-per-schema", "5", "--no-shared-prefix", "--learning-rate=0.1"]
    for section, key, value in (("dataset", "rows_per_schema", 5), ("training", "learning_rate", 0.1)):
        with pytest.raises(UserError, match="is not read here"):
            parse_options(argv, "", ("run", section))
        monkeypatch.setenv("DATASET_GENERATOR_CHAIN", "1")
        options = parse_options(argv, "", ("run", section))
        assert getattr(getattr(options, section), key) == value
        assert set(vars(options)) == {"force", "config", "run", section}
        monkeypatch.delenv("DATASET_GENERATOR_CHAIN")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--learning-rat", "1"], "there is no flag --learning-rat, but --learning-rate;"),
        (["--learning-rat=1"], "there is no flag --learning-rat, but --learning-rate;"),
        (["words"], "there is no flag words;"),
        (["--seed"], "--seed: expected one argument"),
        (["--no-judge"], "--no-judge is an option of 'evaluation', which is not read here"),
        (["--ollama-name", "x"], "export_student.py takes it"),
    ],
)
def test_a_flag_that_there_is_not_is_a_sentence_with_the_way_out(argv, said):
    with pytest.raises(UserError) as error:
        parse_options(argv, "", ("run", "training"))
    assert said in str(error.value)
