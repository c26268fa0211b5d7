"""Constrained decoding: a JSON Schema as a grammar that masks the tokens which may not come next (llguidance)."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from llguidance import LLMatcher
from llguidance.hf import from_tokenizer
from llguidance.torch import allocate_token_bitmask, fill_next_token_bitmask

from pipeline.prompts import minify
from pipeline.rewrite import to_grammar


class GrammarCompiler:
    """Grammars of schemas for one tokenizer, compiled once a schema."""

    def __init__(self, tokenizer: Any, end_id: int) -> None:
        self.tokenizer = from_tokenizer(tokenizer, eos_token=end_id)
        self.compiled = cache(self._compile)

    def _compile(self, text: str) -> str:
        return LLMatcher.grammar_from_json_schema(text, overrides={"whitespace_flexible": False})

    def constraint(self, schema: dict[str, Any]) -> GrammarConstraint:
        """A fresh constraint for one row. Raises ValueError where the engine refuses the schema."""
        matcher = LLMatcher(self.tokenizer, self.compiled(minify(to_grammar(schema))))
        if matcher.is_error():
            raise ValueError(matcher.get_error())
        return GrammarConstraint(matcher, self.tokenizer.vocab_size)


class GrammarConstraint:
    """What one row's grammar allows next (`generation.Constraint`)."""

    def __init__(self, matcher: Any, vocabulary: int) -> None:
        self.matcher = matcher
        self.mine = allocate_token_bitmask(1, vocabulary)

    def fill(self, bitmask: torch.Tensor, slot: int) -> None:
        """Write the tokens that may come next to row `slot` of a mask; model and tokenizer may differ in their size."""
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
