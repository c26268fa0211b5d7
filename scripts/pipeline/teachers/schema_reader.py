"""Reads the requests back that `schema_language.py` says: the instance, whatever names were left out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pipeline.requests.calendar import read_day
from pipeline.requests.places import CLOCK, FORMS, MOMENT, Place, form_of, listed
from pipeline.teachers.refused_requests import is_off_topic, refused_property, refused_value
from pipeline.teachers.schema_language import BARE, DAY, ISO, NUMBER, SchemaLanguage, reserved, spoken_time

TOLD = re.compile(rf"{FORMS.pattern}|{DAY.pattern}|{ISO.pattern}")
"""A value that is told by its form."""
UNKNOWN = re.compile(r'[^\W\d_]+ (?:"(?:[^"\\]|\\.)*"|(?P<bare>[^\W\d_]+(?: [^\W\d_]+)*)(?=, |$))')
"""What is said of a property that the schema does not have."""


def read(language: SchemaLanguage, text: str) -> Any:
    """The instance of a request as `SchemaLanguage.say` says it, or the refusal of one as `refused_requests.py` does.

    Raises ValueError where it reads nothing.
    """
    lower = text[0].lower() + text[1:] if text else text
    for frame in sorted((*language.tongue.frames, *language.tongue.asks), key=len, reverse=True):
        start = frame.format(what=language.what)
        for candidate in (text, lower):
            if candidate.startswith(start):
                for end in sorted(set(language.tongue.ends), key=len, reverse=True):
                    body = candidate[len(start) :]
                    if end and not body.endswith(end):
                        continue
                    reader = _Reader(language, body[: len(body) - len(end)])
                    try:
                        return reader.whole()
                    except ValueError:
                        continue
    raise ValueError("not a sentence of the embedded language")


class _Reader:
    def __init__(self, language: SchemaLanguage, text: str) -> None:
        self.language, self.text, self.at = language, text, 0
        self.refusal: dict[str, Any] | None = None

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
                    return self.refusal or value
            except ValueError:
                pass
            if is_off_topic(self.language, self.text):
                return refused_property(self.language)
        self.at, self.refusal = start, None
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
            told = self.told(phrases, known) if top else None
            name = told[0] if told else self.name(phrases)
            false = name is None and top and self.take((self.language.tongue.without,))
            name = self.name(phrases) if false else name
            if name is None:
                if not top:
                    raise ValueError(self.text[self.at :])
                if found := self.unknown(bool(result)):
                    self.refusal, self.at = refused_property(self.language), found.end()
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
                below = known.get(name) or self.language.others(schemas)
                result[name] = self.value(below)
                self.look_up(name, result[name], Place(below, self.language.definitions))
            if self.take((", ", *(self.language.tongue.between if told or name is None else ()))) is None:
                return result | self.needed(first, result) if first else result

    def unknown(self, is_behind: bool) -> re.Match[str] | None:
        """What is said here of a property that the schema does not have; without quotes behind something else."""
        found = UNKNOWN.match(self.text, self.at) if self.refusal is None else None
        return found if found and (not found["bare"] or (is_behind and self.language.is_plain(found[0]))) else None

    def look_up(self, name: str, value: Any, place: Place) -> None:
        """A value that is none of those listed is refused."""
        said = value if isinstance(value, list) else [value]
        if place.is_listed and any(isinstance(each, str) and each not in place.listed_values for each in said):
            self.refusal = self.refusal or refused_value(name, place)

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
            if isinstance(value, str) and language.fitting.get(listed(value)) == name and words not in language.names
        }
        words = self.take(tuple(word for word in spoken if not self.text[self.at + len(word) :][:1].isalnum()))
        if words:
            value, owner = spoken[words]
            back = self.at
            if self.take((" ",)) and self.name(phrases) != owner:
                self.at = back
            return owner, value
        if said := spoken_time().match(self.text, self.at):
            owner = language.fitting.get(MOMENT if said["day"] else CLOCK)
            value = language.read_time(said, Place(known.get(owner, []), language.definitions)) if owner else None
            if owner and value:
                self.at = said.end()
                return owner, value
        if found := TOLD.match(self.text, self.at):
            day, owner = read_day(found[0]), language.fitting.get(form_of(found[0]) or ())
            if owner:
                self.at = found.end()
                return owner, day.isoformat() if day else found[0]
        if found := re.compile(f"({NUMBER}) ").match(self.text, self.at):
            self.at = found.end()
            if (name := self.name(phrases)) and Place(known.get(name, []), language.definitions).is_number:
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
            return [self.item(self.language.items(schemas))]
        first_at = self.at
        try:
            first = self.item(schemas)
            if not any(self.text.startswith(word, self.at) for word in tongue.ands):
                return first
        except ValueError:
            if not self.text.startswith("(", first_at):
                raise
        self.at, below = first_at, self.language.items(schemas)
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
        timed = spoken_time().fullmatch(said)
        if timed and (value := self.language.read_time(timed, Place(schemas, self.language.definitions))):
            return value
        spoken = self.language.spoken_values(schemas)
        if said in spoken:
            return spoken[said]
        if ISO.fullmatch(said) or (BARE.fullmatch(said) and not set(said.lower().split()) & reserved()):
            return said
        raise ValueError(said)
