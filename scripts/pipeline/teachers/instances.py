"""Plausible instances of any JSON Schema (closed, draft 2020-12): enum values, formats, examples, sizes like people's.

An instance is drawn along the schema and then validated; what the walk cannot see (`not`, `contains`, bounds that work
together) is left to drawing again.
"""

from __future__ import annotations

import base64
import random
import re
import uuid
from datetime import date, timedelta
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as sre_parser  # type: ignore[attr-defined]
from typing import Any

from pipeline.requests.places import of_clocks
from pipeline.schemas.asts import SchemaJudge
from pipeline.schemas.names import words_of

MOST_DEPTH = 8
TRIES = 40
WORDS = (
    "spring", "north", "blue", "river", "garden", "lemon", "stone", "paper", "silver", "maple", "harbor", "violet", "copper",
    "meadow", "atlas", "amber", "cedar", "orbit", "pearl", "summit", "delta", "coral", "willow", "ember", "canyon",
    "annual", "apple", "autumn", "bakery", "balance", "basic", "bicycle", "board", "bottle", "bread", "bridge", "bright",
    "budget", "camera", "candle", "carpet", "castle", "chair", "cheese", "city", "clock", "cloud", "coffee", "concert", "corner",
    "cotton", "dance", "desk", "doctor", "double", "dinner", "engine", "evening", "family", "feather", "field", "fitness",
    "flower", "forest", "fresh", "future", "gallery", "glass", "gold", "green", "guitar", "hammer", "history", "holiday",
    "honey", "house", "island", "jacket", "journey", "kitchen", "ladder", "lamp", "leather", "library", "light", "market",
    "medium", "mirror", "modern", "morning", "mountain", "museum", "music", "ocean", "office", "olive", "orange", "painting",
    "pepper", "piano", "picture", "planet", "poetry", "pocket", "quiet", "rabbit", "radio", "rain", "report", "rocket",
    "salad", "school", "season", "shadow", "simple", "smart", "station", "story", "street", "studio", "sugar", "summer",
    "table", "team", "ticket", "tiger", "tomato", "tower", "travel", "village", "water", "weekend", "window", "winter",
    "wooden", "yellow",
)  # fmt: skip
FIRST, LAST = (
    ("Ada", "Noor", "Luc", "Mina", "Omar", "Rosa", "Ivan", "Lea"),
    ("Martin", "Garcia", "Chen", "Novak", "Diaz"),
)
PEOPLE = {
    "author", "owner", "user", "person", "customer", "organizer", "assignee", "guest", "passenger", "client", "contact",
    "buyer", "sender", "recipient", "patient", "student", "coach", "manager",
}  # fmt: skip
STREETS = ("Street", "Lane", "Road", "Avenue", "Square")
CITIES = ("Paris", "Lyon", "Quito", "Oslo", "Turin", "Lima", "Ghent", "Osaka")
DOMAINS = ("example.com", "example.org", "example.net")


class NoInstance(Exception):
    """Nothing was found that satisfies a schema."""


class Sampler:
    """Instances of one schema."""

    def __init__(self, schema: Any, judge: SchemaJudge | None = None) -> None:
        self.schema = schema
        self.definitions = schema.get("$defs", {}) if isinstance(schema, dict) else {}
        self.judge = judge or SchemaJudge(schema)

    def sample(self, rng: random.Random, tries: int = TRIES) -> Any:
        """A valid instance, its keys in the schema's order. Raises NoInstance where none is found in `tries` draws."""
        for attempt in range(tries):
            try:
                # Later draws take fewer optional parts: what fails is most often something optional.
                value = self._draw(self.schema, rng, 0, "", 0.55 * (1 - attempt / tries))
            except (NoInstance, RecursionError, ValueError, KeyError, TypeError, IndexError):
                continue
            if self.judge.validator.is_valid(value):
                return value
        raise NoInstance

    def _merged(self, schema: Any, rng: random.Random, depth: int = 0) -> Any:
        """One object of keywords: references resolved, `allOf` taken together, one branch of each choice taken."""
        if isinstance(schema, bool):
            if not schema:
                raise NoInstance
            return {}
        if depth > 12:
            raise NoInstance
        result = {
            k: v
            for k, v in schema.items()
            if k not in ("$ref", "allOf", "anyOf", "oneOf", "if", "then", "else", "$defs")
        }
        more: list[Any] = []
        if "$ref" in schema:
            more.append(self.definitions[schema["$ref"].removeprefix("#/$defs/")])
        more += schema.get("allOf", [])
        for key in ("anyOf", "oneOf"):
            if key in schema:
                branches = [b for b in schema[key] if b is not False]
                plain = [b for b in branches if b != {"type": "null"}]
                more.append(rng.choice(plain if plain and rng.random() < 0.85 else branches))
        if "if" in schema:
            more += [schema["if"], schema.get("then", True)] if rng.random() < 0.6 else [schema.get("else", True)]
        for part in more:
            result = intersect(result, self._merged(part, rng, depth + 1))
        return result

    def _draw(self, schema: Any, rng: random.Random, depth: int, name: str, optional: float) -> Any:
        if depth > MOST_DEPTH:
            raise NoInstance
        merged = self._merged(schema, rng)
        if "const" in merged:
            return merged["const"]
        if "enum" in merged:
            return rng.choice(merged["enum"])
        shown = [*merged.get("examples", []), *([merged["default"]] if "default" in merged else [])]
        if shown and rng.random() < 0.3:
            return rng.choice(shown)
        kind = _type(merged, rng)
        if kind == "object":
            return self._object(merged, rng, depth, optional)
        if kind == "array":
            return self._array(merged, rng, depth, name, optional)
        if kind == "string":
            return text_of(merged, rng, name)
        if kind == "boolean":
            return rng.random() < 0.5
        return None if kind == "null" else number_of(merged, kind, rng)

    def _object(self, merged: dict[str, Any], rng: random.Random, depth: int, optional: float) -> dict[str, Any]:
        known: dict[str, Any] = merged.get("properties", {})
        needed = set(merged.get("required", []))
        share = optional / (1 + depth / 2)
        wanted = needed | {name for name in known if known[name] is not False and rng.random() < share}
        least, most = merged.get("minProperties", 0), merged.get("maxProperties", 1_000)
        possible = [name for name in known if name not in wanted and known[name] is not False]
        rng.shuffle(possible)
        while len(wanted) < max(least, 1 if known and depth < MOST_DEPTH // 2 else 0) and possible:
            wanted.add(possible.pop())
        for name in [n for n in wanted if n not in needed]:
            if len(wanted) > most:
                wanted.discard(name)
        for _ in range(3):
            for name, more in merged.get("dependentRequired", {}).items():
                if name in wanted:
                    wanted |= set(more)
        for name, part in merged.get("dependentSchemas", {}).items():
            if name in wanted:
                extra = {k: v for k, v in merged.items() if k != "dependentSchemas"}
                return self._object(
                    intersect(extra, self._merged(part, rng)) | {"required": sorted(wanted)}, rng, depth, optional
                )
        result = {}
        for name in [*known, *sorted(wanted - set(known))]:
            if name in wanted:
                result[name] = self._draw(self._part(merged, name), rng, depth + 1, name, optional)
        while len(result) < least:
            name = self._new_name(merged, rng)
            if name not in result:
                result[name] = self._draw(self._part(merged, name), rng, depth + 1, name, optional)
        return result

    def _part(self, merged: dict[str, Any], name: str) -> Any:
        parts = [part for pattern, part in merged.get("patternProperties", {}).items() if re.search(pattern, name)]
        if name in merged.get("properties", {}):
            parts.insert(0, merged["properties"][name])
        if not parts:
            return merged.get("additionalProperties", merged.get("unevaluatedProperties", True))
        return parts[0] if len(parts) == 1 else {"allOf": parts}

    def _new_name(self, merged: dict[str, Any], rng: random.Random) -> str:
        patterns = list(merged.get("patternProperties", {}))
        if patterns and (merged.get("additionalProperties", True) is False or rng.random() < 0.7):
            return matching(rng.choice(patterns), rng)
        if isinstance(merged.get("propertyNames"), dict):
            return str(
                self._draw(
                    {"type": "string", **self._merged(merged["propertyNames"], rng)}, rng, MOST_DEPTH - 1, "", 0.0
                )
            )
        return rng.choice(WORDS)

    def _array(self, merged: dict[str, Any], rng: random.Random, depth: int, name: str, optional: float) -> list[Any]:
        first, rest = merged.get("prefixItems", []), merged.get("items", merged.get("unevaluatedItems", True))
        least, most = merged.get("minItems", 0), merged.get("maxItems", 1_000)
        held = range(len(first), len(first) + merged.get("minContains", 1)) if "contains" in merged else range(0)
        least = max(least, held.stop)
        count = max(least, min(most, len(first) if first else rng.choice((1, 1, 2, 2, 3))))
        if rest is False:
            count = min(count, len(first))
        if depth > MOST_DEPTH // 2:
            count = least
        result: list[Any] = []
        for index in range(count):
            part = first[index] if index < len(first) else rest
            if index in held:
                part = {"allOf": [rest, merged["contains"]]}
            for _ in range(8):
                value = self._draw(part, rng, depth + 1, name.removesuffix("s"), optional)
                if value not in result:  # nobody lists a thing twice
                    break
            else:
                if index >= least:
                    break
            result.append(value)
        return result


def _type(merged: dict[str, Any], rng: random.Random) -> str:
    kinds = merged.get("type")
    if isinstance(kinds, list):
        plain = [kind for kind in kinds if kind != "null"]
        if not kinds:
            raise NoInstance
        return rng.choice(plain if plain and rng.random() < 0.9 else kinds)
    if kinds:
        return str(kinds)
    hints = {
        "object": ("properties", "required", "additionalProperties", "patternProperties", "minProperties", "maxProperties",
                   "propertyNames", "dependentRequired", "dependentSchemas"),
        "array": ("items", "prefixItems", "minItems", "maxItems", "contains", "uniqueItems"),
        "string": ("pattern", "minLength", "maxLength", "format"),
        "number": ("minimum", "maximum", "multipleOf", "exclusiveMinimum", "exclusiveMaximum"),
    }  # fmt: skip
    for kind, keys in hints.items():
        if any(key in merged for key in keys):
            return kind
    return rng.choice(("string", "string", "integer", "boolean"))


def intersect(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    """One object of keywords for two that both apply; what cannot be said in one stays with the left."""
    result = dict(left)
    for key, value in right.items():
        if key not in result:
            result[key] = value
        elif key in ("properties", "patternProperties", "dependentSchemas"):
            both = dict(result[key])
            for name, part in value.items():
                both[name] = {"allOf": [both[name], part]} if name in both else part
            result[key] = both
        elif key == "required":
            result[key] = [*result[key], *(name for name in value if name not in result[key])]
        elif key == "dependentRequired":
            result[key] = {**value, **result[key]}
        elif key == "type":
            result[key] = _common_types(result[key], value)
        elif key == "enum":
            result[key] = [item for item in result[key] if item in value]
            if not result[key]:
                raise NoInstance
        elif key in ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"):
            result[key] = max(result[key], value)
        elif key in ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"):
            result[key] = min(result[key], value)
        elif key in ("items", "additionalProperties"):
            result[key] = {"allOf": [result[key], value]} if False not in (result[key], value) else False
    return result


def _common_types(left: Any, right: Any) -> list[str]:
    mine, theirs = ([v] if isinstance(v, str) else list(v) for v in (left, right))
    both = [k for k in mine if k in theirs or (k == "integer" and "number" in theirs)]
    both += [k for k in theirs if k == "integer" and "number" in mine and k not in both]
    if not both:
        raise NoInstance
    return both


def number_of(merged: dict[str, Any], kind: str, rng: random.Random) -> int | float:
    """A number within its bounds; round ones are likelier."""
    step = merged.get("multipleOf")
    whole = kind == "integer" or (step is not None and float(step).is_integer())
    unit = step or (1 if whole else 0.01)
    low, high = merged.get("minimum"), merged.get("maximum")
    if (edge := merged.get("exclusiveMinimum")) is not None:
        low = max(low if low is not None else edge + unit, edge + unit)
    if (edge := merged.get("exclusiveMaximum")) is not None:
        high = min(high if high is not None else edge - unit, edge - unit)
    wide = rng.choice((12, 99, 500, 5_000))
    low = (high - wide if high is not None else rng.choice((0, 1))) if low is None else low
    high = low + wide if high is None else high
    if low > high:
        if (edge := merged.get("exclusiveMinimum")) is None or merged.get("exclusiveMaximum") is None:
            raise NoInstance
        return (edge + merged["exclusiveMaximum"]) / 2
    if step:
        first, last = -(-low // step), high // step
        if first > last:
            raise NoInstance
        value = rng.randint(int(first), int(min(last, first + 1_000))) * step
        return round(value, 10) if isinstance(value, float) else value
    if whole:
        return rng.randint(int(-(-low // 1)), int(high // 1))
    value = round(rng.uniform(low, high), rng.choice((0, 1, 2)))
    return value if low <= value <= high else (low + high) / 2


def text_of(merged: dict[str, Any], rng: random.Random, name: str) -> str:
    """A string by its format, its pattern, its name and its length."""
    shortest, longest = merged.get("minLength", 0), merged.get("maxLength", 10_000)
    if "pattern" in merged:
        clock = f"{rng.randint(0, 23):02}:{5 * rng.randint(0, 11):02}" if of_clocks(merged["pattern"]) else ""
        return clock if clock and re.search(merged["pattern"], clock) else matching(merged["pattern"], rng)
    made = formatted(merged.get("format", ""), rng)
    if made is None:
        made = named(name, rng)
    while len(made) < shortest:
        made += " " + rng.choice(WORDS) if shortest - len(made) > 3 else rng.choice("abcdefgh")
    return made[:longest].strip() if len(made) > longest else made


def _day(rng: random.Random) -> date:
    return date(2023, 1, 1) + timedelta(days=rng.randrange(1_200))


def formatted(kind: str, rng: random.Random) -> str | None:
    """A string of a format of JSON Schema; None for one that is not known."""
    day, hour = _day(rng).isoformat(), f"{rng.randint(7, 21):02d}:{rng.choice((0, 15, 30, 45)):02d}:00"
    host = rng.choice(DOMAINS)
    made = {
        "date": day, "time": f"{hour}Z", "date-time": f"{day}T{hour}Z", "duration": f"PT{rng.randint(1, 12)}H",
        "email": f"{rng.choice(FIRST).lower()}@{host}", "idn-email": f"{rng.choice(FIRST).lower()}@{host}", "hostname": host,
        "idn-hostname": host, "ipv4": f"192.0.2.{rng.randint(1, 254)}", "ipv6": f"2001:db8::{rng.randint(1, 99)}",
        "uri": f"https://{host}/{rng.choice(WORDS)}", "iri": f"https://{host}/{rng.choice(WORDS)}",
        "uri-reference": f"/{rng.choice(WORDS)}", "iri-reference": f"/{rng.choice(WORDS)}",
        "uri-template": f"https://{host}/{{id}}", "json-pointer": f"/{rng.choice(WORDS)}",
        "relative-json-pointer": "1/" + rng.choice(WORDS), "regex": f"^{rng.choice(WORDS)}$",
        "uuid": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "byte": base64.b64encode(rng.choice(WORDS).encode()).decode(), "color": f"#{rng.randrange(1 << 24):06x}",
    }  # fmt: skip
    return made.get(kind)


def named(name: str, rng: random.Random) -> str:
    """What people would put under a name, as far as the name tells."""
    words = re.findall(r"[a-z]+", words_of(name))
    if "email" in words or "mail" in words:
        return formatted("email", rng) or ""
    if {"url", "uri", "link", "website", "href"} & set(words):
        return formatted("uri", rng) or ""
    if "date" in words or "day" in words:
        return _day(rng).isoformat()
    if {"city", "place", "town", "location"} & set(words):
        return rng.choice(CITIES)
    if {"street", "address"} & set(words):
        number, street = rng.randint(1, 180), f"{rng.choice(WORDS).title()} {rng.choice(STREETS)}"
        return f"{number} {street}" if rng.random() < 0.7 else f"{street} {number}"
    if {"phone", "tel", "telephone", "mobile", "fax"} & set(words):
        return f"{rng.randint(100, 999)}-{rng.randint(0, 9999):04d}"
    if {"host", "server", "machine", "node", "device"} & set(words):
        return f"{rng.choice(WORDS)}-{rng.randint(1, 40)}"
    if PEOPLE & set(words) or ("name" in words and rng.random() < 0.5):
        return f"{rng.choice(FIRST)} {rng.choice(LAST)}" if rng.random() < 0.8 else rng.choice(FIRST)
    if {"id", "sku", "code", "key", "ref"} & set(words):
        return f"{rng.choice(WORDS)[:2]}-{rng.randint(10, 999)}"
    return " ".join(rng.sample(WORDS, rng.choice((1, 2, 2, 3))))


def matching(pattern: str, rng: random.Random) -> str:
    """A string that a regular expression matches. Raises NoInstance where it is not found in a few draws."""
    try:
        tree = sre_parser.parse(pattern)
    except re.error:
        raise NoInstance from None
    for _ in range(12):
        made = _from_tree(tree, rng, {})
        if re.search(pattern, made):
            return made
    raise NoInstance


def _class_of(items: Any, rng: random.Random) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_. "
    if items and items[0][0] is sre.NEGATE:
        refused = {c for c in map(chr, range(32, 127)) for item in items[1:] if _in_item(c, item)}
        left = [c for c in letters if c not in refused]
        return rng.choice(left or [chr(160)])
    item = rng.choice(items)
    if item[0] is sre.LITERAL:
        return chr(item[1])
    if item[0] is sre.RANGE:
        return chr(rng.randint(*item[1]))
    possible = [c for c in letters if _in_item(c, item)]
    return rng.choice(possible or ["a"])


def _in_item(char: str, item: Any) -> bool:
    kind, value = item
    if kind is sre.LITERAL:
        return ord(char) == value
    if kind is sre.RANGE:
        return bool(value[0] <= ord(char) <= value[1])
    tests = {
        sre.CATEGORY_DIGIT: char.isdigit(), sre.CATEGORY_NOT_DIGIT: not char.isdigit(),
        sre.CATEGORY_SPACE: char.isspace(), sre.CATEGORY_NOT_SPACE: not char.isspace(),
        sre.CATEGORY_WORD: char.isalnum() or char == "_", sre.CATEGORY_NOT_WORD: not (char.isalnum() or char == "_"),
    }  # fmt: skip
    return bool(tests.get(value, False))


def _from_tree(tree: Any, rng: random.Random, groups: dict[int, str]) -> str:
    made = ""
    for kind, value in tree:
        if kind is sre.LITERAL:
            made += chr(value)
        elif kind is sre.NOT_LITERAL:
            made += rng.choice([c for c in "abcxyz019" if ord(c) != value])
        elif kind is sre.ANY:
            made += rng.choice("abcdefghijklmnop")
        elif kind is sre.IN:
            made += _class_of(value, rng)
        elif kind is sre.BRANCH:
            made += _from_tree(rng.choice(value[1]), rng, groups)
        elif kind is sre.SUBPATTERN:
            text = _from_tree(value[3], rng, groups)
            if value[0]:
                groups[value[0]] = text
            made += text
        elif kind in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            least, most, part = value
            count = rng.randint(least, min(int(most), least + rng.choice((1, 3, 6))))
            made += "".join(_from_tree(part, rng, groups) for _ in range(count))
        elif kind is sre.GROUPREF:
            made += groups.get(value, "")
        elif kind is sre.ATOMIC_GROUP:
            made += _from_tree(value, rng, groups)
    return made
