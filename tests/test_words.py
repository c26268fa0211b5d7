"""The files of words: the shipped ones are what they should be, every mistake in one is named."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from pipeline import words
from pipeline.errors import UserError
from pipeline.paths import CALENDAR, CONFIG_DIR, LANGUAGE, OPERATORS, READING, SCHEMA_LANGUAGE, WORDS_SCHEMA
from pipeline.schemas import dsl
from pipeline.teachers import language

NAMES = sorted(json.loads(WORDS_SCHEMA.read_text(encoding="utf-8"))["properties"])


def spoiled(folder: Path, path: Path, place: tuple[str | int, ...], value: Any) -> Path:
    """A copy of a file of words with another value at a place; None takes what is there away."""
    whole = json.loads(path.read_text(encoding="utf-8"))
    holder = whole
    for key in place[:-1]:
        holder = holder[key]
    if value is None:
        del holder[place[-1]]
    else:
        holder[place[-1]] = value
    made = folder / path.name
    made.write_text(json.dumps(whole), encoding="utf-8")
    return made


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_file_of_words_is_what_it_should_be(name):
    assert words.read_words(CONFIG_DIR / f"{name}.json")


def test_all_that_may_be_wrong_has_a_description_of_what_is_allowed():
    def undescribed(schema: Any, at: str) -> list[str]:
        if isinstance(schema, list):
            return [each for one in schema for each in undescribed(one, at)]
        if not isinstance(schema, dict):
            return []
        lacks = isinstance(schema.get("type", schema.get("enum")), (str, list)) and "description" not in schema
        below = [
            undescribed(one, f"{at}/{key}") for key, one in schema.items() if key not in ("if", "enum", "required")
        ]
        return [at] * lacks + [each for found in below for each in found]

    assert undescribed(json.loads(WORDS_SCHEMA.read_text(encoding="utf-8")), "") == []


@pytest.mark.parametrize("path, place, value, said", [
    (OPERATORS, ("equals", "shape"), "two", r'equals.shape is "two"; allowed: one, list or range'),
    (OPERATORS, ("equals", "aliases"), None, "equals lacks aliases"),
    (OPERATORS, ("after",), None, "the file lacks after"),
    (CALENDAR, ("months", "fr", 11), None, "months.fr is .*; allowed: the names of the 12 months"),
    (CALENDAR, ("times", "noon"), "12", 'times.noon is "12"; allowed: a time of day as 12:00'),
    (CALENDAR, ("phrases", "since", 0), "since", 'since.0 is "since"; allowed: a phrase with {day}'),
    (CALENDAR, ("phrases", "since tea"), ["at tea"], "phrases has the unknown key since tea; known: range, since"),
    (READING, ("fr", "leading", 2), "", 'fr.leading.2 is ""; allowed: a text'),
    (READING, ("de",), {"is": ["ist"]}, "de lacks only, and"),
    (LANGUAGE, ("en", "frames", 0), "show all", 'frames.0 is "show all"; allowed: a sentence with {s}'),
    (LANGUAGE, ("en", "conditions", "in", 1), "{oder}", "conditions.in.1 is .*; allowed: a phrase with {v}"),
    (LANGUAGE, ("fr", "conditions", "equals", "enum"), "{v}", "conditions.equals.enum is .*; allowed: a list of phrases"),
    (SCHEMA_LANGUAGE, ("en", "ends", 0), 5, "en.ends.0 is 5; allowed: a text"),
    (SCHEMA_LANGUAGE, ("en", "frames"), ["{what}: "], "an empty one among them"),
    (SCHEMA_LANGUAGE, ("en", "joints"), {"date": " on "}, "en.joints lacks clock"),
])  # fmt: skip
def test_a_mistake_in_a_file_of_words_is_named_with_what_is_allowed(path, place, value, said, tmp_path):
    with pytest.raises(UserError, match=rf"{path.name}: .*{said}"):
        words.read_words(spoiled(tmp_path, path, place, value))


def test_an_operator_without_phrases_is_named_with_the_way_out(tmp_path, monkeypatch):
    near = {"shape": "one", "types": ["integer"], "aliases": ["near"]}
    monkeypatch.setattr(dsl, "OPERATORS", spoiled(tmp_path, OPERATORS, ("near",), near))
    monkeypatch.setattr(language, "operators", dsl.operators.__wrapped__)
    with pytest.raises(UserError, match=r"en.conditions has no phrases for near of fields of type integer"):
        language.operator_phrases("en", "near", "integer")


def test_requests_of_a_language_that_is_added_to_the_files_of_words_are_read(tmp_path):
    for folder in ("scripts", "config"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    calendar, reading = (json.loads((tmp_path / "config" / path.name).read_text()) for path in (CALENDAR, READING))
    calendar["months"]["de"] = ["januar", "februar", "m\u00e4rz", "april", "mai", "juni", *"789abc"]
    calendar["phrases"]["range"].append("vom {day} bis {day}")
    words = {"at": ["f\u00fcr"], "without": ["kein", "keine"], "thanks": ["bitte"], "operators": {"less": ["unter"]}}
    reading["de"] = {kind: type(said)() for kind, said in reading["en"].items()} | words
    for path, value in ((CALENDAR, calendar), (READING, reading)):
        (tmp_path / "config" / path.name).write_text(json.dumps(value), encoding="utf-8")
    days = {name: {"type": "string", "format": "date"} for name in ("anreise", "abreise")}
    properties = {"stadt": {"type": "string"}, **days, "preis_max": {"type": "number"}, "haustier": {"type": "boolean"}}
    schema = {"title": "hotel", "type": "object", "properties": properties, "required": ["stadt", *days]}
    asked = "ein hotel f\u00fcr Bonn, vom 3. mai 2025 bis 9. mai 2025, unter 90, kein haustier, bitte"
    code = (
        "from datetime import date; from pipeline.requests.prompts import with_links\n"
        f"print(with_links({schema!r}, {asked!r}, date(2025, 3, 10)).splitlines()[1])"
    )
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path / "scripts").stdout
    assert said == "Named: stadt: Bonn; anreise: 2025-05-03; abreise: 2025-05-09; preis_max: 90; haustier: false\n"


def test_no_file_of_words_is_read_before_a_stage_can_say_what_is_wrong_with_it(tmp_path):
    """What is read when a module is imported is read before a script's main, which says errors in a sentence."""
    for folder in ("scripts", "config"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in NAMES:
        (tmp_path / "config" / f"{name}.json").write_text('{"en": ["is",\n}', encoding="utf-8")
    modules = [path.relative_to(ROOT / "scripts") for path in sorted((ROOT / "scripts").rglob("[a-z]*.py"))]
    imports = [f"import {'.'.join(path.with_suffix('').parts)}" for path in modules]
    command = [sys.executable, "-c", "\n".join(imports)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path / "scripts")
    assert result.returncode == 0, result.stderr[-1000:]
