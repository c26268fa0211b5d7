"""A folder of JSON Schemas of any draft, read as closed documents of draft 2020-12.

Every schema becomes one document that refers to nothing outside itself: references are resolved inside the folder, what
they name moves to `$defs`, and older drafts' keywords are written as 2020-12 says them. Nothing is ever fetched.
"""

from __future__ import annotations

import json
import re
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from jsonschema.validators import validator_for
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012, UnknownDialect, specification_with

from pipeline.errors import UserError
from pipeline.schemas.names import words_of

MOST_BYTES = 200_000
MOST_DEPTH = 60
ONE, MANY, NAMED = "one", "many", "named"
SUBSCHEMAS = {
    "not": ONE, "if": ONE, "then": ONE, "else": ONE, "contains": ONE, "propertyNames": ONE, "items": ONE,
    "additionalProperties": ONE, "unevaluatedProperties": ONE, "unevaluatedItems": ONE, "contentSchema": ONE,
    "allOf": MANY, "anyOf": MANY, "oneOf": MANY, "prefixItems": MANY,
    "properties": NAMED, "patternProperties": NAMED, "dependentSchemas": NAMED,
}  # fmt: skip
"""Keywords of 2020-12 that hold schemas: one, a list, or by name."""
IN_PLACE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas")
"""Those of them whose schemas speak of the same value as the schema around them; so does `$ref`."""
APPLIED = tuple(key for key in IN_PLACE if key != "not")
"""Keywords whose schemas say something of the same value."""
ITEMS = ("prefixItems", "items", "contains")
"""Keywords whose schemas say something of a list's items."""
IDENTITY = (
    "$id",
    "id",
    "$schema",
    "$anchor",
    "$dynamicAnchor",
    "$recursiveAnchor",
    "$defs",
    "definitions",
    "$vocabulary",
)
SINCE = {
    6: ("const", "contains", "propertyNames", "examples"),
    7: ("if", "then", "else"),
    2019: (
        "dependentRequired", "dependentSchemas", "unevaluatedProperties", "unevaluatedItems", "minContains",
        "maxContains",
    ),
    2020: ("prefixItems",),
}  # fmt: skip
"""Keywords that drafts before the number do not know."""
DRAFTS = {"draft-04": 4, "draft-06": 6, "draft-07": 7, "2019-09": 2019, "2020-12": 2020}


def children(schema: dict[str, Any]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """(path, subschema) of a 2020-12 schema's direct subschemas."""
    for key, shape in SUBSCHEMAS.items():
        value = schema.get(key)
        if shape == ONE and key in schema:
            yield (key,), value
        elif shape == MANY and isinstance(value, list):
            yield from (((key, index), part) for index, part in enumerate(value))
        elif shape == NAMED and isinstance(value, dict):
            yield from (((key, name), part) for name, part in value.items())


def with_children(schema: dict[str, Any], change: Callable[[str, Any], Any]) -> dict[str, Any]:
    """A copy of a schema, each direct subschema as `change` of its keyword and of itself; keys stay in their order."""
    result = dict(schema)
    for path, part in children(schema):
        key = str(path[0])
        if len(path) == 1:
            result[key] = change(key, part)
        else:
            if result[key] is schema[key]:
                result[key] = schema[key].copy()
            result[key][path[1]] = change(key, part)
    return result


def reachable(schemas: list[Any], definitions: dict[str, Any]) -> list[dict[str, Any]]:
    """All objects of keywords that may apply to a value: references, `allOf` and every branch of a choice."""
    found: list[dict[str, Any]] = []
    waiting, seen = list(schemas), set()
    while waiting:
        part = waiting.pop(0)
        if not isinstance(part, dict) or id(part) in seen:
            continue
        seen.add(id(part))
        found.append(part)
        if "$ref" in part:
            waiting.append(definitions.get(part["$ref"].removeprefix("#/$defs/"), True))
        waiting += [below for path, below in children(part) if path[0] in APPLIED]
    return found


def properties_in(schemas: list[Any], definitions: dict[str, Any], *, items: bool = False) -> dict[str, list[Any]]:
    """Names of the properties that an object may have under these schemas, each with its schemas, in the order of the
    document.

    References to `definitions` and what applies in place are gone through, and with `items` what lists hold, too.
    """
    found: dict[str, list[Any]] = {}
    seen: set[int] = set()

    def walk(part: Any) -> None:
        if not isinstance(part, dict) or id(part) in seen:
            return
        seen.add(id(part))
        for key, value in part.items():
            if key == "properties":
                for name, below in value.items():
                    found.setdefault(name, []).append(below)
            elif key == "$ref":
                walk(definitions.get(value.removeprefix("#/$defs/"), True))
            elif key in APPLIED or (items and key in ITEMS):
                for _, below in children({key: value}):
                    walk(below)

    for schema in schemas:
        walk(schema)
    return found


def depth_of(value: Any) -> int:
    """Levels of nesting of a JSON value, without recursion."""
    deepest, open_values = 0, [(value, 1)]
    while open_values:
        part, level = open_values.pop()
        deepest = max(deepest, level)
        if isinstance(part, dict | list):
            open_values += [(item, level + 1) for item in (part.values() if isinstance(part, dict) else part)]
    return deepest


def read_document(path: Path) -> Any:
    """The JSON value of a schema's file. Raises UserError naming file, line and what is wrong."""
    if path.suffix.lower() in (".yaml", ".yml"):
        raise UserError(f"{path} is YAML; write the schema as JSON")
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise UserError(f"{path} has {size} bytes; a schema may have {MOST_BYTES}, since a student reads it whole")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{path} line {error.lineno} is not JSON: {error.msg}; mend that line") from None
    except RecursionError:
        raise UserError(f"{path} is nested too deeply; a schema may have {MOST_DEPTH} levels") from None
    if (levels := depth_of(value)) > MOST_DEPTH:
        raise UserError(f"{path} has {levels} levels of nesting; a schema may have {MOST_DEPTH}")
    if not isinstance(value, dict | bool):
        raise UserError(f"{path} holds {type(value).__name__}, which is no JSON Schema")
    return value


def draft_of(document: Any) -> tuple[int, Any]:
    """(4, 6, 7, 2019 or 2020; its specification) by `$schema`, 2020-12 where it is missing or of no known draft."""
    uri = document.get("$schema", "") if isinstance(document, dict) else ""
    for word, draft in DRAFTS.items():
        if isinstance(uri, str) and word in uri:
            try:
                return draft, specification_with(uri)
            except UnknownDialect:
                break
    return 2020, DRAFT202012


def check_schema(document: Any, place: str) -> None:
    """Raise UserError where a document is no schema of its draft."""
    checker = validator_for(document, Draft202012Validator) if draft_of(document)[0] != 2020 else Draft202012Validator
    try:
        checker.check_schema(document)
    except SchemaError as error:
        at = "/".join(map(str, error.absolute_path)) or "the root"
        raise UserError(f"{place} is no JSON Schema: at {at}, {error.message[:200]}") from None


def refuse_fetch(uri: str) -> Any:
    """Nothing is fetched because a schema asks for it."""
    raise LookupError(uri)


def registry_of(documents: dict[str, Any]) -> Registry[Any]:
    """The documents by file name and by their own ids. Raises UserError where two have one id."""
    from jsonschema_specifications import REGISTRY  # the drafts' own schemas, in a package

    owner: dict[str, str] = {}
    registry: Registry[Any] = Registry(retrieve=refuse_fetch).combine(REGISTRY)
    for name, document in documents.items():
        resource = Resource(contents=document, specification=draft_of(document)[1])
        registry = registry.with_resource(f"file:///{name}", resource)
        own = resource.id()
        if own:
            if own in owner:
                raise UserError(f"{name} and {owner[own]} have the same $id {own}; give each its own")
            owner[own] = name
            registry = registry.with_resource(own, resource)
        try:
            registry = registry.crawl()
        except (AttributeError, TypeError):  # of `referencing`, which takes these for subschemas
            raise UserError(
                f"{name} has something in place of a subschema that the search for references cannot read: lists beside "
                'schemas under "dependencies" (write {"required": [...]} for a list), or a part of an older draft '
                '("$schema" inside) with true or false for a schema (take that "$schema" away)'
            ) from None
    return registry


class Bundler:
    """Writes one document of a registry as a closed schema of 2020-12."""

    def __init__(self, registry: Registry[Any], name: str, document: Any) -> None:
        self.name, self.document = name, document
        self.root = registry.resolver(base_uri=f"file:///{name}")
        self.names: dict[int, str] = {}
        self.definitions: dict[str, Any] = {}
        self.waiting: list[tuple[str, Any, Any, int]] = []
        self.held: list[Any] = []

    def bundle(self) -> Any:
        """The closed schema. Raises UserError for a reference that the folder does not hold."""
        if isinstance(self.document, bool):
            return self.document
        draft = draft_of(self.document)[0]
        resolver = self.root.in_subresource(Resource(self.document, draft_of(self.document)[1]))
        result = self._write(self.document, resolver, draft, ())
        while self.waiting:
            name, contents, found, its_draft = self.waiting.pop()
            self.definitions[name] = self._write(contents, found, its_draft, ("$defs", name))
        if isinstance(result, dict) and self.definitions:
            result["$defs"] = dict(sorted(self.definitions.items()))
        endless = endless_reference(result)
        if endless:
            raise UserError(f"{self.name}: the reference {endless} leads back to itself without an end")
        return result

    def _check_static(self, key: str, reference: str) -> None:
        """Raise UserError where a dynamic reference may mean different schemas."""
        anchor = (
            '"$recursiveAnchor": true'
            if key == "$recursiveRef"
            else f'"$dynamicAnchor": "{reference.rpartition("#")[2]}"'
        )
        if json.dumps(self.document).count(anchor) > 1:
            raise UserError(
                f"{self.name}: {key} {reference!r} means different schemas in different places, which is not supported; "
                "write it as $ref"
            )

    def _definition(self, reference: str, resolver: Any, draft: int, place: tuple[str | int, ...]) -> str:
        at = "/".join(map(str, place)) or "the root"
        try:
            found = resolver.lookup(reference)
        except (Unresolvable, LookupError, ValueError):
            raise UserError(
                f"{self.name}: at {at}, $ref {reference!r} names nothing in the folder, and nothing is fetched; put the "
                "schema that it names beside this one"
            ) from None
        key = id(found.contents)
        if key not in self.names:
            self.held.append(found.contents)  # an id is good as long as its object lives
            stem = (
                re.sub(r"\W+", "_", reference.rstrip("/#").rpartition("/")[2].partition(".")[0].lstrip("#")) or "root"
            )
            name, number = stem, 2
            while name in self.names.values():
                name, number = f"{stem}_{number}", number + 1
            self.names[key] = name
            contents = found.contents
            own = draft_of(contents)[0] if isinstance(contents, dict) and "$schema" in contents else draft
            self.waiting.append((name, contents, found.resolver, own))
        return self.names[key]

    def _write(self, schema: Any, resolver: Any, draft: int, place: tuple[str | int, ...]) -> Any:
        if not isinstance(schema, dict):
            return schema
        specification = next(
            (draft_of({"$schema": word})[1] for word, number in DRAFTS.items() if number == draft), DRAFT202012
        )
        if place and not (draft <= 7 and "$ref" in schema):  # there a reference's siblings say nothing, its $id neither
            resolver = resolver.in_subresource(Resource(schema, specification))
        reference = next(
            (schema[k] for k in ("$ref", "$dynamicRef", "$recursiveRef") if isinstance(schema.get(k), str)), None
        )
        if reference is not None and draft <= 7:
            if "$ref" not in schema:
                reference = None
            else:
                return {"$ref": f"#/$defs/{self._definition(reference, resolver, draft, place)}"}
        modern = modernise(schema, draft)
        result: dict[str, Any] = {}
        for key, value in modern.items():
            if key in IDENTITY:
                continue
            if key in ("$ref", "$dynamicRef", "$recursiveRef"):
                if key != "$ref":
                    self._check_static(key, value)
                target = {"$ref": f"#/$defs/{self._definition(value, resolver, draft, place)}"}
                if "$ref" in result:
                    result.setdefault("allOf", []).append(target)
                else:
                    result |= target
                continue
            below = lambda part, *path, key=key: self._write(part, resolver, draft, (*place, key, *path))
            shape = SUBSCHEMAS.get(key)
            if shape == ONE:
                result[key] = below(value)
            elif shape == MANY:
                result[key] = [*result.get(key, []), *(below(part, index) for index, part in enumerate(value))]
            elif shape == NAMED:
                result[key] = {name: below(part, name) for name, part in value.items()}
            else:
                result[key] = value
        return result


def modernise(schema: dict[str, Any], draft: int) -> dict[str, Any]:
    """One level of a schema with its keywords as 2020-12 says them; unknown to its draft, a keyword is left out."""
    unknown = {key for since, keys in SINCE.items() if draft < since for key in keys}
    result = {key: value for key, value in schema.items() if key not in unknown}
    if draft == 4:
        for bound in ("minimum", "maximum"):
            exclusive = "exclusive" + bound.capitalize()
            if isinstance(result.get(exclusive), bool):
                strict = result.pop(exclusive)
                if strict and bound in result:
                    result[exclusive] = result.pop(bound)
    if draft < 2020:
        more = result.pop("additionalItems", None)
        if isinstance(result.get("items"), list):
            first = result.pop("items")
            if first:
                result["prefixItems"] = first
            if more is not None:
                result["items"] = more
        if draft <= 7:
            for name, needs in (result.pop("dependencies", None) or {}).items():
                names = [needs] if isinstance(needs, str) else needs
                key = "dependentRequired" if isinstance(names, list) else "dependentSchemas"
                result.setdefault(key, {})[name] = names
    else:
        result.pop("additionalItems", None)
        result.pop("dependencies", None)
    return result


def endless_reference(schema: Any) -> str | None:
    """A reference that applies itself again to the same value, or None."""
    if not isinstance(schema, dict):
        return None
    definitions = schema.get("$defs", {})

    def applied(part: Any) -> Iterator[str]:
        if not isinstance(part, dict):
            return
        if "$ref" in part:
            yield part["$ref"].removeprefix("#/$defs/")
        for path, below in children(part):
            if path[0] in IN_PLACE:
                yield from applied(below)

    links = {name: set(applied(part)) for name, part in definitions.items()}
    for start in links:
        open_names, seen = set(links[start]), set()
        while open_names:
            name = open_names.pop()
            if name == start:
                return start
            seen.add(name)
            open_names |= links.get(name, set()) - seen
    return None


def keywords_in(schema: Any) -> Iterator[dict[str, Any]]:
    """All objects of keywords in a closed schema, its definitions' among them."""
    open_parts = [schema, *(schema.get("$defs", {}).values() if isinstance(schema, dict) else ())]
    while open_parts:
        part = open_parts.pop()
        if isinstance(part, dict):
            yield part
            open_parts += [below for _, below in children(part)]


def patterns_of(schema: Any) -> Iterator[str]:
    """All regular expressions of a schema."""
    for part in keywords_in(schema):
        if isinstance(part.get("pattern"), str):
            yield part["pattern"]
        if isinstance(part.get("patternProperties"), dict):
            yield from part["patternProperties"]


def slow_pattern(pattern: str, seconds: float = 0.5) -> bool:
    """Whether matching takes longer than `seconds` on a short text made to mislead it (main thread only)."""
    if threading.current_thread() is not threading.main_thread() or not re.search(r"[*+}]", pattern):
        return False

    def stop(*_: Any) -> None:
        raise TimeoutError

    letters = {*re.findall(r"[A-Za-z0-9]", pattern), "a", "0", " ", "-", "."}
    previous, left = signal.signal(signal.SIGALRM, stop), signal.setitimer(signal.ITIMER_REAL, seconds)[0]
    try:
        for letter in sorted(letters):
            for text in (letter * 40, (letter + "a") * 20, (letter + "-") * 20):
                re.search(pattern, text + "\n!")
        return False
    except TimeoutError:
        return True
    except re.error:
        return False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        signal.setitimer(signal.ITIMER_REAL, left)  # the caller's own alarm goes on


def bad_pattern(schema: Any) -> str | None:
    """A pattern that cannot be used, with the reason, or None."""
    for pattern in patterns_of(schema):
        try:
            re.compile(pattern)
        except re.error as error:
            return f"the pattern {pattern!r} is no regular expression that Python reads: {error}"
        if slow_pattern(pattern):
            return f"the pattern {pattern!r} takes exponential time on some texts; write it without nested repeats"
    return None


def closed_schema(name: str, document: Any) -> Any:
    """One document, read by itself, as a closed schema, its title that of the file where it has none.

    Raises UserError as `read_folder` does.
    """
    if (levels := depth_of(document)) > MOST_DEPTH:
        raise UserError(f"{name} has {levels} levels of nesting; a schema may have {MOST_DEPTH}")
    check_schema(document, name)
    return _closed(registry_of({name: document}), name, document)


def _closed(registry: Registry[Any], name: str, document: Any) -> Any:
    schema = Bundler(registry, name, document).bundle()
    if problem := bad_pattern(schema):
        raise UserError(f"{name}: {problem}")
    if not isinstance(schema, dict) or "title" in schema:
        return schema
    return {"title": words_of(PurePath(name).stem)} | schema


def read_folder(folder: Path) -> dict[str, Any]:
    """{file name without its suffix: closed schema} of all schemas in a folder, in the order of their names.

    One without a title has that of its file.

    Raises UserError naming file and place: no folder, nothing in it, a file that is no JSON or no schema, two schemas
    of one `$id`, a reference that leaves the folder, one that has no end, a pattern of exponential time.
    """
    if not folder.is_dir():
        raise UserError(f"--schemas {folder} is no folder; name one with JSON Schemas in it")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".json", ".yaml", ".yml"))
    if not files:
        raise UserError(f"{folder} holds no .json file")
    documents: dict[str, Any] = {}
    for path in files:
        name = path.relative_to(folder).as_posix()
        documents[name] = read_document(path)
        check_schema(documents[name], str(path))
    registry = registry_of(documents)
    return {name.rpartition(".")[0]: _closed(registry, name, document) for name, document in documents.items()}
