"""The shipped DSL: its operators and the closed `anyOf` form of its schemas, read from config/ as data."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pipeline.paths import AST_TEMPLATE, OPERATORS
from pipeline.words import read_words

STEP = "step"
MOST_SUGGESTED = 3
FIELD_TYPES = ("enum", "text", "integer", "number", "boolean", "date")


@dataclass(frozen=True)
class Operator:
    """One canonical operator: `shape` of its value (one, list, range), field types it applies to, names it may bear."""

    name: str
    shape: str
    types: tuple[str, ...]
    aliases: tuple[str, ...]


@dataclass(frozen=True)
class SchemaField:
    """A field as one schema shows it.

    `operators` maps canonical names to the alias this schema uses, `operator_hints` some of what people say for them to
    that alias ("above" -> "gt"). `phrases` are what people call the field; `values` are the enum's spellings, `hints`
    what people call them: phrase -> spelling ("paye" -> "paid").
    """

    name: str
    type: str
    operators: dict[str, str]
    phrases: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    hints: dict[str, str] = field(default_factory=dict)
    operator_hints: dict[str, str] = field(default_factory=dict)


@cache
def operators() -> dict[str, Operator]:
    """The canonical operators of config/operators.json by name."""
    data = read_words(OPERATORS)
    return {
        name: Operator(name, entry["shape"], tuple(entry["types"]), tuple(entry["aliases"]))
        for name, entry in data.items()
    }


@cache
def canonical_names() -> dict[str, str]:
    """The canonical name of the operator that bears a name: "gt" -> "greater"."""
    return {alias: name for name, operator in operators().items() for alias in operator.aliases}


def _template() -> dict[str, Any]:
    return read_words(AST_TEMPLATE)


def operators_for(field_type: str) -> list[Operator]:
    """Operators that a field of this type may have, in the order of the file."""
    return [operator for operator in operators().values() if field_type in operator.types]


def closed_object(properties: dict[str, Any]) -> dict[str, Any]:
    """An object schema with exactly these properties, all required."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def describe(hints: dict[str, str]) -> dict[str, str]:
    """The description that says which spelling each phrase stands for: names, operators, values, steps; empty where
    there is none."""
    return {"description": ", ".join(f"{phrase}: {spelling}" for phrase, spelling in hints.items())} if hints else {}


def described(schema: dict[str, Any]) -> dict[str, str]:
    """The phrases of a description that `describe` wrote, each with its spelling; none of any other text."""
    pairs = [part.rsplit(": ", 1) for part in str(schema.get("description", "")).split(", ")]
    return dict(pairs) if all(len(pair) == 2 for pair in pairs) else {}


def said_for(spelling: str, schema: Any) -> list[str]:
    """The phrases that the description of a schema lists for one spelling."""
    return [phrase for phrase, of in described(schema).items() if of == spelling] if isinstance(schema, dict) else []


def conditions_of(schema: Any) -> list[dict[str, Any]]:
    """The branches of the conditions in an answer schema of the shipped DSL; none of any other schema."""
    try:
        found = schema["anyOf"][0]["properties"]["steps"]["items"]["properties"]["conditions"]["items"]["anyOf"]
        return [branch for branch in found if _is_condition(branch["properties"])]
    except (KeyError, IndexError, TypeError):
        return []


def _is_condition(parts: dict[str, Any]) -> bool:
    if set(parts) != {"field", "operator", "value"} or not all(isinstance(part, dict) for part in parts.values()):
        return False
    names = [parts["field"].get("const"), *parts["operator"].get("enum", ())]
    return len(names) > 1 and all(isinstance(name, str) for name in names)


def step_phrases_of(schema: Any) -> list[str]:
    """What an answer schema of the shipped DSL lists as said before another step; nothing of any other schema."""
    if not conditions_of(schema):
        return []
    return said_for(STEP, schema["anyOf"][0]["properties"]["steps"])


def _value_schema(spec: SchemaField, shape: str, with_hints: bool) -> dict[str, Any]:
    scalar: dict[str, Any] = describe(spec.hints) if with_hints else {}
    if spec.type == "enum":
        scalar["enum"] = list(spec.values)
    elif spec.type == "date":
        scalar |= {"type": "string", "format": "date"}
    else:
        scalar["type"] = "string" if spec.type == "text" else spec.type
    if shape == "list":
        return {"type": "array", "items": scalar, "minItems": 1, "x-set": True}
    if shape == "range":
        return {"type": "array", "items": scalar, "minItems": 2, "maxItems": 2}
    return scalar


def condition_branches(spec: SchemaField) -> list[dict[str, Any]]:
    """One closed object for each shape of value that the field's operators take; words are said in the first only."""
    shapes: dict[str, list[str]] = {}
    for canonical, alias in spec.operators.items():
        shapes.setdefault(operators()[canonical].shape, []).append(alias)
    branches = []
    for index, (shape, aliases) in enumerate(shapes.items()):
        first = index == 0
        name: dict[str, Any] = describe(dict.fromkeys(spec.phrases, spec.name)) if first else {}
        name["const"] = spec.name
        operator: dict[str, Any] = describe({said: a for said, a in spec.operator_hints.items() if a in aliases})
        operator["enum"] = aliases
        branches.append(
            closed_object({"field": name, "operator": operator, "value": _value_schema(spec, shape, with_hints=first)})
        )
    return branches


def can_refuse(schema: Any) -> bool:
    """Whether a schema is an answer schema: a refusal is among its alternatives."""
    alternatives = schema.get("anyOf") if isinstance(schema, dict) else None
    return isinstance(alternatives, list) and _template()["anyOf"][1] in alternatives


def with_refusal(schema: Any) -> dict[str, Any]:
    """The schema of an answer to a user's schema: what it says, or a refusal; its references still resolve."""
    own = {key: value for key, value in schema.items() if key != "$defs"} if isinstance(schema, dict) else schema
    result: dict[str, Any] = {"anyOf": [own, copy.deepcopy(_template()["anyOf"][1])]}
    return result | ({"$defs": schema["$defs"]} if isinstance(schema, dict) and "$defs" in schema else {})


def answer_schema(fields: list[SchemaField], step_phrases: Iterable[str] = ()) -> dict[str, Any]:
    """The schema of an answer, a program over these fields or a refusal; `step_phrases` are said before another
    step."""
    schema = copy.deepcopy(_template())
    properties = schema["anyOf"][0]["properties"]
    properties["steps"] = describe(dict.fromkeys(step_phrases, STEP)) | properties["steps"]
    step = properties["steps"]["items"]
    step["properties"]["conditions"]["items"]["anyOf"] = [
        branch for spec in fields for branch in condition_branches(spec)
    ]
    return schema


def step_name(index: int) -> str:
    """The label of the step at this index, from 0."""
    return f"{STEP}_{index + 1}"


def program(steps: list[list[dict[str, Any]]], timeframe: tuple[str, str] | None = None) -> dict[str, Any]:
    """The AST of a program: a list of conditions for each step, and ISO dates (start, end) where time is asked for."""
    ast: dict[str, Any] = {
        "steps": [{"name": step_name(index), "conditions": conditions} for index, conditions in enumerate(steps)]
    }
    if timeframe:
        ast["timeframe"] = {"start": timeframe[0], "end": timeframe[1]}
    return ast


def refusal(reason: str, suggestion: str) -> dict[str, Any]:
    """The AST of a refusal."""
    return {"refusal": {"reason": reason, "suggestion": suggestion}}


def refusal_of(kind: str, known: Iterable[Any], name: str | None = None) -> dict[str, Any]:
    """The refusal of a request for a field, or for a value or operator of the field `name`, that a schema does not
    have.

    The reason is the kind and the field's name, the suggestion the first three of the kind that there are: all of it
    can be known from the schema. It is the same in all languages: an AST is for programs.
    """
    return refusal(reason_of(kind, name), suggestion_of(known))


def reason_of(kind: str, name: str | None = None) -> str:
    """The reason of a refusal: an unknown field, or an unknown value or operator of the field `name`."""
    return f"unknown {kind} of {name}" if name else f"unknown {kind}"


def suggestion_of(known: Iterable[Any]) -> str:
    """The suggestion of a refusal: the first of what there is."""
    return ", ".join(map(str, list(known)[:MOST_SUGGESTED]))


def is_refusal(ast: Any) -> bool:
    """Whether an AST is a refusal."""
    return isinstance(ast, dict) and "refusal" in ast


def steps_of(ast: Any) -> list[dict[str, Any]]:
    """The steps of a program of the shipped DSL; none for any other answer."""
    steps = ast.get("steps") if isinstance(ast, dict) else None
    mine = isinstance(steps, list) and all(isinstance(s, dict) and isinstance(s.get("conditions"), list) for s in steps)
    return list(steps or []) if mine else []


def problem_of(spec: dict[str, Any], languages: list[str]) -> str | None:
    """What is wrong with a domain spec, or None."""
    if not spec.get("fields"):
        return "has no fields"
    names: set[str] = set()
    for entry in spec["fields"]:
        name = entry.get("name")
        if not isinstance(name, str) or not name or name in names:
            return f"has a field without a name of its own ({name!r})"
        names.add(name)
        if entry.get("type") not in FIELD_TYPES:
            return f"field {name!r} has the type {entry.get('type')!r}; allowed: {', '.join(FIELD_TYPES)}"
        values = entry.get("values", [])
        if entry["type"] == "enum" and len(values) < 2:
            return f"enum field {name!r} has fewer than two values"
        if entry["type"] == "boolean" and [v.get("name") for v in values] != ["true", "false"]:
            return f"boolean field {name!r} needs words for true and false"
        for said in (entry, *values):
            missing = [language for language in languages if not said.get("words", {}).get(language)]
            if missing:
                return f"field {name!r} has no words in {missing[0]} for {said.get('name')!r}"
    return None
