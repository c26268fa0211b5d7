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
from pipeline.places import CLOCK, DATE, FORMS, Kind, Place, listed
from pipeline.reading import words_of


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
    joints: dict[Kind, str]
    """Between what is said without a name and a date or a time of day."""
    without: str
    """Before what is false."""
    lasting: str
    """As `joints`, before a number with its name behind it."""

    @property
    def between(self) -> tuple[str, ...]:
        """All that may stand in place of a comma where no name is said."""
        return *self.joints.values(), self.lasting


TONGUES = {
    "en": Tongue(
        (
            "{what}: ", "I need {what} with ", "please make {what} with ", "create {what} where ", "new {what}, ", "",
            "can you write {what} with ", "set up {what}: ", "we want {what} with ", "add {what} having ",
        ),
        ("", "", "", ", please", ", thanks"),
        (" ", " ", " is ", ": ", " = ", " set to "), (" and ", " plus "),
        "yes", "no", "nothing", "only ", "an empty list", "no content",
        ("add ", "please make ", "put ", "I need "), {DATE: " on ", CLOCK: " at "}, "not ", " for ",
    ),
    "fr": Tongue(
        (
            "{what} : ", "il me faut {what} avec ", "merci de faire {what} avec ", "cr\u00e9e {what} o\u00f9 ", "nouveau {what}, ", "",
            "peux-tu \u00e9crire {what} avec ", "pr\u00e9pare {what} : ", "on veut {what} avec ", "ajoute {what} ayant ",
        ),
        ("", "", "", ", merci", ", s'il te pla\u00eet"),
        (" ", " ", " est ", " : ", " = ", " vaut "), (" et ", " plus "),
        "oui", "non", "rien", "seulement ", "une liste vide", "aucun contenu",
        ("ajoute ", "merci de faire ", "mets ", "il me faut "), {DATE: " le ", CLOCK: " \u00e0 "}, "pas ", " pendant ",
    ),
}  # fmt: skip
RESERVED = {
    word
    for tongue in TONGUES.values()
    for text in (
        *tongue.links, *tongue.ands, *tongue.ends, tongue.yes, tongue.no, tongue.null, tongue.only,
        *tongue.between, tongue.without,
    )
    for word in re.findall(r"\w+", text)
} | {"empty", "vide", "list", "liste", "content", "contenu", "aucun", "an", "une", "true", "false", "null"}  # fmt: skip
BARE = re.compile(r"[^\W\d_][\w-]*(?: [^\W\d_][\w-]*)*")
DAY = re.compile(r"(\d{1,2}) (\w+) (\d{4})")
ISO = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
NUMBER = r"\d+(?:\.\d+)?"
TOLD = re.compile(rf"{DAY.pattern}|{ISO.pattern}|{FORMS.pattern}")
UNKNOWN = re.compile(r'([^\W\d_]+) ("(?:[^"\\]|\\.)*")')


def said_number(value: float) -> str:
    """A number as people write it, a whole one without a point."""
    return json.dumps(int(value) if isinstance(value, float) and value.is_integer() else value)


class SchemaLanguage:
    """The requests of one schema in one language."""

    def __init__(self, schema: Any, language: str, what: str) -> None:
        self.schema, self.language, self.tongue = schema, language, TONGUES[language]
        self.definitions = schema.get("$defs", {}) if isinstance(schema, dict) else {}
        self.what = what
        self.root = Place([schema], self.definitions)
        self.fitting = {kind: way[0] for kind, way in self.root.fitting(()).items() if len(way) == 1}
        """Kind of values that are told without a name -> the property of the root that they belong to."""
        self.own_words = {
            word
            for way, place, _ in self.root.ways
            for text in (way[-1], *place.values)
            for word in words_of(text).split()
        }

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
        """A request for the instance; sentences of one instance differ with `rng`.

        Half of the objects are said as people do, who leave out the names that a value does not need.
        """
        frames, names = self.tongue.frames, True
        if isinstance(instance, dict) and instance and rng.random() < 0.5:
            body, begins = self._say_loosely(instance, rng)
            frames, names = frames + (self.tongue.asks if begins else ()), False
        else:
            body = self._say(instance, [self.schema], rng, top=True)
        frame = rng.choice(frames)
        text = frame.format(what=self.what) + body + rng.choice(self.tongue.ends)
        capital = rng.random() < 0.4 and text[0].isascii() and (frame or names)
        return text[0].upper() + text[1:] if capital else text

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
        pairs = [self._say_pair(names.get(name), name, item, known.get(name) or self._others(schemas), rng)
                 for name, item in value.items()]  # fmt: skip
        rng.shuffle(pairs)
        return ", ".join(pairs)

    def _say_pair(self, phrase: str | None, name: str, item: Any, below: list[Any], rng: random.Random) -> str:
        said = phrase or json.dumps(name, ensure_ascii=False)
        return said + rng.choice(self.tongue.links) + self._say(item, below, rng)

    def _say_loosely(self, value: dict[str, Any], rng: random.Random) -> tuple[str, bool]:
        """The root's object with names left out where its values are told without them; whether it begins with a text."""
        known = self.properties([self.schema])
        names = {name: phrase for phrase, name in self.phrases(known).items()}
        texts = [name for name in self.root.needed_texts if name in value and self.is_plain(value[name])]
        first = rng.choice(texts) if texts and rng.random() < 0.75 else None
        parts = []
        for name, item in value.items():
            below = known.get(name) or self._others([self.schema])
            said = self._say_without_name(names.get(name), name, item, below, rng)
            if name != first:
                parts.append(said or (self._say_pair(names.get(name), name, item, below, rng), None))
        rng.shuffle(parts)
        text = value[first] if first else ""
        after_name = not first
        for said, joint in parts:
            between = joint if joint and not after_name and rng.random() < 0.7 else ", "
            text += (between if text else "") + said
            after_name = joint is None
        return text, first is not None

    def _say_without_name(
        self, phrase: str | None, name: str, item: Any, below: list[Any], rng: random.Random
    ) -> tuple[str, str | None] | None:
        """(how a value is said without its name or before it, what may stand between it and the one before), if it can be."""
        kind, draw = self.kind_of(name, item), rng.random()
        if isinstance(item, bool) and phrase and draw < (0.5 if item else 0.25):
            return ("" if item else self.tongue.without) + phrase, None
        number = re.fullmatch(NUMBER, said_number(item)) if isinstance(item, int | float) and item is not True else None
        said = self._say_told(item, kind, below, rng) if kind else None
        if said and draw < 0.6:
            return said, self.tongue.joints.get(kind or (), ", ")
        if phrase and draw < 0.85 and (number or (said and kind == listed(item))):
            return f"{said or said_number(item)} {phrase}", self.tongue.lasting if number else ", "
        return None

    def _say_told(self, item: str, kind: Kind, below: list[Any], rng: random.Random) -> str | None:
        if kind == DATE and (day := read_day(item)):
            return say_date(day, "{d} {month} {y}", self.language) if rng.random() < 0.7 else item
        if kind == listed(item):
            return {value: words for words, value in self.spoken_values(below).items()}.get(item)
        return item

    def is_plain(self, value: Any) -> bool:
        """Whether a text can be told from the words around it, none of which it has, without quotes."""
        words = set(value.lower().split()) if isinstance(value, str) and BARE.fullmatch(value) else RESERVED
        return not words & (RESERVED | self.own_words)

    def kind_of(self, name: str, value: Any) -> Kind | None:
        """What a value of this property of the root is told by, or None where it needs its name."""
        if not isinstance(value, str):
            return None
        form = FORMS.fullmatch(value)
        kinds = [listed(value), *([DATE] if ISO.fullmatch(value) else ()), *([(str(form.lastgroup),)] if form else ())]
        return next((kind for kind in kinds if self.fitting.get(kind) == name), None)

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
            return said_number(value)
        spoken = {said: words for words, said in self.spoken_values(schemas).items()}
        if value in spoken and rng.random() < 0.8:
            return spoken[value]
        if ISO.fullmatch(value):
            if (day := read_day(value)) and rng.random() < 0.5:
                return say_date(day, "{d} {month} {y}", self.language)
            return value
        if self.is_plain(value):
            return value if rng.random() < 0.6 else f'"{value}"'
        return json.dumps(value, ensure_ascii=False)

    # ---- reading

    def read(self, text: str) -> tuple[Any, str | None]:
        """(instance, the property that the schema does not have or None). Raises ValueError where it reads nothing."""
        lower = text[0].lower() + text[1:] if text else text
        for frame in sorted((*self.tongue.frames, *self.tongue.asks), key=len, reverse=True):
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
        first: str | None = None
        while True:
            false = top and self.take((self.language.tongue.without,))
            told = self.told(phrases, known) if top and not false else None
            name = told[0] if told else self.name(phrases)
            if name is None:
                if not top:
                    raise ValueError(self.text[self.at :])
                if self.unknown is None and (found := UNKNOWN.match(self.text, self.at)):
                    self.unknown, self.at = found[1], found.end()
                elif not result and first is None:
                    first = self.plain()
                else:
                    raise ValueError(self.text[self.at :])
            elif name in result:
                raise ValueError(name)
            elif told:
                result[name] = told[1]
            elif top and self.is_said_alone(known.get(name, [])):
                result[name] = not false
            else:
                if self.take(tuple(dict.fromkeys(self.language.tongue.links))) is None:
                    raise ValueError(self.text[self.at :])
                result[name] = self.value(known.get(name) or self.language._others(schemas))
            if self.take((", ", *(self.language.tongue.between if told or name is None else ()))) is None:
                return result | self.needed(first, result) if first else result

    def plain(self) -> str:
        """The text without a name that a request begins with."""
        stops = (self.text.find(mark, self.at) for mark in (", ", *self.language.tongue.between))
        said = self.text[self.at : min((stop for stop in stops if stop >= 0), default=len(self.text))]
        if not self.language.is_plain(said):
            raise ValueError(self.text[self.at :])
        self.at += len(said)
        return said

    def needed(self, text: str, result: dict[str, Any]) -> dict[str, str]:
        """The one property that needs a text and has none, with this one."""
        (name,) = (name for name in self.language.root.needed_texts if name not in result)
        return {name: text}

    def is_said_alone(self, schemas: list[Any]) -> bool:
        """Whether what ends here is told true or false by its name alone."""
        ends = self.at == len(self.text) or self.text.startswith(", ", self.at)
        return ends and Place(schemas, self.language.definitions).is_truth

    def told(self, phrases: dict[str, str], known: dict[str, list[Any]]) -> tuple[str, Any] | None:
        """A property of the root and its value, which stands here without a name or before it."""
        start, language = self.at, self.language
        spoken = {
            words: (value, name)
            for name, below in known.items()
            for words, value in language.spoken_values(below).items()
            if isinstance(value, str) and language.fitting.get(listed(value)) == name
        }
        words = self.take(tuple(word for word in spoken if not self.text[self.at + len(word) :][:1].isalnum()))
        if words:
            value, owner = spoken[words]
            back = self.at
            if self.take((" ",)) and self.name(phrases) != owner:
                self.at = back
            return owner, value
        if found := TOLD.match(self.text, self.at):
            day, form = read_day(found[0]), FORMS.fullmatch(found[0])
            owner = language.fitting.get(DATE if day else (str(form.lastgroup),) if form else ())
            if owner:
                self.at = found.end()
                return owner, day.isoformat() if day else found[0]
        if found := re.compile(f"({NUMBER}) ").match(self.text, self.at):
            self.at = found.end()
            if (name := self.name(phrases)) and Place(known[name], language.definitions).is_number:
                return name, json.loads(found[1])
        self.at = start
        return None

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
        if DAY.fullmatch(said) and (day := read_day(said)):
            return day.isoformat()
        spoken = self.language.spoken_values(schemas)
        if said in spoken:
            return spoken[said]
        if ISO.fullmatch(said) or (BARE.fullmatch(said) and not set(said.lower().split()) & RESERVED):
            return said
        raise ValueError(said)
