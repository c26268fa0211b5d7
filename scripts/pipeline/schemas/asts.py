"""What it means for two ASTs to be equal, and for an answer to be valid.

Equality after normalisation: object keys unordered, arrays marked `x-set` unordered, values marked `x-label` ignored,
numbers by value, date-times by moment, a property that equals its `default` as if it were absent. What is a set or a
label is said in the schema, so that nothing here knows a DSL by name. Rules that JSON Schema cannot say (a range in
order, a start not after its end) are checked after it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from jsonschema.protocols import Validator

from pipeline.artifacts import canonical
from pipeline.schemas.dsl import is_refusal, steps_of
from pipeline.schemas.formats import FORMATS

IGNORED = "label"


class SchemaJudge:
    """Validity and equality under one answer schema; made once a schema, used for all its rows."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.schema = schema
        self.validator: Validator = Draft202012Validator(schema, format_checker=FORMATS)
        self.definitions = schema.get("$defs", {}) if isinstance(schema, dict) else {}
        self._validators: dict[int, Validator] = {}

    def error(self, ast: Any) -> tuple[str, str] | None:
        """(error type, message) of what is wrong with an answer, or None: schema first, then the DSL's own rules."""
        if not self.validator.is_valid(ast):
            found = best_match(self.validator.iter_errors(ast))
            place = "/".join(map(str, found.absolute_path)) if found else ""
            return "schema_violation", f"at {place or 'the root'}: {found.message[:300] if found else 'invalid'}"
        if message := broken_rule(ast):
            return "rule_violation", message
        return None

    def is_valid(self, ast: Any) -> bool:
        """Whether an answer satisfies schema, formats and rules."""
        return self.validator.is_valid(ast) and broken_rule(ast) is None

    def normal(self, ast: Any) -> str:
        """The normal form as text: equal exactly where two ASTs mean the same."""
        return canonical(self._normal([self.schema], ast))

    def same(self, left: Any, right: Any) -> bool:
        """Whether two ASTs mean the same."""
        return self.normal(left) == self.normal(right)

    def _holds(self, schema: Any, value: Any) -> bool:
        """Whether a value satisfies a part of this schema; validators are made once a part."""
        if isinstance(schema, bool):
            return schema
        if id(schema) not in self._validators:
            self._validators[id(schema)] = self.validator.evolve(schema=schema)
        return bool(self._validators[id(schema)].is_valid(value))

    def below(self, schema: dict[str, Any], value: Any) -> Iterator[tuple[str, Any]]:
        """(keyword, schema) of what else a schema applies to a value, in its order: references, `allOf`, branches that
        hold."""
        for key, part in schema.items():
            if key == "$ref":
                yield key, self.definitions.get(part.removeprefix("#/$defs/"), True)
            elif key == "allOf":
                yield from ((key, each) for each in part)
            elif key in ("anyOf", "oneOf"):
                yield from [(key, branch) for branch in part if self._holds(branch, value)][:1]
            elif key == "if":
                held = self._holds(part, value)
                yield from (
                    (key, each) for each in ([part, schema.get("then", True)] if held else [schema.get("else", True)])
                )
            elif key == "dependentSchemas" and isinstance(value, dict):
                yield from ((key, each) for name, each in part.items() if name in value)

    def applied(self, schema: Any, value: Any, depth: int = 32) -> list[dict[str, Any]]:
        """The objects of keywords that apply to a value: the schema and all that is `below` it."""
        if not isinstance(schema, dict) or not depth:
            return []
        return [schema, *(p for _, part in self.below(schema, value) for p in self.applied(part, value, depth - 1))]

    def _normal(self, schemas: list[Any], value: Any) -> Any:
        parts = [part for schema in schemas for part in self.applied(schema, value)]
        if any(part.get("x-label") for part in parts):
            return IGNORED
        if isinstance(value, dict):
            result = {}
            for name, item in value.items():
                below = parts_of(parts, name)
                normal = self._normal(below, item)
                if not any(
                    isinstance(part, dict)
                    and "default" in part
                    and equal_json(normal, self._normal(below, part["default"]))
                    for part in below
                ):
                    result[name] = normal
            return result
        if isinstance(value, list):
            items = [self._normal(items_at(parts, index), item) for index, item in enumerate(value)]
            return sorted(items, key=canonical) if any(part.get("x-set") for part in parts) else items
        if isinstance(value, str) and any(part.get("format") == "date-time" for part in parts):
            try:
                moment = datetime.fromisoformat(value)
            except ValueError:
                return value
            return moment.astimezone(UTC).isoformat() if moment.tzinfo else value
        return _plain(value)


class SchemaJudges:
    """The judges of schemas, each made when it is first asked for."""

    def __init__(self) -> None:
        self._made: dict[str, SchemaJudge] = {}

    def of(self, schema_row: dict[str, Any]) -> SchemaJudge:
        """The judge of a d_02 row's schema."""
        key = schema_row["schema_id"]
        if key not in self._made:
            self._made[key] = SchemaJudge(schema_row["schema"])
        return self._made[key]


def parts_of(parts: list[dict[str, Any]], name: str) -> list[Any]:
    """What the keywords that apply to an object say of one of its properties."""
    found = []
    for part in parts:
        mine = [part["properties"][name]] if name in part.get("properties", {}) else []
        mine += [below for pattern, below in part.get("patternProperties", {}).items() if re.search(pattern, name)]
        found += mine or [part[key] for key in ("additionalProperties", "unevaluatedProperties") if key in part]
    return found


def items_at(parts: list[dict[str, Any]], index: int) -> list[Any]:
    """What the keywords that apply to an array say of the item at an index."""
    found = []
    for part in parts:
        first = part.get("prefixItems", [])
        if index < len(first):
            found.append(first[index])
        else:
            found += [part[key] for key in ("items", "unevaluatedItems") if key in part]
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def equal_json(left: Any, right: Any) -> bool:
    """Whether two parsed JSON values are equal: objects unordered, numbers by value, true is not 1."""
    return canonical(_plain(left)) == canonical(_plain(right))


def broken_rule(ast: Any) -> str | None:
    """What an answer of the shipped DSL breaks that its schema cannot say."""
    if not isinstance(ast, dict):
        return None
    timeframe = ast.get("timeframe")
    if isinstance(timeframe, dict) and str(timeframe.get("start")) > str(timeframe.get("end")):
        return f"timeframe starts on {timeframe.get('start')}, after its end {timeframe.get('end')}"
    steps = ast.get("steps")
    for step in steps if isinstance(steps, list) else []:
        for condition in step.get("conditions", []) if isinstance(step, dict) else []:
            value = condition.get("value") if isinstance(condition, dict) else None
            pair = isinstance(value, list) and len(value) == 2 and all(type(v) in (int, float) for v in value)
            if pair and value[0] > value[1]:
                return f"the range {value} of {condition.get('field')} is not in order"
    return None


def parse_answer(text: str) -> Any:
    """The JSON value of an answer's text. Raises ValueError where it is not exactly one JSON value."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def difference_of(mine: Any, expected: Any) -> str:
    """The class of the first difference of two JSON values: a property or item too many or missing, or a value."""
    if isinstance(mine, dict) and isinstance(expected, dict):
        if set(mine) - set(expected):
            return "extra_property"
        if set(expected) - set(mine):
            return "missing_property"
        parts = [(mine[name], expected[name]) for name in expected]
    elif isinstance(mine, list) and isinstance(expected, list):
        if len(mine) != len(expected):
            return "extra_item" if len(mine) > len(expected) else "missing_item"
        parts = list(zip(mine, expected, strict=True))
    else:
        return "wrong_value"
    return next((difference_of(a, b) for a, b in parts if not equal_json(a, b)), "other")


def failure_of(judge: SchemaJudge, expected: dict[str, Any], text: str, ended: bool) -> str | None:
    """The class of what is wrong with an answer's text, or None where it means what is expected."""
    try:
        ast = parse_answer(text)
    except ValueError:
        return "not_json" if ended else "cut_off"
    if problem := judge.error(ast):
        return problem[0]
    if judge.same(ast, expected):
        return None
    if is_refusal(expected) != is_refusal(ast):
        return "answered_when_it_should_refuse" if is_refusal(expected) else "refused_when_it_should_answer"
    if not steps_of(expected) or not steps_of(ast):
        return difference_of(ast, expected)
    if len(ast["steps"]) != len(expected["steps"]):
        return "wrong_number_of_steps"
    for mine, theirs in zip(ast["steps"], expected["steps"], strict=True):
        got, want = mine["conditions"], theirs["conditions"]
        if len(got) != len(want):
            return "extra_condition" if len(got) > len(want) else "missing_condition"
        rest = [canonical(_plain(c)) for c in want]
        for condition in got:
            if (key := canonical(_plain(condition))) in rest:
                rest.remove(key)
        strange = [c for c in got if canonical(_plain(c)) not in [canonical(_plain(w)) for w in want]]
        for condition, missing in zip(strange, map(json.loads, rest), strict=False):
            for key in ("field", "operator", "value"):
                if condition.get(key) != missing.get(key):
                    return f"wrong_{key}"
    return "wrong_timeframe" if ast.get("timeframe") != expected.get("timeframe") else "other"
