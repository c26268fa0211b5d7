"""What it means for two ASTs to be equal, and for an answer to be valid.

Equality after normalisation: object keys unordered, arrays marked `x-set` unordered, values marked `x-label` ignored,
numbers by value, date-times by moment. What is a set or a label is said in the schema, so that nothing here knows a
DSL by name. Rules that JSON Schema cannot say (a range in order, a start not after its end) are checked after it.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from jsonschema.protocols import Validator

from pipeline.artifacts import canonical

IGNORED = "label"


class SchemaJudge:
    """Validity and equality under one answer schema; made once a schema, used for all its rows."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.schema = schema
        self.validator: Validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
        self._branches: dict[int, list[Validator]] = {}

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
        return canonical(self._normal(self.schema, ast))

    def same(self, left: Any, right: Any) -> bool:
        """Whether two ASTs mean the same."""
        return self.normal(left) == self.normal(right)

    def _branch(self, schema: dict[str, Any], value: Any) -> dict[str, Any]:
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                key = id(schema[keyword])
                if key not in self._branches:
                    self._branches[key] = [Draft202012Validator(branch) for branch in schema[keyword]]
                for branch, validator in zip(schema[keyword], self._branches[key], strict=True):
                    if validator.is_valid(value):
                        return branch
        return schema

    def _normal(self, schema: Any, value: Any) -> Any:
        if not isinstance(schema, dict):
            return _plain(value)
        branch = self._branch(schema, value)
        if branch is not schema:
            return self._normal(branch, value)
        if schema.get("x-label"):
            return IGNORED
        if isinstance(value, dict):
            known = schema.get("properties", {})
            return {key: self._normal(known.get(key), item) for key, item in value.items()}
        if isinstance(value, list):
            items = [self._normal(schema.get("items"), item) for item in value]
            return sorted(items, key=canonical) if schema.get("x-set") else items
        if isinstance(value, str) and schema.get("format") == "date-time":
            try:
                moment = datetime.fromisoformat(value)
            except ValueError:
                return value
            return moment.astimezone(UTC).isoformat() if moment.tzinfo else value
        return _plain(value)


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
    if ("refusal" in expected) != ("refusal" in ast):
        return "answered_when_it_should_refuse" if "refusal" in expected else "refused_when_it_should_answer"
    if "steps" not in expected or "steps" not in ast:
        return "other"
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
