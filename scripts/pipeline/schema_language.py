"""Requests for any JSON Schema: an instance said around the schema's own words in English or French, and read back.

The text holds every name, value and structure of the instance. Words are bare where they cannot be misread and quoted
where they could. What is said is read again; what does not come back the same is dropped and counted by its caller.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pipeline.calendar import read_day
from pipeline.json_schemas import properties_in, reachable
from pipeline.language import say_date
from pipeline.linking import words_of


@dataclass(frozen=True)
class Tongue:
    """The words of a language that hold a request together."""

    frames: tuple[str, ...]
    ends: tuple[str, ...]
    links: tuple[str, ...]
    ands: tuple[str, ...]
    yes: str
    no: str
    null: str
    only: str
    empty_list: str
    empty_object: str


TONGUES = {
    "en": Tongue(
        (
            "{what}: ", "I need {what} with ", "please make {what} with ", "create {what} where ", "new {what}, ", "",
            "can you write {what} with ", "set up {what}: ", "we want {what} with ", "add {what} having ",
        ),
        ("", "", "", ", please", ", thanks"),
        (" ", " ", " is ", ": ", " = ", " set to "), (" and ", " plus "),
        "yes", "no", "nothing", "only ", "an empty list", "no content",
    ),
    "fr": Tongue(
        (
            "{what} : ", "il me faut {what} avec ", "merci de faire {what} avec ", "cr\u00e9e {what} o\u00f9 ", "nouveau {what}, ", "",
            "peux-tu \u00e9crire {what} avec ", "pr\u00e9pare {what} : ", "on veut {what} avec ", "ajoute {what} ayant ",
        ),
        ("", "", "", ", merci", ", s'il te pla\u00eet"),
        (" ", " ", " est ", " : ", " = ", " vaut "), (" et ", " plus "),
        "oui", "non", "rien", "seulement ", "une liste vide", "aucun contenu",
    ),
}  # fmt: skip
RESERVED = {
    word
    for tongue in TONGUES.values()
    for text in (*tongue.links, *tongue.ands, *tongue.ends, tongue.yes, tongue.no, tongue.null, tongue.only)
    for word in re.findall(r"\w+", text)
} | {"empty", "vide", "list", "liste", "content", "contenu", "aucun", "an", "une", "true", "false", "null"}  # fmt: skip
BARE = re.compile(r"[^\W\d_][\w-]*(?: [^\W\d_][\w-]*)*")
DATE = re.compile(r"(\d{1,2}) (\w+) (\d{4})")
ISO = re.compile(r"(\d{4})-(\d{2})-(\d{2})")


class SchemaLanguage:
    """The requests of one schema in one language."""

    def __init__(self, schema: Any, language: str, what: str) -> None:
        self.schema, self.language, self.tongue = schema, language, TONGUES[language]
        self.definitions = schema.get("$defs", {}) if isinstance(schema, dict) else {}
        self.what = what

    # ---- what the schema says at a place

    def properties(self, schemas: list[Any]) -> dict[str, list[Any]]:
        """Names of the properties that an object may have here, each with its schemas, in the order of the document."""
        found = properties_in(schemas, self.definitions)
        for part in reachable(schemas, self.definitions):
            needs = part.get("dependentRequired", {})
            for name in (*part.get("required", []), *(each for pair in needs.items() for each in (pair[0], *pair[1]))):
                found.setdefault(name, [])
        return found

    def phrases(self, known: dict[str, list[Any]]) -> dict[str, str]:
        """Phrase -> name; a phrase that two names share, or that could be misread, is the quoted name."""
        found: dict[str, str] = {}
        shared: set[str] = set()
        for name in known:
            phrase = words_of(name)
            if phrase in found:
                shared.add(phrase)
            found[phrase] = name
        return {phrase: name for phrase, name in found.items() if phrase not in shared and BARE.fullmatch(phrase)}

    def spoken_values(self, schemas: list[Any]) -> dict[str, Any]:
        """Words -> value for the strings of enums and constants here."""
        found: dict[str, Any] = {}
        for part in reachable(schemas, self.definitions):
            for value in [*part.get("enum", []), *([part["const"]] if "const" in part else [])]:
                words = words_of(value) if isinstance(value, str) else ""
                if BARE.fullmatch(words) and not set(words.split()) & RESERVED:
                    found[words] = None if words in found and found[words] != value else value
        return {words: value for words, value in found.items() if value is not None}

    # ---- saying

    def say(self, instance: Any, rng: random.Random) -> str:
        """A request for the instance; sentences of one instance differ with `rng`."""
        body = self._say(instance, [self.schema], rng, top=True)
        frame = rng.choice(self.tongue.frames)
        text = frame.format(what=self.what) + body + rng.choice(self.tongue.ends)
        return text[0].upper() + text[1:] if rng.random() < 0.4 and text[0].isascii() else text

    def say_unknown(self, instance: dict[str, Any], name: str, value: str, rng: random.Random) -> str:
        """A request that also asks for a property that the schema does not have."""
        body = self._say(instance, [self.schema], rng, top=True)
        extra = f"{name} {json.dumps(value, ensure_ascii=False)}"
        parts = [extra, body] if rng.random() < 0.3 else [body, extra]
        return rng.choice(self.tongue.frames).format(what=self.what) + ", ".join(part for part in parts if part)

    def _say(self, value: Any, schemas: list[Any], rng: random.Random, *, top: bool = False) -> str:
        if isinstance(value, dict):
            inner = self._say_object(value, schemas, rng)
            return inner if top and value else f"({inner})" if value else self.tongue.empty_object
        if isinstance(value, list):
            return self._say_list(value, schemas, rng)
        return self._say_scalar(value, schemas, rng)

    def _say_object(self, value: dict[str, Any], schemas: list[Any], rng: random.Random) -> str:
        known = self.properties(schemas)
        names = {name: phrase for phrase, name in self.phrases(known).items()}
        pairs = []
        for name, item in value.items():
            below = known.get(name) or self._others(schemas)
            said = names.get(name) or json.dumps(name, ensure_ascii=False)
            pairs.append(said + rng.choice(self.tongue.links) + self._say(item, below, rng))
        rng.shuffle(pairs)
        return ", ".join(pairs)

    def _others(self, schemas: list[Any]) -> list[Any]:
        found = []
        for part in reachable(schemas, self.definitions):
            found += [part[key] for key in ("additionalProperties", "unevaluatedProperties") if key in part]
            found += list(part.get("patternProperties", {}).values())
        return found

    def _items(self, schemas: list[Any]) -> list[Any]:
        found = []
        for part in reachable(schemas, self.definitions):
            found += [*part.get("prefixItems", []), part.get("items", True), part.get("contains", True)]
        return found

    def _say_list(self, value: list[Any], schemas: list[Any], rng: random.Random) -> str:
        if not value:
            return self.tongue.empty_list
        below = self._items(schemas)
        said = [
            f"[{self._say_list(item, below, rng)}]" if isinstance(item, list) else self._say(item, below, rng)
            for item in value
        ]
        if len(said) == 1:
            return self.tongue.only + said[0]
        return rng.choice(self.tongue.ands).join(said)

    def _say_scalar(self, value: Any, schemas: list[Any], rng: random.Random) -> str:
        if value is None:
            return self.tongue.null
        if isinstance(value, bool):
            return self.tongue.yes if value else self.tongue.no
        if not isinstance(value, str):
            return json.dumps(int(value) if isinstance(value, float) and value.is_integer() else value)
        spoken = {said: words for words, said in self.spoken_values(schemas).items()}
        if value in spoken and rng.random() < 0.8:
            return spoken[value]
        if ISO.fullmatch(value):
            if (day := read_day(value)) and rng.random() < 0.5:
                return say_date(day, "{d} {month} {y}", self.language)
            return value
        if (
            BARE.fullmatch(value)
            and not set(value.lower().split()) & RESERVED
            and words_of(value) not in spoken.values()
        ):
            return value if rng.random() < 0.6 else f'"{value}"'
        return json.dumps(value, ensure_ascii=False)

    # ---- reading

    def read(self, text: str) -> tuple[Any, str | None]:
        """(instance, the property that the schema does not have or None). Raises ValueError where it reads nothing."""
        lower = text[0].lower() + text[1:] if text else text
        for frame in sorted(self.tongue.frames, key=len, reverse=True):
            start = frame.format(what=self.what)
            for candidate in (text, lower):
                if candidate.startswith(start):
                    for end in sorted(set(self.tongue.ends), key=len, reverse=True):
                        body = candidate[len(start) :]
                        if end and not body.endswith(end):
                            continue
                        reader = _Reader(self, body[: len(body) - len(end)])
                        try:
                            return reader.whole(), reader.unknown
                        except ValueError:
                            continue
        raise ValueError("not a sentence of the embedded language")


class _Reader:
    def __init__(self, language: SchemaLanguage, text: str) -> None:
        self.language, self.text, self.at = language, text, 0
        self.unknown: str | None = None

    def take(self, options: Iterator[str] | tuple[str, ...]) -> str | None:
        """The longest option that stands here, after which the text goes on."""
        found = max((o for o in options if self.text.startswith(o, self.at)), key=len, default=None)
        if found is not None:
            self.at += len(found)
        return found

    def whole(self) -> Any:
        schemas = [self.language.schema]
        start, known = self.at, self.language.properties(schemas)
        if known or self.text.startswith('"'):
            try:
                value = self.pairs(schemas, top=True)
                if self.at == len(self.text) and value:
                    return value
            except ValueError:
                pass
        self.at, self.unknown = start, None
        value = self.value(schemas)
        if self.at != len(self.text):
            raise ValueError(self.text[self.at :])
        return value

    def pairs(self, schemas: list[Any], *, top: bool = False) -> dict[str, Any]:
        result: dict[str, Any] = {}
        known = self.language.properties(schemas)
        phrases = self.language.phrases(known)
        while True:
            name = self.name(phrases)
            if name is None:
                if (
                    not top
                    or self.unknown is not None
                    or not (found := re.compile(r'([^\W\d_]+) ("(?:[^"\\]|\\.)*")').match(self.text, self.at))
                ):
                    raise ValueError(self.text[self.at :])
                self.unknown, self.at = found[1], found.end()
            else:
                if name in result:
                    raise ValueError(name)
                if self.take(tuple(dict.fromkeys(self.language.tongue.links))) is None:
                    raise ValueError(self.text[self.at :])
                result[name] = self.value(known.get(name) or self.language._others(schemas))
            if self.take((", ",)) is None:
                return result

    def name(self, phrases: dict[str, str]) -> str | None:
        if self.text.startswith('"', self.at):
            return self.quoted()
        found = max(
            (p for p in phrases if self.text.lower().startswith(p, self.at) and not self.text[self.at + len(p) :][:1].isalnum()),
            key=len, default=None,
        )  # fmt: skip
        if found is None:
            return None
        self.at += len(found)
        return phrases[found]

    def quoted(self) -> str:
        value, length = json.JSONDecoder().raw_decode(self.text[self.at :])
        self.at += length
        return str(value)

    def value(self, schemas: list[Any]) -> Any:
        tongue = self.language.tongue
        if self.take((tongue.empty_list,)):
            return []
        if self.take((tongue.only,)):
            return [self.item(self.language._items(schemas))]
        first_at = self.at
        try:
            first = self.item(schemas)
            if not any(self.text.startswith(word, self.at) for word in tongue.ands):
                return first
        except ValueError:
            if not self.text.startswith("(", first_at):
                raise
        self.at, below = first_at, self.language._items(schemas)
        values = [self.item(below)]
        while self.take(tongue.ands):
            values.append(self.item(below))
        return values

    def item(self, schemas: list[Any]) -> Any:
        tongue = self.language.tongue
        if self.take((tongue.empty_object,)):
            return {}
        if self.take(("(",)):
            value: Any = self.pairs(schemas)
            if not self.take((")",)):
                raise ValueError(self.text[self.at :])
            return value
        if self.take(("[",)):
            value = self.value(schemas)
            if not self.take(("]",)):
                raise ValueError(self.text[self.at :])
            return value if isinstance(value, list) else [value]
        if self.text.startswith('"', self.at):
            return self.quoted()
        return self.scalar(schemas)

    def scalar(self, schemas: list[Any]) -> Any:
        tongue = self.language.tongue
        stop = min(
            (p for p in (self.text.find(mark, self.at) for mark in (", ", ")", "]", *tongue.ands)) if p >= 0),
            default=len(self.text),
        )
        said = self.text[self.at : stop]
        if not said:
            raise ValueError(self.text[self.at :])
        self.at = stop
        if said in (tongue.yes, tongue.no):
            return said == tongue.yes
        if said == tongue.null:
            return None
        if re.fullmatch(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", said):
            return json.loads(said)
        if DATE.fullmatch(said) and (day := read_day(said)):
            return day.isoformat()
        spoken = self.language.spoken_values(schemas)
        if said in spoken:
            return spoken[said]
        if ISO.fullmatch(said) or (BARE.fullmatch(said) and not set(said.lower().split()) & RESERVED):
            return said
        raise ValueError(said)
