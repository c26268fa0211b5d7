"""Requests for any JSON Schema: an instance said around the schema's own words in English or French.

The text holds every value and structure of the instance, and the names; half of the requests leave out those that a
value does not need. Words are bare where they cannot be misread and quoted where they could. What is said is read again
(`schema_reader.py`); what does not come back the same is dropped and counted by whoever asks.
"""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from pipeline.paths import SCHEMA_LANGUAGE
from pipeline.requests.calendar import read_day
from pipeline.requests.clock import WRITTEN, written
from pipeline.requests.places import CLOCK, DATE, MOMENT, Kind, Place, form_of, listed
from pipeline.requests.reading import lowered
from pipeline.schemas.dsl import said_for
from pipeline.schemas.json_schemas import properties_in, reachable
from pipeline.schemas.names import words_of
from pipeline.teachers.language import say_date
from pipeline.words import read_words


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
    asks: tuple[str, ...]
    """Before a text that is said without a name."""
    joints: dict[str, str]
    """Between what is said without a name and a date or a time of day ("clock")."""
    without: str
    """Before what is false."""
    lasting: str
    """As `joints`, before a number with its name behind it."""

    @property
    def between(self) -> tuple[str, ...]:
        """All that may stand in place of a comma where no name is said."""
        return *self.joints.values(), self.lasting


@cache
def tongues() -> dict[str, Tongue]:
    """config/schema_language.json: language -> the words that hold its requests together."""
    book = read_words(SCHEMA_LANGUAGE)
    as_tuple = lambda said: tuple(said) if isinstance(said, list) else said
    return {
        language: Tongue(**{key: as_tuple(said) for key, said in words.items()}) for language, words in book.items()
    }


@cache
def reserved() -> frozenset[str]:
    """The words that hold requests together, in every language: none of them is said bare for a name or a value."""
    texts = [
        text
        for tongue in tongues().values()
        for text in (
            *tongue.links, *tongue.ands, *tongue.ends, *tongue.between, tongue.yes, tongue.no, tongue.null,
            tongue.only, tongue.without, tongue.empty_list, tongue.empty_object,
        )
    ]  # fmt: skip
    return frozenset(re.findall(r"\w+", " ".join(texts))) | {"true", "false", "null"}


BARE = re.compile(r"[^\W\d_][\w-]*(?: [^\W\d_][\w-]*)*")
DAY = re.compile(r"(\d{1,2}) (\w+) (\d{4})")
ISO = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
NUMBER = r"\d+(?:\.\d+)?"


@cache
def spoken_time() -> re.Pattern[str]:
    """What `SchemaLanguage.say_time` says, in every language."""
    joints = "|".join(re.escape(tongue.joints["clock"]) for tongue in tongues().values())
    return re.compile(rf"(?:(?P<day>{DAY.pattern})(?:{joints}))?(?P<time>\d?\d:\d\d)(?![\w:])")


def _phrases_of(name: str, schemas: list[Any]) -> list[str]:
    """The words of a name, and the phrases that descriptions list for it but those with words that hold a request
    together."""
    listed_for = [lowered(phrase) for schema in schemas for phrase in said_for(name, schema)]
    return list(dict.fromkeys([words_of(name), *(said for said in listed_for if not set(said.split()) & reserved())]))


def said_number(value: float) -> str:
    """A number as people write it, a whole one without a point."""
    return json.dumps(int(value) if isinstance(value, float) and value.is_integer() else value)


class SchemaLanguage:
    """The requests of one schema in one language."""

    def __init__(self, schema: Any, language: str, what: str) -> None:
        self.schema, self.language, self.tongue = schema, language, tongues()[language]
        self.definitions = schema.get("$defs", {}) if isinstance(schema, dict) else {}
        self.what = what
        self.root = Place([schema], self.definitions)
        self.fitting = {kind: way[0] for kind, way in self.root.fitting(()).items() if len(way) == 1}
        """Kind of values that are told without a name -> the property of the root that they belong to."""
        self.names = {said for way, place, _ in self.root.ways for said in _phrases_of(way[-1], place.schemas)}
        self.frames = tuple(frame for frame in self.tongue.frames if not {*re.findall(r"\w+", frame)} & self.names)
        """The beginnings of requests in which nothing is said for a property."""
        listed_words = {words_of(value) for _, place, _ in self.root.ways for value in place.values}
        self.own_words = {word for text in self.names | listed_words for word in text.split()}

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
        for name, below in known.items():
            for phrase in _phrases_of(name, below):
                if found.setdefault(phrase, name) != name:
                    shared.add(phrase)
        return {phrase: name for phrase, name in found.items() if phrase not in shared and BARE.fullmatch(phrase)}

    def draw_phrases(self, known: dict[str, list[Any]], rng: random.Random) -> dict[str, str]:
        """Name -> one of its phrases, for the names that have any."""
        said: dict[str, list[str]] = {}
        for phrase, name in self.phrases(known).items():
            said.setdefault(name, []).append(phrase)
        return {name: rng.choice(phrases) if len(phrases) > 1 else phrases[0] for name, phrases in said.items()}

    def spoken_values(self, schemas: list[Any]) -> dict[str, Any]:
        """Words -> value for the strings of enums and constants here."""
        found: dict[str, Any] = {}
        for part in reachable(schemas, self.definitions):
            for value in [*part.get("enum", []), *([part["const"]] if "const" in part else [])]:
                words = words_of(value) if isinstance(value, str) else ""
                if BARE.fullmatch(words) and not set(words.split()) & reserved():
                    found[words] = None if words in found and found[words] != value else value
        return {words: value for words, value in found.items() if value is not None}

    # ---- saying

    def say(self, instance: Any, rng: random.Random) -> str:
        """A request for the instance; sentences of one instance differ with `rng`."""
        body, begins = self.say_whole(instance, rng)
        frame = rng.choice(self.frames + (self.tongue.asks if begins else ()))
        text = frame.format(what=self.what) + body + rng.choice(self.tongue.ends)
        capital = rng.random() < 0.4 and text[0].isascii() and (frame or not begins)
        return text[0].upper() + text[1:] if capital else text

    def say_whole(self, instance: Any, rng: random.Random) -> tuple[str, bool]:
        """What is said of the root, and whether it begins with a value; half of the objects as people say them."""
        if isinstance(instance, dict) and instance and rng.random() < 0.5:
            return self._say_loosely(instance, rng), True
        return self._say(instance, [self.schema], rng, top=True), False

    def _say(self, value: Any, schemas: list[Any], rng: random.Random, *, top: bool = False) -> str:
        if isinstance(value, dict):
            inner = self._say_object(value, schemas, rng)
            return inner if top and value else f"({inner})" if value else self.tongue.empty_object
        if isinstance(value, list):
            return self._say_list(value, schemas, rng)
        return self._say_scalar(value, schemas, rng)

    def _say_object(self, value: dict[str, Any], schemas: list[Any], rng: random.Random) -> str:
        known = self.properties(schemas)
        names = self.draw_phrases(known, rng)
        pairs = [self.say_pair(names.get(name), name, item, known.get(name) or self.others(schemas), rng)
                 for name, item in value.items()]  # fmt: skip
        rng.shuffle(pairs)
        return ", ".join(pairs)

    def say_pair(self, phrase: str | None, name: str, item: Any, below: list[Any], rng: random.Random) -> str:
        """A property with its value."""
        said = phrase or json.dumps(name, ensure_ascii=False)
        link = rng.choice(self.tongue.links)
        return said + (link if phrase in (None, words_of(name)) else " ") + self._say(item, below, rng)

    def _say_loosely(self, value: dict[str, Any], rng: random.Random) -> str:
        """The root's object without some of the names that its values do not need, now and then a text before all."""
        known = self.properties([self.schema])
        names = self.draw_phrases(known, rng)
        texts = [name for name in self.root.needed_texts if name in value and self.is_plain(value[name])]
        first = rng.choice(texts) if texts and rng.random() < 0.75 else None
        parts = []
        for name, item in value.items():
            below = known.get(name) or self.others([self.schema])
            said = self.say_without_name(names.get(name), name, item, below, rng)
            if name != first:
                parts.append(said or (self.say_pair(names.get(name), name, item, below, rng), None))
        rng.shuffle(parts)
        text = value[first] if first else ""
        after_name = not first
        for said, joint in parts:
            between = joint if joint and not after_name and rng.random() < 0.7 else ", "
            text += (between if text else "") + said
            after_name = joint is None
        return text

    def say_without_name(
        self, phrase: str | None, name: str, item: Any, below: list[Any], rng: random.Random
    ) -> tuple[str, str | None] | None:
        """(how a value is said without its name or before it, what may stand between it and the one before), if it can
        be."""
        kind, draw, place = self.kind_of(name, item), rng.random(), Place(below, self.definitions)
        if place.is_truth and isinstance(item, bool) and phrase and draw < (0.5 if item else 0.25):
            return ("" if item else self.tongue.without) + phrase, None
        number = place.is_number and re.fullmatch(NUMBER, said_number(item))
        said = self._say_told(item, kind, below, rng) if kind else None
        if kind and said and draw < 0.6:
            return said, self.tongue.joints.get(kind[0], ", ")
        if phrase and draw < 0.85 and (number or (said and kind == listed(item))):
            return f"{said or said_number(item)} {phrase}", self.tongue.lasting if number else ", "
        return None

    def _say_told(self, item: str, kind: Kind, below: list[Any], rng: random.Random) -> str | None:
        if kind in (CLOCK, MOMENT) and (timed := WRITTEN.fullmatch(item)):
            return self.say_time(timed) if kind == CLOCK or rng.random() < 0.7 else item
        if kind == DATE and (day := read_day(item)):
            return say_date(day, "{d} {month} {y}", self.language) if rng.random() < 0.7 else item
        if kind == listed(item):
            words = {value: words for words, value in self.spoken_values(below).items()}.get(item)
            return None if words in self.names else words
        return item

    def say_time(self, timed: re.Match[str]) -> str:
        """A value of the formats `time` and `date-time` as people say it: "12 september 2024 at 9:15"."""
        day = read_day(timed["day"] or "")
        before = say_date(day, "{d} {month} {y}", self.language) + self.tongue.joints["clock"] if day else ""
        return before + timed["time"].removeprefix("0")

    def read_time(self, said: re.Match[str], place: Place) -> str | None:
        """The value that `say_time` said (a match of `spoken_time`), or None where this is no place for one."""
        if (day := read_day(said["day"] or "")) and MOMENT in place.kinds:
            return written(f"{said['time']:0>5}", day)
        is_time = any(part.get("format") == "time" for part in place.here)
        return written(f"{said['time']:0>5}") if is_time and not said["day"] else None

    def is_plain(self, value: Any) -> bool:
        """Whether a text can be told from the words around it, none of which it has, without quotes."""
        words = set(value.lower().split()) if isinstance(value, str) and BARE.fullmatch(value) else reserved()
        return not words & (reserved() | self.own_words)

    def kind_of(self, name: str, value: Any) -> Kind | None:
        """What a value of this property of the root is told by, or None where it needs its name."""
        if not isinstance(value, str):
            return None
        timed = WRITTEN.fullmatch(value)
        kinds = (listed(value), CLOCK if timed and not timed["day"] else form_of(value) or ())
        return next((kind for kind in kinds if self.fitting.get(kind) == name), None)

    def others(self, schemas: list[Any]) -> list[Any]:
        """The schemas of properties that have no names of their own here."""
        found = []
        for part in reachable(schemas, self.definitions):
            found += [part[key] for key in ("additionalProperties", "unevaluatedProperties") if key in part]
            found += list(part.get("patternProperties", {}).values())
        return found

    def items(self, schemas: list[Any]) -> list[Any]:
        """The schemas of a list's items here."""
        found = []
        for part in reachable(schemas, self.definitions):
            found += [*part.get("prefixItems", []), part.get("items", True), part.get("contains", True)]
        return found

    def _say_list(self, value: list[Any], schemas: list[Any], rng: random.Random) -> str:
        if not value:
            return self.tongue.empty_list
        below = self.items(schemas)
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
            return said_number(value)
        spoken = {said: words for words, said in self.spoken_values(schemas).items()}
        if value in spoken and rng.random() < 0.8:
            return spoken[value]
        if ISO.fullmatch(value):
            if (day := read_day(value)) and rng.random() < 0.5:
                return say_date(day, "{d} {month} {y}", self.language)
            return value
        timed = WRITTEN.fullmatch(value)
        if timed and self.read_time(timed, Place(schemas, self.definitions)) and rng.random() < 0.5:
            return self.say_time(timed)
        if self.is_plain(value):
            return value if rng.random() < 0.6 else f'"{value}"'
        return json.dumps(value, ensure_ascii=False)
