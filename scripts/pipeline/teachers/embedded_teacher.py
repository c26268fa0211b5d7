"""The embedded teacher: samples programs from a schema, says them, and reads back what it said.

It is for offline runs, tests and controlled experiments: an oracle for its own language and for no other.
"""

from __future__ import annotations

import random
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

from pipeline.requests.calendar import periods
from pipeline.requests.reading import one_edit_apart
from pipeline.schemas.dsl import operators, program
from pipeline.schemas.json_text import minify
from pipeline.teachers import own_schemas
from pipeline.teachers.language import Speaker, make_typo
from pipeline.teachers.made_up_words import Words
from pipeline.teachers.teacher import Query

TEXTS = (
    "spring offer", "martin", "north gate", "blue note", "alpha 7", "delta", "garcia", "river side", "black friday",
    "o'neill", "saint-paul", "vega", "tom & co", "lemon tree", "studio 54", "green line", "zen", "route 66",
)  # fmt: skip


class EmbeddedTeacher:
    """The grammar as a teacher; `options` is the dataset section where queries are written."""

    name = "embedded"
    concurrency = 1
    requests_per_call = 1 << 30

    def __init__(self, options: SimpleNamespace | None) -> None:
        self.options = options
        self._speakers: dict[tuple[str, str], Speaker] = {}

    def speaker(self, schema_row: dict[str, Any], language: str) -> Speaker:
        """The sentences of a schema in a language, made once."""
        key = (schema_row["schema_id"], language)
        if key not in self._speakers:
            if len(self._speakers) > 64:
                self._speakers.clear()
            phrasings = self.options.phrasings if self.options else None
            self._speakers[key] = Speaker(schema_row["fields"], language, phrasings)
        return self._speakers[key]

    def propose_domain(self, entry: dict[str, Any]) -> dict[str, Any]:
        """The entry itself: the domains file holds what the grammar needs."""
        return entry

    # ---- sampling

    def _scalar(self, entry: dict[str, Any], rng: random.Random, today: date) -> Any:
        kind = entry["type"]
        if kind in ("enum", "boolean"):
            return rng.choice(entry["values"])["value"]
        if kind == "text":
            return rng.choice(TEXTS) if rng.random() < 0.3 else Words(rng, varied=False).phrase(0.05)
        if kind == "date":
            return (today - timedelta(days=rng.randint(0, 900))).isoformat()
        integer = rng.choice((rng.randint(1, 12), rng.randint(10, 99), 50 * rng.randint(1, 40), rng.randint(100, 9999)))
        return integer if kind == "integer" or rng.random() < 0.5 else integer + rng.randint(1, 9) / 10

    def _value(self, entry: dict[str, Any], canonical: str, rng: random.Random, today: date) -> Any:
        shape = operators()[canonical].shape
        if shape == "one":
            return self._scalar(entry, rng, today)
        if shape == "range":
            low, high = (self._scalar(entry, rng, today) for _ in range(2))
            return sorted((low, high if high != low else low + 1))
        count = min(rng.choice((2, 2, 3)), len(entry["values"]))
        return [known["value"] for known in rng.sample(entry["values"], count)]

    def _condition(self, entry: dict[str, Any], rng: random.Random, today: date) -> dict[str, Any]:
        names = [n for n in entry["operators"] if operators()[n].shape != "list" or len(entry["values"]) > 1]
        canonical = rng.choice(names or list(entry["operators"]))
        value = self._value(entry, canonical, rng, today)
        return {"field": entry["name"], "operator": entry["operators"][canonical], "value": value}

    def _timeframe(self, rng: random.Random, today: date) -> tuple[str, str]:
        if rng.random() < 0.65:
            start, end = rng.choice(list(periods(today).values()))
        elif rng.random() < 0.5:
            start, end = today - timedelta(days=rng.randint(8, 700)), today
        else:
            end = today - timedelta(days=rng.randint(0, 400))
            start = end - timedelta(days=rng.randint(2, 300))
        return start.isoformat(), end.isoformat()

    def sample_program(
        self, fields: list[dict[str, Any]], conditions: int, rng: random.Random, today: date
    ) -> dict[str, Any]:
        """A program with so many conditions over at most three steps, with a timeframe now and then."""
        steps: list[list[dict[str, Any]]] = []
        while conditions:
            count = min(conditions, len(fields), rng.choice((1, 1, 2, conditions)))
            steps.append([self._condition(entry, rng, today) for entry in rng.sample(fields, count)])
            conditions -= count
        timeframe = self._timeframe(rng, today) if rng.random() < self.options.timeframe_share else None
        return program(steps, timeframe)

    # ---- the interface

    def write_queries(
        self, schema_row: dict[str, Any], language: str, current_date: str, count: int, seed: str
    ) -> list[Query]:
        """Requests with the ASTs they were said from; balanced over kinds and numbers of conditions."""
        options, today = self.options, date.fromisoformat(current_date)
        if "fields" not in schema_row:
            return own_schemas.write_queries(schema_row, language, current_date, count, seed, options.refusal_share)
        speaker, fields = self.speaker(schema_row, language), schema_row["fields"]
        queries: list[Query] = []
        for number in range(count):
            rng = random.Random(f"{seed}-{number}")
            conditions = 1 + (number + rng.randint(0, 1)) % options.max_conditions
            ast = self.sample_program(fields, conditions, rng, today)
            style = rng.random()
            text = ""
            if rng.random() < options.refusal_share:
                text, ast = self._refused(schema_row, speaker, ast, today, rng)
            if not text:
                text = speaker.say(ast, today, random.Random(style))
            if rng.random() < options.typo_share:
                text = make_typo(text, rng)
            queries.append(Query(text, language, current_date, ast))
            if rng.random() < options.near_miss_share and len(queries) < count and "steps" in ast:
                near = self._near_miss(fields, ast, rng, today)
                queries.append(Query(speaker.say(near, today, random.Random(style)), language, current_date, near))
            if len(queries) >= count:
                break
        return queries

    def _near_miss(
        self, fields: list[dict[str, Any]], ast: dict[str, Any], rng: random.Random, today: date
    ) -> dict[str, Any]:
        """The program with one operator or value changed."""
        by_name = {entry["name"]: entry for entry in fields}
        steps = [[dict(c) for c in step["conditions"]] for step in ast["steps"]]
        condition = rng.choice(rng.choice(steps))
        entry = by_name[condition["field"]]
        canonical = {alias: name for name, alias in entry["operators"].items()}[condition["operator"]]
        shape = operators()[canonical].shape
        others = [n for n in entry["operators"] if n != canonical and operators()[n].shape == shape]
        if others and rng.random() < 0.6:
            condition["operator"] = entry["operators"][rng.choice(others)]
        else:
            condition["value"] = self._value(entry, canonical, rng, today)
        timeframe = ast.get("timeframe")
        return program(steps, (timeframe["start"], timeframe["end"]) if timeframe else None)

    def _refused(
        self, schema_row: dict[str, Any], speaker: Speaker, ast: dict[str, Any], today: date, rng: random.Random
    ) -> tuple[str, dict[str, Any]]:
        """A request with one condition that the schema cannot express, and the refusal; empty text where none is."""
        language, fields = speaker.language, schema_row["fields"]
        kinds = ["field"] * bool(schema_row["absent_fields"])
        absent = [
            (entry, name) for entry in fields if entry.get("absent_values") for name in speaker.of_one_value(entry)
        ]
        kinds += ["value"] * bool(absent)
        missing = [
            (entry, name)
            for entry in fields
            for name, operator in operators().items()
            if entry["type"] in operator.types and name not in entry["operators"] and entry["type"] != "boolean"
        ]
        kinds += ["operator"] * bool(missing)
        if not kinds:
            return "", ast
        kind = rng.choice(kinds)
        if kind == "field":
            entry = rng.choice(schema_row["absent_fields"])
            canonical = rng.choice([n for n, o in operators().items() if entry["type"] in o.types and o.shape == "one"])
            bad = speaker.say_unknown(entry, canonical, self._scalar(entry, rng, today), rng)
            answer = speaker.refusal_of("field")
        elif kind == "value":
            entry, canonical = rng.choice(absent)
            said = rng.choice(entry["absent_values"])["words"][language]
            bad = speaker.say_unknown({**entry, "said": said}, canonical, said, rng)
            answer = speaker.refusal_of("value", entry)
        else:
            entry, canonical = rng.choice(missing)
            bad = speaker.say_unknown(entry, canonical, self._value(entry, canonical, rng, today), rng)
            answer = speaker.refusal_of("operator", entry)
        said_steps = [[speaker.say_condition(c, rng) for c in step["conditions"]] for step in ast["steps"]]
        step = rng.choice(said_steps)
        step[rng.randrange(len(step))] = bad
        timeframe = speaker.say_timeframe(ast["timeframe"], today, rng) if "timeframe" in ast else None
        return speaker.say_frame(said_steps, timeframe, rng), answer

    def answer(self, schema_row: dict[str, Any], query: Query, complaint: str | None = None, sample: int = 0) -> str:
        """What the grammar reads in the request; not JSON where it reads nothing."""
        if "fields" not in schema_row:
            return own_schemas.answer(schema_row, query.text, query.language)
        speaker = self.speaker(schema_row, query.language)
        ast = speaker.read(query.text, date.fromisoformat(query.current_date))
        return "not a sentence of the embedded language" if ast is None else minify(ast)

    def judge(
        self, schema_row: dict[str, Any], query: str, current_date: str, ast: Any, sample: int = 0
    ) -> bool | None:
        """Whether the AST means what the grammar reads; None where it reads nothing in any language."""
        from pipeline.schemas.asts import SchemaJudge

        judge = SchemaJudge(schema_row["schema"])
        readings = []
        if "fields" not in schema_row:
            return own_schemas.agrees(schema_row, query, ast, judge)
        if "words" not in schema_row["fields"][0]:  # a schema that is not of its own making: it cannot read requests
            return None
        for language in schema_row["fields"][0]["words"]:
            speaker = self.speaker(schema_row, language)
            read = speaker.read(query, date.fromisoformat(current_date))
            if read is not None:
                readings.append(read)
        programs = [read for read in readings if "steps" in read]
        return any(judge.same(read, ast) for read in programs or readings) if readings else None

    def close(self) -> dict[str, Any]:
        """The grammar costs nothing."""
        return {}


def clashes(entry: dict[str, Any], fields: list[dict[str, Any]], languages: list[str]) -> bool:
    """Whether a field's words equal, or nearly equal, those of another field or of its values."""
    for language in languages:
        words = entry["words"][language]
        for other in fields:
            said = [other["words"][language], *(v["words"][language] for v in other.get("values", []))]
            if any(words == word or one_edit_apart(words, word) for word in said):
                return True
    return False
