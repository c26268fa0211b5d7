"""How the text of a request is read by rules: case, accents, typing mistakes, what is quoted, what stands around a
value; and notes behind its words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, NamedTuple

from pipeline.paths import READING
from pipeline.schemas.dsl import operators
from pipeline.schemas.names import last_word
from pipeline.words import read_words

QUOTED = r'"[^"]*"|\u201c[^\u201d]*\u201d|\u00ab[^\u00bb]*\u00bb'
"""What is quoted, as a regex."""
WORD = r"[^\W\d_]+"
"""A word, as a regex."""
SIGN = re.compile(r"[,;]\s")
"""A sign between parts of a request."""
LEFT_ALONE = rf"{QUOTED}|\[[^]]*\]"
"""What is quoted, and what already stands in brackets."""
NOTHING = "(?!)"
"""What no text matches, as a regex."""
SHORTEST_MENDED = 6
"""Letters of the shortest words of which one is read as the other; too many shorter ones are near each other."""
SHORTEST_SURE = 5
"""Letters of the shortest words of operators that are mended."""
SHORTEST_SINGULAR = 3
"""Letters of the shortest words whose plural is read as them."""
SHORTEST_STEM = 4
"""Letters that words have in common at least of which one is read as another form of the other."""


def _languages() -> list[dict[str, Any]]:
    """config/reading.json, language by language."""
    return list(read_words(READING).values())


@cache
def said_around() -> dict[str, tuple[str, ...]]:
    """What people say around a value, of every language, by its kind; "called" and the like stand "at" a part, too."""
    others = ("endings", "units", "parts", "names", "values", "operators")
    kinds = {kind: [kind] for kind in _languages()[0] if kind not in others} | {"at": ["at", "called"]}
    said = lambda of: (word for words in _languages() for kind in of for word in words[kind])
    return {kind: tuple(dict.fromkeys(said(of))) for kind, of in kinds.items()}


@cache
def said_for_operators() -> dict[str, tuple[str, ...]]:
    """What people say for an operator whatever a schema lists, of every language, by its canonical name."""
    said = [words["operators"] for words in _languages()]
    return {name: tuple(word for words in said for word in words.get(name, ())) for name in operators()}


@cache
def said_for_units() -> dict[str, tuple[str, ...]]:
    """What people say for units of numbers, of every language, by the unit's name."""
    return _of_every_language("units")


def said_before(name: str) -> tuple[str, ...]:
    """What people say, in every language, before what they say of a property of this name: "by" of an `artist`."""
    return _said_before().get(last_word(name), ())


@cache
def _said_before() -> dict[str, tuple[str, ...]]:
    return _of_every_language("names")


@cache
def said_for_values() -> dict[str, tuple[str, ...]]:
    """What people say for values that schemas list, of every language, by the value in lower case."""
    return {lowered(value): said for value, said in _of_every_language("values").items()}


@cache
def parts_of_units() -> dict[str, int | float]:
    """Numbers in words before a unit, of every language: "half an" hour."""
    return {words: number for language in _languages() for words, number in language["parts"].items()}


def _of_every_language(kind: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for words in _languages():
        for name, said in words[kind].items():
            found[name] = tuple(dict.fromkeys((*found.get(name, ()), *said)))
    return found


@cache
def any_of(*kinds: str) -> str:
    """A regex for what people say around values of these kinds, the longest first."""
    words = sorted((word for kind in kinds for word in said_around()[kind]), key=len, reverse=True)
    return "|".join(re.escape(word).replace("'", "['\u2019]") for word in words) or NOTHING


def an_article() -> str:
    """A regex for an article and the space behind it."""
    return rf"(?:{any_of('the')})(?:(?<=['\u2019])|\s+)"


@cache
def prepositions() -> frozenset[str]:
    """Words like "on" and "to", of every language."""
    return frozenset((*said_around()["at"], *said_around()["to"]))


@cache
def _between_parts() -> re.Pattern[str]:
    at = rf"(?<!\w)(?:{any_of('at')})(?!\w)"
    return re.compile(rf"{LEFT_ALONE}|(?P<end>[,;](?!\S)|[:=]\s+(?!{QUOTED})|[(){{}}]|{at})", re.IGNORECASE)


@cache
def _around_part() -> re.Pattern[str]:
    asking = rf"(?:{any_of('ask', 'the', 'of', 'to', 'thanks')})(?:(?<=['\u2019])|(?![\w'\u2019]))"
    return re.compile(rf"^\s*(?:{asking}[\s!.]*)+|(?:(?<!\S)(?:{any_of('the', 'of', 'is', 'to')})\s*)+$", re.IGNORECASE)


@cache
def _between_values() -> tuple[re.Pattern[str], re.Pattern[str]]:
    words = rf"(?:{any_of('at', 'the', 'of')})"
    begins = rf"(?:(?P<sign>[,;]\s+)(?:{words}\s+)*|\s+(?:(?P<at>{any_of('at')})\s+|{words}\s+)+)$"
    return re.compile(begins, re.IGNORECASE), re.compile(rf"\s*(?:[,;)}}]|$|\s{words}(?!\w))", re.IGNORECASE)


def part_begins(before: str) -> re.Match[str] | None:
    """What stands at the end of a text before another part: a comma (the group `sign`), words like "on" or "for" (the
    group `at`), or both."""
    return _between_values()[0].search(before)


def part_ends(request: str, at: int) -> bool:
    """Whether nothing but another part can follow here: a sign, or words like "on" or "for"."""
    return _between_values()[1].match(request, at) is not None


def denied(before: str) -> re.Match[str] | None:
    """What denies a name at the end of the text before it: "not", "without a"."""
    return re.search(rf"(?<!\w)(?:{any_of('without')})\s+(?:{an_article()})?$", before, re.IGNORECASE)


@cache
def _asks_first() -> re.Pattern[str]:
    return re.compile(rf"\s*(?:(?:{any_of('ask', 'begin')})(?![\w'\u2019-])\s*)*", re.IGNORECASE)


@cache
def _verb() -> re.Pattern[str]:
    return re.compile(rf"(?P<verb>(?:{any_of('do')})(?!\w)\s+)(?:{an_article()})?(?=(?P<next>\S))", re.IGNORECASE)


def verb_at(request: str, at: int) -> re.Match[str] | None:
    """A verb here that may only ask, as "open" does in "open an issue" (the groups `verb` and, behind an article, the
    first character of what is `next`)."""
    return _verb().match(request, at)


def asks_to(request: str) -> int:
    """Where the words end with which a request begins and that only ask: "please remind me to"."""
    return _asks_first().match(request).end()


def parts_of(said: str) -> list[str]:
    """The parts of what is said without names, without words that ask: "add a team lunch for 5, please" -> "team
    lunch", "5".

    They end at signs and at words like "on" and "for".
    """
    return [part for part, _ in led_parts_of(said)]


def led_parts_of(said: str) -> list[tuple[str, str]]:
    """As `parts_of`, each part with the sign, or the word like "on" or "for", that stands before it."""
    parts, at, led = [], 0, ""
    for found in [*_between_parts().finditer(said), None]:
        if found is None or found["end"]:
            part = _around_part().sub("", said[at : found.start() if found else None]).strip(" .!?:=")
            parts += [(part, led)] * bool(part)
            at, led = (found.end(), lowered(found["end"])) if found else (at, led)
    return parts


def part_of(said: str) -> str:
    """What is said to the first sign or word like "on" and "for"."""
    ends = (found.start() for found in _between_parts().finditer(said) if found["end"])
    return said[: next(ends, None)]


def value_in(said: str, *, listed: bool) -> str:
    """What is said behind a name, without what stands around a value: "is only a, please" -> "a".

    Items of lists are joined in one way: "a, b and c" -> "a & b & c". What is quoted is left alone.
    """
    before, after = any_of("is", "only") if listed else any_of("is"), any_of("at", "and")
    said = re.sub(rf"(?:^|\s*[,.;])\s*(?:{any_of('thanks')})[\s!.]*$|[\s:,;]+$", "", said, flags=re.IGNORECASE)
    said = re.sub(rf"^(?:[\s:=,;]|(?:{before})(?!\w)|(?:{any_of('at')})\s+(?=\d))+", "", said, flags=re.IGNORECASE)
    said = re.sub(rf"(?<=\S)\s+(?:{after})(?:\s+(?:{any_of('the', 'of')}))*$", "", said, flags=re.IGNORECASE)
    if not listed:
        return said
    joint = rf"\s*,\s+(?:(?:{any_of('and')})\s+)?|\s+(?:{any_of('and')}|[&+;])\s+"
    return re.sub(rf"{LEFT_ALONE}|(?P<joint>{joint})", lambda found: " & " if found["joint"] else found[0], said)


@cache
def _counts() -> tuple[re.Pattern[str], re.Pattern[str]]:
    one = r"(\d+(?:\.\d+)?)(?:\s?[x\u00d7])?\s+([^\W\d_][^\d,;:(){}]*)"
    return re.compile(one), re.compile(rf"(?<!\s)\s+(?:{any_of('and')}|[&+])\s+", re.IGNORECASE)


@cache
def _from_to() -> list[re.Pattern[str]]:
    name, to, start = r"[A-Z\u00c0-\u00de][\w'\u2019-]*", rf"(?:{any_of('to')})", rf"(?<!\w)(?i:{any_of('from')})"
    first, second = (rf"(?P<{group}>{name}(?: {name}){{0,7}})" for group in ("first", "second"))
    any_first, any_second = (
        rf"(?P<{group}>(?=[\w ]{{0,60}}[^\W\d])\w[\w'\u2019 -]{{0,60}}?)" for group in ("first", "second")
    )
    ends = rf"(?=\s*(?:[,;.]|$|(?<!\w)(?:{any_of('at')})(?!\w)))"
    return [
        re.compile(rf"(?<!\w)(?i:{to})\s+{second}\s+{start}\s+{first}(?!\w)"),
        re.compile(rf"(?<!\w){first}\s+(?i:{to})\s+{second}(?!\w)"),
        re.compile(rf"{start}\s+{any_first}\s+{to}\s+{any_second}{ends}"),
    ]


def from_to(said: str) -> re.Match[str] | None:
    """Two names of which one leads to the other (the groups `first` and `second`): "from Lyon to Oslo", "to Oslo from
    Lyon", "from lyon to oslo"."""
    return next(filter(None, (pattern.search(said) for pattern in _from_to())), None)


def counts_in(part: str) -> list[tuple[str, str]]:
    """How many of what a part says, where it says nothing else: "2 blue mugs and 1 lamp" -> ("2", "blue mugs"), ("1",
    "lamp")."""
    one, between = _counts()
    found = [one.fullmatch(said.strip()) for said in between.split(part)]
    return [(match[1], match[2].strip()) for match in found if match] if all(found) else []


def lowered(text: str) -> str:
    """Lower case, one apostrophe for all, character by character: what stands where stays."""
    return "".join("'" if c == "\u2019" else c.lower()[0] for c in text)


def folded(text: str) -> str:
    """As `lowered`, without accents."""
    return "".join(unicodedata.normalize("NFD", c)[0] for c in lowered(text))


def one_edit_apart(a: str, b: str) -> bool:
    """Whether a letter dropped, added, changed or two swapped neighbours make one word the other."""
    if a == b or abs(len(a) - len(b)) > 1:
        return False
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    if len(a) == len(b):
        rest_a, rest_b = a[start:], b[start:]
        return rest_a[1:] == rest_b[1:] or (rest_a[:2] == rest_b[1::-1] and rest_a[2:] == rest_b[2:])
    longer, shorter = (a, b) if len(a) > len(b) else (b, a)
    return longer[start + 1 :] == shorter[start:]


@cache
def _endings() -> list[list[str]]:
    """Endings without accents that forms of one word have, of every language: "vendu", "vendue", "vendus"."""
    return [[folded(ending) for ending in endings] for words in _languages() for endings in words["endings"]]


@lru_cache(maxsize=1 << 16)
def _stems(word: str) -> frozenset[tuple[str, int]]:
    """What is left of a word without each of the endings that it may have, and which those belong to."""
    left = (
        (word.removesuffix(ending), number)
        for number, endings in enumerate(_endings())
        for ending in endings
        if word.endswith(ending)
    )
    return frozenset(stem for stem in left if len(stem[0]) >= SHORTEST_STEM)


@dataclass
class Spelling:
    """Words in lower case that requests are to have, each with how it is written without accents.

    `read_as` is what each word of requests so far is read as; `sure` are words without accents that a slip of the
    finger makes of others from SHORTEST_SURE letters on.
    """

    words: dict[str, str]
    read_as: dict[str, str] = field(default_factory=dict)
    sure: frozenset[str] = frozenset()

    def read(self, word: str) -> str:
        """A word in lower case, or the one of these that it is but for accents, the ending of another form or a typing
        mistake."""
        if len(word) <= SHORTEST_SINGULAR or word in self.words:
            return word
        if word not in self.read_as:
            plain = folded(word)
            near = {known for known in self.words.values() if is_form_of(plain, known, sure=known in self.sure)}
            plural = {known for known in near if is_plural(plain, known)}
            meant = {plain} & {*self.words.values()} or plural or near
            known = [known for known, spelled in self.words.items() if {spelled} == meant]
            self.read_as[word] = known[0] if known else word
        return self.read_as[word]

    def mended(self, text: str) -> tuple[str, list[int]]:
        """A text in lower case as it is read, and where in it each of the characters of that, and its end, stands."""
        read, places, at = "", [], 0
        for match in re.finditer(rf"{LEFT_ALONE}|(?P<word>{WORD})", text):
            if match["word"] and (word := self.read(match["word"])) != match["word"]:
                read += text[at : match.start()] + word
                places += [*range(at, match.start()), *[match.start()] * len(word)]
                at = match.end()
        return read + text[at:], [*places, *range(at, len(text) + 1)]


def is_plural(word: str, known: str) -> bool:
    """Whether a word is a known one with a plural's ending."""
    return len(known) >= SHORTEST_SINGULAR and word in (f"{known}s", f"{known}x")


def is_form_of(word: str, known: str, *, sure: bool = False) -> bool:
    """Whether a word without accents is another form of a known one, or that one with a typing mistake; of one that is
    `sure` to be meant a slip is enough: the first letter is right, and none is another one."""
    shortest = min(len(word), len(known))
    is_slip = sure and word[0] == known[0] and (len(word) != len(known) or sorted(word) == sorted(known))
    if shortest >= (SHORTEST_SURE if is_slip else SHORTEST_MENDED) and one_edit_apart(word, known):
        return True
    return is_plural(word, known) or not _stems(word).isdisjoint(_stems(known))


class Note(NamedTuple):
    """What rules found behind a part of a request; nothing is shown where `shown` is empty. `sign` stands behind it."""

    start: int
    end: int
    shown: str
    sign: str = ""


def with_notes(request: str, notes: Iterable[Note]) -> str:
    """The request with each note, in brackets, behind the text that it is of, or before the request where it is of what
    follows; several at one place in their order."""
    parts, at = [], 0
    for note in sorted((note for note in notes if note.shown), key=lambda note: note.end):
        shown = f"[{note.shown}]{note.sign}"
        parts.append(f"{request[at : note.end]} {shown}" if note.end else f"{shown} ")
        at = note.end
    return "".join(parts) + request[at:]
