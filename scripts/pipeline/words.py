"""The files of words in config/ (phrases, operators, the AST's template): read once, and checked.

What each may hold stands in config/words.schema.json.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.config import read_json
from pipeline.errors import UserError
from pipeline.paths import WORDS_SCHEMA

LONGEST = 60
"""Characters of a value that a sentence about it shows."""


@cache
def read_words(path: Path) -> Any:
    """What a file of words holds.

    Raises UserError naming the file and the line where it is no JSON, or the place and what is allowed there.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    known, words = read_json(WORDS_SCHEMA), read_json(path)
    schema = known["properties"][path.stem] | {"$defs": known["$defs"]}
    error = best_match(Draft202012Validator(schema).iter_errors(words))
    if error is None:
        return words
    place = ".".join(map(str, error.absolute_path)) or "the file"
    if error.validator == "required":
        lacking = [key for key in error.validator_value if key not in error.instance]
        raise UserError(f"{path}: {place} lacks {', '.join(lacking)}; add what is missing")
    if error.validator == "additionalProperties":
        unknown, known = (
            [key for key in error.instance if key not in error.schema["properties"]],
            error.schema["properties"],
        )
        raise UserError(f"{path}: {place} has the unknown key {', '.join(unknown)}; known: {', '.join(known)}")
    shown = json.dumps(error.instance, ensure_ascii=False)
    shown = shown if len(shown) <= LONGEST else shown[:LONGEST] + "..."
    raise UserError(f"{path}: {place} is {shown}; allowed: {error.schema['description']}")
