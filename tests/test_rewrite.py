"""Schemas of any keywords, drawn at random: their grammars let through what satisfies them and nothing else."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from typing import Any

import pytest

from pipeline.errors import UserError
from pipeline.schemas.asts import SchemaJudge
from pipeline.schemas.constraints import enforceable, lets_through
from pipeline.schemas.json_schemas import closed_schema
from pipeline.schemas.key_order import KeyOrder
from pipeline.schemas.rewrite import named_only

SCALARS = [None, True, False, -1, 0, 1, 2, 1.5, "", "a", "ab", "b", "2024-01-02"]
SOME = [None, True, 1, "a", "ab"]
VALUES: list[Any] = [
    *SCALARS,
    *([], [{}], [{"a": 1}], [1, 2, 2]),
    *([x] for x in SOME),
    *([x, y] for x, y in itertools.product((1, "a"), (1, 2))),
    *({}, {"c": 1}, {"a": 1, "c": 1}, {"a": {"a": 1}}, {"a": 1, "b": 1, "c": 1}),
    *({name: x} for name, x in itertools.product("ab", SOME)),
    *({"a": x, "b": y} for x, y in itertools.product((1, "a"), (1, "a", True))),
]
LEAVES: list[Any] = [
    *(True, False, {}),
    *({"type": kind} for kind in ("integer", "string", "number", "boolean", "null", "object", "array")),
    *({"type": kinds} for kinds in (["integer", "null"], ["string", "boolean"])),
    *({"const": value} for value in (1, "a", True, [1])),
    *({"type": "array", "minItems": 1}, {"maxItems": 1}, {"type": "object", "minProperties": 1}, {"maxProperties": 1}),
    *({"required": ["a"]}, {"type": "object", "required": ["a", "b"]}, {"properties": {"a": {"type": "integer"}}}),
    *({"type": "object", "propertyNames": names} for names in ({"enum": ["a", "b"]}, {"pattern": "^a"})),
    {"type": "object", "properties": {"a": {"const": 1}}, "additionalProperties": False},
    *({"enum": values} for values in ([1, "a", None], ["a", "ab"], [0, 1.5], [{"a": 1}, "a"])),
    *({"minimum": 1}, {"type": "integer", "maximum": 1}, {"type": "number", "exclusiveMinimum": 0, "maximum": 2}),
    *({"type": "string", "maxLength": 1}, {"minLength": 2}, {"type": "string", "pattern": "^a"}, {"pattern": "b$"}),
    *({"type": "integer", "multipleOf": 2}, {"type": "string", "format": "date"}),
]


def drawn(rng: random.Random, depth: int) -> Any:
    """A schema of `depth` levels at most; references name the definitions x and y."""
    if depth == 0 or rng.random() < 0.25:
        return rng.choice(LEAVES)
    below = lambda: drawn(rng, depth - 1)
    names = lambda: rng.sample("abc", rng.randint(1, 2))
    of_objects = {
        "properties": (0.85, lambda: {name: below() for name in names()}),
        "required": (0.4, names),
        "additionalProperties": (0.5, lambda: rng.choice([False, False, True, below()])),
        "minProperties": (0.1, lambda: rng.randint(0, 2)),
        "maxProperties": (0.1, lambda: rng.randint(0, 2)),
        "dependentRequired": (0.1, lambda: {rng.choice("ab"): names()}),
        "dependentSchemas": (0.1, lambda: {rng.choice("ab"): below()}),
        "propertyNames": (0.1, lambda: rng.choice([{"enum": ["a", "b"]}, {"pattern": "^a"}])),
        "patternProperties": (0.1, lambda: {rng.choice(["^a", "c"]): below()}),
        "unevaluatedProperties": (0.1, lambda: False),
    }
    of_arrays = {
        "items": (0.7, below),
        "prefixItems": (0.3, lambda: [below() for _ in range(rng.randint(1, 2))]),
        "minItems": (0.3, lambda: rng.randint(0, 2)),
        "maxItems": (0.3, lambda: rng.randint(0, 2)),
        "contains": (0.1, below),
    }
    several = lambda: [below() for _ in range(rng.randint(1, 3))]
    combining = {
        "anyOf": lambda: {"anyOf": several()},
        "oneOf": lambda: {"oneOf": several()},
        "allOf": lambda: {"allOf": several()},
        "not": lambda: {"not": below()},
        "if": lambda: {key: below() for key in ("if", "then", "else") if key == "if" or rng.random() < 0.7},
        "$ref": lambda: {"$ref": f"#/$defs/{rng.choice('xy')}"},
    }
    kind = rng.choices(("object", "array", None), (0.3, 0.1, 0.6))[0]
    parts = {"object": of_objects, "array": of_arrays, None: {}}[kind]
    schema = {"type": kind} if kind else {}
    schema |= {key: make() for key, (share, make) in parts.items() if rng.random() < share}
    if kind is None or rng.random() < 0.3:
        for key in rng.choices(list(combining), (1, 3, 1, 3, 2, 1), k=rng.choice((1, 1, 1, 2))):
            schema |= combining[key]()
    keys = rng.sample(list(schema), len(schema))
    return {key: schema[key] for key in keys}


@pytest.mark.parametrize("part", range(2))
def test_the_grammar_of_any_schema_lets_through_what_satisfies_it_and_nothing_else(part):
    """Never stricter; not looser either where nothing is said to be left out."""
    counts: Counter[str] = Counter()
    for number in range(200):
        rng = random.Random(f"grammar-{part}-{number}")
        drawn_schema = {"allOf": [drawn(rng, 2 + number % 2)], "$defs": {"x": drawn(rng, 1), "y": drawn(rng, 1)}}
        try:
            schema = closed_schema("drawn.json", drawn_schema)
        except UserError:  # a reference that leads back to itself
            continue
        text, unenforced = enforceable(schema)
        if text is None:
            continue
        judge, order, narrower = SchemaJudge(schema), KeyOrder(schema), SchemaJudge(named_only(schema))
        for value in VALUES:
            valid, through = judge.validator.is_valid(value), lets_through(text, order.ordered(value))
            assert through or not valid, (number, value)
            assert valid or not through or unenforced, (number, value)
            assert valid or not narrower.validator.is_valid(value), (number, value)
            counts["valid" if valid else "invalid"] += not unenforced
    assert min(counts["valid"], counts["invalid"]) > 600
