"""Answers as constrained decoding writes them: an object's keys in the order of its schema.

The grammar follows the order in which properties are met in the rewritten schema (`rewrite.to_grammar`), in the
branches that the value satisfies; properties that the schema does not name come last.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline.schemas.asts import SchemaJudge, equal_json, items_at, parts_of
from pipeline.schemas.rewrite import to_grammar


class KeyOrder:
    """The order of keys under one schema, a closed one of draft 2020-12; made once a schema."""

    def __init__(self, schema: Any) -> None:
        self.judge = SchemaJudge(to_grammar(schema))

    def ordered(self, value: Any) -> Any:
        """The value with its keys in order, whole numbers without a fraction."""
        return self._ordered([self.judge.schema], value)

    def _ordered(self, schemas: list[Any], value: Any) -> Any:
        if not isinstance(value, dict | list):
            return int(value) if isinstance(value, float) and value.is_integer() else value
        parts = [part for schema in schemas for part in self.judge.applied(schema, value)]
        for part in parts:
            for shown in [*part.get("enum", []), *([part["const"]] if "const" in part else [])]:
                if type(shown) is type(value) and equal_json(shown, value):
                    return shown
        if isinstance(value, list):
            return [self._ordered(items_at(parts, index), item) for index, item in enumerate(value)]
        known = [name for schema in schemas for name in self._named(schema, value)]
        known += [name for part in parts for name in part.get("required", [])]
        names = dict.fromkeys([*(name for name in known if name in value), *value])
        return {name: self._ordered(parts_of(parts, name), value[name]) for name in names}

    def _named(self, schema: Any, value: Any, depth: int = 32) -> Iterator[str]:
        """Names of properties in the order of the document: a branch's stand where its keyword stands, a schema's own
        at the first of `properties` and `additionalProperties`, as the engine takes them.
        """
        if not isinstance(schema, dict) or not depth:
            return
        applied = list(self.judge.below(schema, value))
        own = next((key for key in schema if key in ("properties", "additionalProperties")), None)
        for key in schema:
            if key == own:
                yield from schema.get("properties", {})
            for place, part in applied:
                if place == key:
                    yield from self._named(part, value, depth - 1)
