"""Constrained decoding: a JSON Schema as a grammar that masks the tokens which may not come next (llguidance)."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from llguidance import LLMatcher, LLTokenizer

from pipeline.json_schemas import children
from pipeline.prompts import minify
from pipeline.rewrite import to_grammar

EVERYTHING = "everything"


def compile_grammar(text: str) -> str:
    """llguidance's grammar of a schema in compact JSON."""
    return LLMatcher.grammar_from_json_schema(text, overrides={"whitespace_flexible": False})


@cache
def byte_tokenizer() -> Any:
    """A tokenizer of single bytes, to try grammars without a model."""
    return LLTokenizer("byte")


def _problem(schema: Any) -> str | None:
    try:
        matcher = LLMatcher(byte_tokenizer(), compile_grammar(minify(schema)))
    except Exception as error:  # the engine's own errors have no common type
        return str(error)
    return matcher.get_error() if matcher.is_error() else None


def without(schema: Any, keys: set[str], formats: frozenset[str] = frozenset()) -> Any:
    """A schema without some keywords at any level: looser, since `not` goes before what stands below it.

    `oneOf` becomes `anyOf`; with `patternProperties` goes the `additionalProperties` that counts on it.
    """
    if not isinstance(schema, dict):
        return schema
    gone = keys | ({"then", "else"} if "if" in keys else set())
    if "patternProperties" in keys and "patternProperties" in schema:
        gone = gone | {"additionalProperties"}
    result = {key: value for key, value in schema.items() if key not in gone or key == "oneOf"}
    if "oneOf" in keys and "oneOf" in result:
        either = result.pop("oneOf")
        if "anyOf" in result:
            result["allOf"] = [*result.get("allOf", []), {"anyOf": either}]
        else:
            result["anyOf"] = either
    if result.get("format") in formats:
        del result["format"]
    for path, part in list(children(result)):
        made = without(part, keys, formats)
        if len(path) == 1:
            result[path[0]] = made
        else:
            if result[path[0]] is schema.get(path[0]):
                result[path[0]] = result[path[0]].copy()
            result[path[0]][path[1]] = made
    if "$defs" in result:
        result["$defs"] = {name: without(part, keys, formats) for name, part in result["$defs"].items()}
    return result


@cache
def _enforceable(text: str) -> tuple[str | None, tuple[str, ...]]:
    import json

    from jsonschema import Draft202012Validator

    schema = to_grammar(json.loads(text))
    unenforced: set[str] = set()
    formats: set[str] = set()
    for _ in range(12):
        problem = _problem(schema)
        if problem is None:
            return minify(schema), tuple(sorted(unenforced))
        keys = (
            set(re.findall(r'"(\w+)"', found[1]))
            if (found := re.search(r"Unimplemented keys: (\[.*?\])", problem))
            else set()
        )
        if unknown := re.search(r"Unknown format: (\S+)", problem):
            formats.add(unknown[1])
            if unknown[1] in Draft202012Validator.FORMAT_CHECKER.checkers:
                unenforced.add("format")
        elif "oneOf" in problem:
            keys.add("oneOf")
        elif "patternProperty" in problem:
            keys.add("patternProperties")
        elif "regex" in problem.lower():
            keys.add("pattern")
        if not unknown and (not keys or keys <= unenforced):
            break
        unenforced |= keys
        schema = without(schema, set(unenforced), frozenset(formats))
    return None, (EVERYTHING,)


def enforceable(schema: Any) -> tuple[str | None, tuple[str, ...]]:
    """(schema text for the grammar, keywords that it leaves out): what the engine can enforce of a schema.

    Keywords that it cannot are left out, which makes the grammar looser and never stricter. (None, ("everything",))
    where nothing can be enforced.
    """
    return _enforceable(minify(schema))


class GrammarCompiler:
    """Grammars of schemas for one tokenizer, compiled once a schema."""

    def __init__(self, tokenizer: Any, end_id: int) -> None:
        from llguidance.hf import from_tokenizer

        self.tokenizer = from_tokenizer(tokenizer, eos_token=end_id)
        self.compiled = cache(compile_grammar)

    def constraint(self, schema: dict[str, Any]) -> GrammarConstraint:
        """A fresh constraint for one row. Raises ValueError where nothing of the schema can be enforced."""
        text, unenforced = enforceable(schema)
        if text is None:
            raise ValueError(", ".join(unenforced))
        matcher = LLMatcher(self.tokenizer, self.compiled(text))
        if matcher.is_error():
            raise ValueError(matcher.get_error())
        return GrammarConstraint(matcher, self.tokenizer.vocab_size)


class GrammarConstraint:
    """What one row's grammar allows next (`generation.Constraint`)."""

    def __init__(self, matcher: Any, vocabulary: int) -> None:
        from llguidance.torch import allocate_token_bitmask

        self.matcher = matcher
        self.mine = allocate_token_bitmask(1, vocabulary)

    def fill(self, bitmask: Any, slot: int) -> None:
        """Write the tokens that may come next to row `slot` of a mask; model and tokenizer may differ in their size."""
        from llguidance.torch import fill_next_token_bitmask

        fill_next_token_bitmask(self.matcher, self.mine, 0)
        words = min(self.mine.shape[1], bitmask.shape[1])
        bitmask[slot] = 0
        bitmask[slot, :words] = self.mine[0, :words]

    def accept(self, token: int) -> None:
        """Advance by a token that the mask allowed."""
        self.matcher.consume_token(token)

    def forced(self) -> list[int]:
        """Advance by the tokens that the grammar leaves no choice about, and return them."""
        tokens = self.matcher.compute_ff_tokens()
        if tokens:
            self.matcher.consume_tokens(tokens)
        return tokens
