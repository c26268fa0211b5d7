"""How names of schemas are written: words as a name in some style, and a name as words."""

from __future__ import annotations

import re

CALLED = ("name", "title", "label")
"""Last words of the names of properties that say what a thing is called."""
STYLES = ("snake", "snake", "camel", "kebab", "pascal", "upper", "flat")


def name_in_style(phrase: str, style: str) -> str:
    """A phrase as a name: snake, camel, pascal, kebab, upper or flat."""
    words = phrase.split()
    if style == "camel":
        return words[0] + "".join(word.capitalize() for word in words[1:])
    if style == "pascal":
        return "".join(word.capitalize() for word in words)
    if style == "upper":
        return "_".join(words).upper()
    return {"snake": "_", "kebab": "-", "flat": ""}[style].join(words)


def words_of(name: str) -> str:
    """A property's name or an enum's value as words: `dueDate`, `due_date` -> "due date"."""
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").replace("-", " ")
    return " ".join(parts.lower().split())


def last_word(name: str) -> str:
    """The last word of a property's name, which says what it is: `due_date` -> "date"."""
    return words_of(name).rpartition(" ")[2]
