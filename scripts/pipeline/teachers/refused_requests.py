"""Requests that a user's own schema cannot express, with their refusals, as the embedded teacher says them.

They also ask for a property that there is none of, say a value that is not listed, or ask for something else.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from pipeline.requests.places import Place
from pipeline.requests.reading import parts_of
from pipeline.schemas.dsl import refusal_of
from pipeline.teachers.instances import WORDS
from pipeline.teachers.made_up_words import Words
from pipeline.teachers.schema_language import SchemaLanguage


def refused_property(language: SchemaLanguage) -> dict[str, Any]:
    """The refusal of a request for a property that the schema does not have."""
    return refusal_of("field", language.properties([language.schema]))


def refused_value(name: str, place: Place) -> dict[str, Any]:
    """The refusal of a request for a value of a property that is none of those listed for it."""
    return refusal_of("value", place.listed_values, name)


def is_off_topic(language: SchemaLanguage, text: str) -> bool:
    """Whether a request has none of the schema's words, and none of its own can be a value."""
    root = language.root
    takes_any = root.needed_texts or root.is_open or not language.properties([language.schema])
    return not takes_any and " " in text and language.is_plain(text)


def say_refused(language: SchemaLanguage, instance: dict[str, Any], rng: random.Random) -> tuple[str, dict[str, Any]]:
    """A request that the schema cannot express, made of one that it can, and the refusal."""
    name, value, draw = _unknown_word(language, rng), _unknown_words(language, rng), rng.random()
    bare, quoted = f"{name} {value}", f"{name} {json.dumps(value, ensure_ascii=False)}"
    if draw < 0.15 and is_off_topic(language, bare):
        return bare + rng.choice(language.tongue.ends), refused_property(language)
    if draw < 0.4 and (found := _with_unlisted(language, instance, value, rng)):
        unlisted, refusal = found
        return language.say(unlisted, rng), refusal
    short = [each for each, item in instance.items() if _ends_at_a_comma(language, each, item)]
    if draw < 0.75 and short:
        parts = [*_said_with_last(language, instance, rng.choice(short), rng), bare]
    else:
        parts = [language.say_whole(instance, rng)[0], quoted]
        parts = parts[::-1] if rng.random() < 0.3 else parts
    frame = rng.choice(language.frames).format(what=language.what)
    return frame + ", ".join(filter(None, parts)), refused_property(language)


def _unknown_word(language: SchemaLanguage, rng: random.Random) -> str:
    """A word that the schema does not have."""
    while True:
        word = Words(rng).word()
        if language.is_plain(word) and parts_of(word) == [word]:
            return word


def _unknown_words(language: SchemaLanguage, rng: random.Random) -> str:
    """Some words that the schema does not have, half of the time such as people say."""
    real = [word for word in rng.sample(WORDS, rng.choice((1, 1, 2))) if language.is_plain(word)]
    return " ".join(real) if real and rng.random() < 0.5 else _unknown_word(language, rng)


def _ends_at_a_comma(language: SchemaLanguage, name: str, item: Any) -> bool:
    """Whether a value of the root ends at a comma, however it is said."""
    place = language.root.parts.get(name)
    return place is not None and place.is_short and isinstance(item, (str, int, float))


def _said_with_last(
    language: SchemaLanguage, instance: dict[str, Any], last: str, rng: random.Random
) -> tuple[str, str]:
    """What is said of an object but for one property, and of that one."""
    known = language.properties([language.schema])
    pair = (language.draw_phrases(known, rng).get(last), last, instance[last], known[last], rng)
    alone = language.say_without_name(*pair)
    rest = {name: item for name, item in instance.items() if name != last}
    return language.say_whole(rest, rng)[0] if rest else "", alone[0] if alone else language.say_pair(*pair)


def _with_unlisted(
    language: SchemaLanguage, instance: dict[str, Any], value: str, rng: random.Random
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The instance with another value in place of one of its listed ones, and the refusal; None where none is listed."""
    unlisted = deepcopy(instance)
    found = [*_listed_in(language, unlisted, [language.schema])]
    if not found:
        return None
    name, place, holder, at = rng.choice(found)
    holder[at] = value
    return unlisted, refused_value(name, place)


def _listed_in(language: SchemaLanguage, value: Any, schemas: list[Any]) -> Iterator[tuple[str, Place, Any, str | int]]:
    """(property, its place, what holds the value, where) for each value that is one of those listed for it."""
    known = language.properties(schemas)
    for name, item in value.items() if isinstance(value, dict) else ():
        below = known.get(name) or []
        place = Place(below, language.definitions)
        holder, parts = (item, [*enumerate(item)]) if isinstance(item, list) else (value, [(name, item)])
        for at, part in parts:
            if place.is_listed and isinstance(part, str):
                yield name, place, holder, at
            yield from _listed_in(language, part, language.items(below) if isinstance(item, list) else below)
