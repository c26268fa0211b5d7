"""Schemas rewritten for what enforces them: `to_grammar` for constrained decoding, `to_format` for Ollama's `format`.

Answers are always validated against the original schema afterwards.
"""

from __future__ import annotations

from typing import Any

ANNOTATIONS = ("description", "title", "examples", "$comment", "default", "deprecated")
LITERAL = ("enum", "const", "required")


def to_grammar(schema: Any) -> Any:
    """The schema without annotations and `x-` keywords; key order, which decoders follow, is kept."""
    if isinstance(schema, list):
        return [to_grammar(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {}
    for key, value in schema.items():
        if key in ANNOTATIONS or key.startswith("x-"):
            continue
        if key == "properties":
            result[key] = {name: to_grammar(part) for name, part in value.items()}
        else:
            result[key] = value if key in LITERAL else to_grammar(value)
    return result


def to_format(schema: Any) -> Any:
    """`to_grammar`, simplified for servers whose grammars know less: `const` becomes a one-element `enum`."""
    if isinstance(schema, list):
        return [to_format(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {}
    for key, value in to_grammar(schema).items():
        if key == "const":
            result["enum"] = [value]
        elif key == "properties":
            result[key] = {name: to_format(part) for name, part in value.items()}
        else:
            result[key] = value if key in LITERAL else to_format(value)
    return result
