"""Schemas rewritten for what enforces them: `to_grammar` for constrained decoding, `to_format` for Ollama's `format`.

`named_only` goes before `to_grammar` where a student answers: a grammar of its own properties alone.

`to_grammar` says the same in keywords that a grammar can follow: `if/then/else`, `not`, `dependentRequired`,
`dependentSchemas` and `oneOf` become `anyOf` of branches that exclude each other, where that can be done exactly. What
cannot stays as it is, and the compiler names it. Answers are always validated against the original schema afterwards.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain, pairwise
from typing import Any

from pipeline.schemas.json_schemas import IN_PLACE, with_children

ANNOTATIONS = (
    "description", "title", "examples", "$comment", "default", "deprecated", "readOnly", "writeOnly", "contentEncoding",
    "contentMediaType", "contentSchema",
)  # fmt: skip
TYPES = ("null", "boolean", "object", "array", "number", "string")
COMBINING = {"$ref", "patternProperties", "contains", *IN_PLACE} - {"anyOf"}
"""Keywords by which more than one subschema may speak of the same value; `anyOf` does so only beside others."""
NOT_BY_NAME = {"additionalProperties", "unevaluatedProperties", "propertyNames", "enum", "const"}
"""Keywords that speak of properties without naming them one by one."""
MOST_BRANCHES = 6
MOST_DEPTH = 6


def named_only(schema: Any) -> Any:
    """The schema, its objects with no properties but those that it names, where it says nothing of others.

    JSON Schema lets any others through then, and students that a grammar bound made some up. What satisfies the result
    satisfies the schema. Objects of which several subschemas speak at once stay as they are: none of those knows all
    names.
    """
    definitions = schema.get("$defs", {}) if isinstance(schema, dict) else {}
    shared: set[str] = set()  # definitions that speak of an object together with others

    def closed(part: Any, alone: bool) -> Any:
        if not isinstance(part, dict):
            return part
        if "$ref" in part and not (alone and part.keys() - {"$ref"} <= set(ANNOTATIONS)):
            shared.add(part["$ref"].removeprefix("#/$defs/"))
        parted = {"properties", "additionalProperties", "items", "prefixItems"}
        by_itself = alone and not part.keys() & COMBINING and not ("anyOf" in part and part.keys() & parted)
        result = with_children(part, lambda key, below: closed(below, by_itself and key in {"anyOf", *parted}))
        names = part.get("properties", {})
        needed = {*part.get("required", ()), *chain.from_iterable(part.get("dependentRequired", {}).values())}
        enough = needed <= names.keys() and part.get("minProperties", 0) <= len(names)
        if by_itself and names and enough and not part.keys() & NOT_BY_NAME:
            result["additionalProperties"] = False
        return result

    while True:
        known = len(shared)
        own = {key: value for key, value in schema.items() if key != "$defs"} if definitions else schema
        result = closed(own, alone=True)
        parts = {name: closed(part, name not in shared) for name, part in definitions.items()}
        if len(shared) == known:
            return result | {"$defs": parts} if definitions else result


def to_grammar(schema: Any) -> Any:
    """The schema in what a grammar can follow, without annotations and `x-` keywords; the order of keys is kept.

    A closed schema of draft 2020-12 (`json_schemas.read_folder`); references point into its `$defs`.
    """
    if not isinstance(schema, dict):
        return schema
    definitions = schema.get("$defs", {})
    writer = _Writer(definitions)
    result = writer.write({key: value for key, value in schema.items() if key != "$defs"})
    if definitions:
        result["$defs"] = {name: writer.write(part) for name, part in definitions.items()}
    return result


class _Writer:
    def __init__(self, definitions: dict[str, Any]) -> None:
        self.definitions = definitions

    def write(self, schema: Any) -> Any:
        if not isinstance(schema, dict):
            return schema
        plain = {k: v for k, v in schema.items() if k not in ANNOTATIONS and not k.startswith("x-")}
        plain = self._names_known(self._evaluated(plain))
        for key in {"enum", "const"} & set(plain):
            plain[key] = _whole(plain[key])
        parts: list[Any] = []
        if "if" in plain:
            condition, refused = plain["if"], self.negate(plain["if"])
            if refused is not None:
                then, otherwise = plain.pop("then", True), plain.pop("else", True)
                del plain["if"]
                parts.append({"anyOf": [_both(condition, then), _both(refused, otherwise)]})
        else:
            plain.pop("then", None)
            plain.pop("else", None)
        if "not" in plain and (refused := self.negate(plain["not"])) is not None:
            del plain["not"]
            parts.append(refused)
        for name, needs in plain.pop("dependentRequired", {}).items():
            if needs:
                parts.append({"anyOf": [*_lacking(name), {"required": [name, *needs]}]})
        for name, needs in plain.pop("dependentSchemas", {}).items():
            parts.append({"anyOf": [*_lacking(name), _both({"required": [name]}, needs)]})
        if "oneOf" in plain and (either := self._exclusive(plain["oneOf"])) is not None:
            if "anyOf" in plain:
                del plain["oneOf"]
                parts.append({"anyOf": either})
            else:  # in its place: properties come in the order of the document
                plain = {"anyOf" if k == "oneOf" else k: either if k == "oneOf" else v for k, v in plain.items()}
        if parts:
            plain["allOf"] = [*plain.get("allOf", []), *parts]
        return with_children(plain, lambda _, part: self.write(part))

    def resolve(self, schema: Any, depth: int = 8) -> Any:
        """What a reference without siblings names."""
        while isinstance(schema, dict) and set(schema) - set(ANNOTATIONS) == {"$ref"} and depth:
            schema, depth = self.definitions.get(schema["$ref"].removeprefix("#/$defs/"), True), depth - 1
        return schema

    def _evaluated(self, schema: dict[str, Any]) -> dict[str, Any]:
        """`unevaluatedProperties` as `additionalProperties`, where the names that are evaluated are known."""
        if "unevaluatedProperties" not in schema:
            return schema
        names = self._static_names({k: v for k, v in schema.items() if k != "unevaluatedProperties"})
        if names is None or "additionalProperties" in schema:
            return schema
        result = {key: value for key, value in schema.items() if key != "unevaluatedProperties"}
        result["properties"] = schema.get("properties", {}) | {
            n: True for n in names if n not in schema.get("properties", {})
        }
        return result | {"additionalProperties": schema["unevaluatedProperties"]}

    def _static_names(self, schema: Any, depth: int = 4) -> list[str] | None:
        if not isinstance(schema, dict):
            return [] if schema is True else None
        if depth == 0 or any(
            key in schema
            for key in (
                "anyOf",
                "oneOf",
                "if",
                "dependentSchemas",
                "patternProperties",
                "additionalProperties",
                "not",
                "unevaluatedProperties",
            )
        ):
            return None
        names = list(schema.get("properties", {}))
        below = list(schema.get("allOf", []))
        if "$ref" in schema:
            below.append(self.resolve({"$ref": schema["$ref"]}))
        for part in below:
            more = self._static_names(part, depth - 1)
            if more is None:
                return None
            names += more
        return list(dict.fromkeys(names))

    def _names_known(self, schema: dict[str, Any]) -> dict[str, Any]:
        """`propertyNames` as the names or the pattern that other properties must have."""
        names = self.resolve(schema.get("propertyNames"))
        if not isinstance(names, dict) or {"patternProperties", "additionalProperties"} & set(schema):
            return schema
        rest = {key: value for key, value in schema.items() if key != "propertyNames"}
        known = rest.get("properties", {})
        said = set(names) - set(ANNOTATIONS) - {"type"}
        if said == {"enum"}:
            shown = {name: known.get(name, True) for name in names["enum"] if isinstance(name, str)}
            return rest | {"properties": shown, "additionalProperties": False}
        if said == {"pattern"}:
            kept = {name: part for name, part in known.items() if re.search(names["pattern"], name)}
            if kept:  # the grammar wants names and patterns apart
                return schema
            return rest | {
                "properties": {},
                "patternProperties": {names["pattern"]: True},
                "additionalProperties": False,
            }
        return schema

    def _exclusive(self, branches: list[Any]) -> list[Any] | None:
        """Branches of `oneOf` as branches of `anyOf`, or None where it cannot be said exactly."""
        if len(branches) == 1:
            return list(branches)
        overlaps = [
            (a, b)
            for a in range(len(branches))
            for b in range(a + 1, len(branches))
            if not self.disjoint(branches[a], branches[b])
        ]
        if not overlaps:
            return list(branches)
        if len(branches) > MOST_BRANCHES:
            return None
        result = []
        for index, branch in enumerate(branches):
            others = [b if a == index else a for a, b in overlaps if index in (a, b)]
            refused = [self.negate(branches[other]) for other in others]
            if any(part is None for part in refused):
                return None
            result.append({"allOf": [branch, *refused]} if refused else branch)
        return result

    def _flat(self, schema: Any, depth: int = 4) -> Iterator[dict[str, Any]]:
        """The schema's own keywords and those of what it refers to and of its `allOf`."""
        schema = self.resolve(schema)
        if isinstance(schema, dict) and depth:
            yield schema
            if "$ref" in schema:
                yield from self._flat({"$ref": schema["$ref"]}, depth - 1)
            for part in schema.get("allOf", []):
                yield from self._flat(part, depth - 1)

    def disjoint(self, left: Any, right: Any, depth: int = 4) -> bool:
        """Whether it is certain that no value satisfies both."""
        left, right = self.resolve(left), self.resolve(right)
        if left is False or right is False:
            return True
        if not depth:
            return False
        mine, theirs = list(self._flat(left)), list(self._flat(right))
        if not _types(mine) & _types(theirs):
            return True
        for a, b in ((mine, theirs), (theirs, mine)):
            for part in a:
                if (values := _values(part)) is not None and not any(_may_hold(value, b) for value in values):
                    return True
        if _types(mine) & _types(theirs) == {"object"}:
            needs = {name for part in mine for name in part.get("required", [])}
            wants = {name for part in theirs for name in part.get("required", [])}
            for name in needs | wants:
                both = [_property(part, name) for part in mine], [_property(part, name) for part in theirs]
                if (name in needs and False in both[1]) or (name in wants and False in both[0]):
                    return True
                if name in needs & wants and any(self.disjoint(a, b, depth - 1) for a in both[0] for b in both[1]):
                    return True
        return False

    def negate(self, schema: Any, depth: int = MOST_DEPTH) -> Any:
        """A schema that exactly the other values satisfy, or None where it cannot be said."""
        schema = self.resolve(schema)
        if isinstance(schema, bool):
            return not schema
        if not isinstance(schema, dict) or not depth:
            return None
        found: list[Any] = []
        for key, value in schema.items():
            if key in ANNOTATIONS or key.startswith("x-") or key in ("then", "else"):
                continue
            parts = self._negated(key, value, schema, depth)
            if parts is None:
                return None
            found += parts
        if not found:
            return False
        return found[0] if len(found) == 1 else {"anyOf": found}

    def _negated(self, key: str, value: Any, schema: dict[str, Any], depth: int) -> list[Any] | None:
        """Branches for the values that break one keyword, or None."""
        other = lambda part: self.negate(part, depth - 1)
        if key == "type":
            return _other_types([value] if isinstance(value, str) else value)
        if key in ("const", "enum"):
            return _other_values([value] if key == "const" else value)
        if key == "required":
            return [{"type": "object", "properties": {name: False}} for name in value]
        if key == "properties":
            parts = []
            for name, part in value.items():
                refused = other(part)
                if refused is None:
                    return None
                if refused is not False:
                    parts.append({"type": "object", "properties": {name: refused}, "required": [name]})
            return parts
        if key in ("anyOf", "allOf"):
            refused = [other(part) for part in value]
            if any(part is None for part in refused):
                return None
            return [{"allOf": refused}] if key == "anyOf" else refused
        if key == "not":
            return [value]
        if key == "$ref":
            refused = other({"$ref": value})
            return None if refused is None else [refused]
        limits = {
            "minimum": ("number", "exclusiveMaximum", 0), "maximum": ("number", "exclusiveMinimum", 0),
            "exclusiveMinimum": ("number", "maximum", 0), "exclusiveMaximum": ("number", "minimum", 0),
            "minLength": ("string", "maxLength", -1), "maxLength": ("string", "minLength", 1),
            "minItems": ("array", "maxItems", -1), "maxItems": ("array", "minItems", 1),
            "minProperties": ("object", "maxProperties", -1), "maxProperties": ("object", "minProperties", 1),
        }  # fmt: skip
        if key in limits:
            kind, bound, step = limits[key]
            if value + step < 0 and step:
                return []
            return [{"type": kind, bound: value + step}]
        return None


def _whole(value: Any) -> Any:
    """Whole numbers without a fraction, as answers write them."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    return [_whole(item) for item in value] if isinstance(value, list) else value


def _both(left: Any, right: Any) -> Any:
    if left is True:
        return right
    return left if right is True else {"allOf": [left, right]}


def _lacking(name: str) -> list[Any]:
    """Branches of all values that have no such property."""
    return [{"type": [t for t in TYPES if t != "object"]}, {"type": "object", "properties": {name: False}}]


def _types(parts: list[dict[str, Any]]) -> set[str]:
    """The types that a value may have; integers count as numbers."""
    possible = set(TYPES)
    for part in parts:
        if "type" in part:
            kinds = [part["type"]] if isinstance(part["type"], str) else part["type"]
            possible &= {"number" if kind == "integer" else kind for kind in kinds}
        if (values := _values(part)) is not None:
            possible &= {_type_of(value) for value in values}
    return possible


def _type_of(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else "boolean"
    return {dict: "object", list: "array", str: "string"}.get(type(value), "number")


def _values(part: dict[str, Any]) -> list[Any] | None:
    return [part["const"]] if "const" in part else part.get("enum")


def _may_hold(value: Any, parts: list[dict[str, Any]]) -> bool:
    key = json.dumps(value, sort_keys=True)
    if _type_of(value) not in _types(parts):
        return False
    return all(
        values is None or any(json.dumps(v, sort_keys=True) == key for v in values) for values in map(_values, parts)
    )


def _property(part: dict[str, Any], name: str) -> Any:
    """What a part says of a property: a schema, True where nothing."""
    if name in part.get("properties", {}):
        return part["properties"][name]
    if any(re.search(pattern, name) for pattern in part.get("patternProperties", {})):
        return True
    return part.get("additionalProperties", True)


def _other_types(kinds: list[str]) -> list[Any] | None:
    if "integer" in kinds and "number" not in kinds:
        return None
    rest = [t for t in TYPES if t not in kinds]
    return [{"type": rest}] if rest else []


def _other_values(values: list[Any]) -> list[Any] | None:
    """Branches for every value but these; None for objects and arrays."""
    by_type: dict[str, list[Any]] = {}
    for value in values:
        by_type.setdefault(_type_of(value), []).append(value)
    if {"object", "array"} & set(by_type):
        return None
    result: list[Any] = [{"type": [t for t in TYPES if t not in by_type]}]
    if "boolean" in by_type:
        result += [{"const": value} for value in (True, False) if value not in by_type["boolean"]]
    if "string" in by_type:
        result.append({"type": "string", "pattern": _none_of(by_type["string"])})
    if "number" in by_type:
        edges = sorted(set(by_type["number"]))
        result.append({"type": "number", "exclusiveMaximum": edges[0]})
        result += [{"type": "number", "exclusiveMinimum": a, "exclusiveMaximum": b} for a, b in pairwise(edges)]
        result.append({"type": "number", "exclusiveMinimum": edges[-1]})
    return result


def _none_of(words: list[str]) -> str:
    """A regular expression of every string but these: each way to leave their tree of beginnings."""
    known = set(words)
    beginnings = sorted({word[:cut] for word in words for cut in range(len(word) + 1)})
    quoted = lambda text: "".join(re.escape(c) for c in text)
    ways = []
    for beginning in beginnings:
        following = {
            word[len(beginning)] for word in words if word.startswith(beginning) and len(word) > len(beginning)
        }
        if beginning not in known:
            ways.append(quoted(beginning))
        inside = "".join("\\" + c if c in "\\]^-[" else c for c in sorted(following))
        ways.append(quoted(beginning) + (f"[^{inside}]" if following else "[\\s\\S]") + "[\\s\\S]*")
    return "^(" + "|".join(ways) + ")$"


def to_format(schema: Any) -> Any:
    """`to_grammar` for servers whose grammars know less: references written out, `const` as a one-element `enum`."""
    grammar = to_grammar(schema)
    return _simple(grammar, grammar.get("$defs", {}) if isinstance(grammar, dict) else {}, 3)


def _simple(schema: Any, definitions: dict[str, Any], levels: int) -> Any:
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        return _simple(definitions.get(name, {}), definitions, levels - 1) if levels else {}
    result: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "const":
            result["enum"] = [value]
        elif key != "$defs":
            result[key] = value
    return with_children(result, lambda _, part: _simple(part, definitions, levels))
