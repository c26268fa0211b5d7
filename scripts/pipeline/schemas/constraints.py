"""Constrained decoding: a JSON Schema as a grammar that masks the tokens which may not come next (llguidance)."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from llguidance import LLMatcher, LLParserLimits, LLTokenizer

from pipeline.schemas.json_schemas import with_children
from pipeline.schemas.json_text import minify
from pipeline.schemas.rewrite import named_only, to_grammar

EVERYTHING = "everything"
CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]")


def compile_grammar(text: str) -> str:
    """llguidance's grammar of a schema in compact JSON."""
    return LLMatcher.grammar_from_json_schema(text, overrides={"whitespace_flexible": False})


@cache
def byte_tokenizer() -> Any:
    """A tokenizer of single bytes, to try grammars without a model."""
    return LLTokenizer("byte")


def matcher_of(tokenizer: Any, grammar: str) -> Any:
    """A matcher with fifty times the engine's own budget for building a lexer: with less, a counted pattern in a text
    of bounded length stops texts that satisfy both. 100 words in 5,000 characters take a second, others hardly any
    time.
    """
    fuel = 50 * LLParserLimits().initial_lexer_fuel
    return LLMatcher(tokenizer, grammar, limits=LLParserLimits(initial_lexer_fuel=fuel))


def lets_through(text: str, value: Any) -> bool:
    """Whether a grammar's schema text (`enforceable`) lets a value's compact JSON through, byte by byte, to its end."""
    matcher = matcher_of(byte_tokenizer(), compile_grammar(text))
    data = list(minify(value).encode())
    return matcher.validate_tokens(data) == len(data) and matcher.consume_tokens(data) and matcher.is_accepting()


def _problem(schema: Any) -> str | None:
    try:
        matcher = matcher_of(byte_tokenizer(), compile_grammar(minify(schema)))
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
    result = with_children(result, lambda _, part: without(part, keys, formats))
    if "$defs" in result:
        result["$defs"] = {name: without(part, keys, formats) for name, part in result["$defs"].items()}
    return result


def misread(pattern: str) -> bool:
    """Whether the engine lets quotes or backslashes through that a pattern refuses.

    llguidance 1.9 does where a class of characters holds all that JSON writes with a letter ("\\n"), but not those two.
    """
    for found in CLASS.findall(pattern):
        try:
            holds = re.compile(found).match
        except re.error:  # no class by itself, as what stands after an escaped bracket: validation reads it rightly
            return True
        if all(map(holds, "\b\f\n\r\t")) and not all(map(holds, '"\\')):
            return True
    return False


def _well_read(schema: Any, unenforced: set[str]) -> Any:
    """A schema without the patterns that the engine misreads; the keywords they stood in are added to `unenforced`."""
    if not isinstance(schema, dict):
        return schema
    result = dict(schema)
    if isinstance(pattern := schema.get("pattern"), str) and misread(pattern):
        del result["pattern"]
        unenforced.add("pattern")
    if any(map(misread, schema.get("patternProperties", {}))):
        unenforced.add("patternProperties")
        result = without(result, {"patternProperties"})
    result = with_children(result, lambda _, part: _well_read(part, unenforced))
    if "$defs" in result:
        result["$defs"] = {name: _well_read(part, unenforced) for name, part in result["$defs"].items()}
    return result


@cache
def _enforceable(text: str) -> tuple[str | None, tuple[str, ...]]:
    import json

    from pipeline.schemas.formats import FORMATS

    unenforced: set[str] = set()
    schema = _well_read(to_grammar(json.loads(text)), unenforced)
    gone: set[str] = set()  # keywords that are left out everywhere
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
            if unknown[1] in FORMATS.checkers:
                unenforced.add("format")
        elif "oneOf" in problem:
            keys.add("oneOf")
        elif "patternProperty" in problem:
            keys.add("patternProperties")
        elif "regex" in problem.lower():
            keys.add("pattern")
        if not unknown and (not keys or keys <= gone):
            break
        gone |= keys
        unenforced |= keys
        schema = without(schema, gone, frozenset(formats))
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
        """A fresh constraint for one row, which lets no property through that the schema does not speak of
        (`named_only`).

        Raises ValueError where nothing of the schema can be enforced.
        """
        text, unenforced = enforceable(named_only(schema))
        if text is None:
            raise ValueError(", ".join(unenforced))
        matcher = matcher_of(self.tokenizer, self.compiled(text))
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

    def lets_through(self, tokens: list[int]) -> bool:
        """Whether the grammar allows these tokens from its beginning and an end after them; it stands where it
        stood."""
        fresh = self.matcher.deep_copy()
        fresh.reset()
        return fresh.validate_tokens(tokens) == len(tokens) and fresh.consume_tokens(tokens) and fresh.is_accepting()
