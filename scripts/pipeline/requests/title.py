"""What a schema of a user is called, and where a request says that: such words are no value of anything."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pipeline.requests.places import Place
from pipeline.requests.reading import NOTHING, WORD, Note, any_of, is_plural, lowered, parts_of, said_around
from pipeline.schemas.names import words_of

SHORTEST_VERB = 4
"""Letters of the shortest words that titles are made of: "deploy" of a deployment."""


class Title:
    """The title of the schema of a place."""

    def __init__(self, place: Place) -> None:
        titles = [part["title"] for part in place.here if isinstance(part.get("title"), str)]
        self.title = words_of(titles[0]) if titles else ""
        self.words = {
            *self.title.split(),
            *_done_in([str(part["description"]) for part in place.here if "description" in part]),
        }
        """Words of the title, and those that say in a description what is done: "weather", "forecast"."""
        words = r"[\s_-]*".join(map(re.escape, self.title.split())) or NOTHING
        several = words if " " in self.title else NOTHING
        self.before = re.compile(rf".*(?<!\w){words}\s*[:=]\s*", re.IGNORECASE)
        self.first = re.compile(rf"{several}\s+", re.IGNORECASE)
        self.whole = re.compile(rf"(?<!\w){several}(?!\w)", re.IGNORECASE)

    def without(self, part: str) -> str:
        """A part of a request without what the schema is called: "calendar event", "new calendar event", "event"."""
        if before := self.before.match(part):
            part = part[before.end() :]
        said = words_of(part)
        if f" {said}".endswith(f" {self.title}") or all(map(self.is_of_title, said.split())):
            return ""
        first = self.first.match(part) or self._first_word(part)
        return next(iter(parts_of(part[first.end() :])), "") if first else part

    def outside(self, request: str, notes: Iterable[Note]) -> list[Note]:
        """The notes that are not of words of a title of several words: "track calories" names no calories."""
        said = [range(*found.span()) for found in self.whole.finditer(request)]
        return [note for note in notes if not any(note.start in part for part in said)]

    def is_of_title(self, word: str) -> bool:
        """Whether a word in lower case, in whatever number, is one of these."""
        return word in self.words or any(is_plural(word, one) or is_plural(one, word) for one in self.words)

    def _first_word(self, part: str) -> re.Match[str] | None:
        """The first word of a part, where it is one of the title, "campaign" of an ad campaign, or one that a word of
        the title is made of, "deploy" of a deployment."""
        first = re.match(rf"(?:(?:{any_of('new')})\s+)?(?P<word>{WORD})\s+", part, re.IGNORECASE)
        said, words = lowered(first["word"]) if first else "", self.title.split()
        made = len(said) >= SHORTEST_VERB and any(word.startswith(said) for word in words)
        return first if made or said in words else None


def _done_in(descriptions: list[str]) -> list[str]:
    """The words of the first description up to a preposition, which say what the schema is of: "Get the weather forecast
    for a place"."""
    if not descriptions:
        return []
    of_things = rf"(?:{any_of('at', 'to', 'of')})(?!\w)"
    found = re.match(rf"(?:(?!{of_things})[\w'\u2019-]+\s*)+", lowered(descriptions[0]))
    small = {*said_around()["the"], *said_around()["and"], *said_around()["or"]}
    return [word for word in re.findall(WORD, found[0]) if word not in small] if found else []
