"""Constrained decoding: a JSON Schema as a grammar that masks the tokens which may not come next (llguidance)."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from llguidance import LLMatcher
from llguidance.hf import from_tokenizer
from llguidance.torch import allocate_token_bitmask, apply_token_bitmask_inplace, fill_next_token_bitmask

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
    """What one row's grammar allows next."""

    def __init__(self, matcher: Any, vocabulary: int) -> None:
        self.matcher = matcher
        self.bitmask = allocate_token_bitmask(1, vocabulary)

    def mask(self, logits: torch.Tensor) -> None:
        """Set the logits (V,) of tokens that may not come next to -inf, in place."""
        fill_next_token_bitmask(self.matcher, self.bitmask, 0)
        apply_token_bitmask_inplace(logits[None, : self.bitmask.shape[1] * 32], self.bitmask.to(logits.device))

    def accept(self, token: int) -> None:
        """Advance by a token that the mask allowed."""
        self.matcher.consume_token(token)
