"""Words that stand in no file: made of syllables, or of the pieces that a tokenizer splits words into."""

from __future__ import annotations

import random

ONSETS = ("", "b", "c", "d", "f", "g", "h", "j", "l", "m", "n", "p", "qu", "r", "s", "t", "v", "w", "z") + (
    "br", "ch", "cl", "cr", "dr", "fl", "fr", "gr", "pl", "pr", "sh", "sp", "st", "th", "tr", "ph", "gn",
)  # fmt: skip
NUCLEI = tuple("aaaeeeiioouuy") + ("ai", "au", "ea", "ee", "ei", "eu", "ie", "io", "oo", "ou", "oi", "ue")
ACCENTED = ("\u00e9", "\u00e8", "\u00ea", "\u00e0", "\u00e2", "\u00ee", "\u00f4", "\u00fb", "\u00e7a", "\u0153") + (
    "\u00f9", "\u00eb", "\u00ef",
)  # fmt: skip
CODAS = ("", "", "", "b", "c", "ck", "d", "g", "l", "ll", "m", "n", "p", "r", "s", "ss", "t", "x", "y", "nd", "nt") + (
    "ng", "rd", "rt", "st", "mp", "nce", "re", "le", "te", "ne", "que", "tion", "ment", "er", "ing", "ed", "es", "al",
)  # fmt: skip
LETTERS = "abcdefghijklmnopqrstuvwxyz"
COMMON = "etaoinsrhldcumfpgwybvk"
"""Letters by how common they are in English, the rarest left out: what is drawn has the pieces of words in it."""
FEW_PIECES = 40


class Words:
    """Made-up words, each drawn once for a document.

    A phrase has `longest` at most. Half of the `varied` ones are drawn from `pieces` in place of syllables, so that
    every token of the vocabulary is met: syllables alone hardly showed a tenth of the tokens of real words. Now and
    then a document has few pieces, so that its words are alike and one token does not tell which of them goes on.
    """

    pieces: tuple[str, ...] = ()
    """What a tokenizer splits words into, in lower case; set once by whoever has a tokenizer."""

    def __init__(self, rng: random.Random, longest: int = 3, *, varied: bool = True) -> None:
        self.rng, self.longest, self.varied = rng, longest, varied
        few = varied and len(self.pieces) > FEW_PIECES and rng.random() < 0.35
        self.own_pieces = tuple(rng.sample(self.pieces, FEW_PIECES)) if few else self.pieces
        self.used: set[str] = set()
        self.pool: tuple[str, ...] = ()
        """What most phrases are made of from now on, so that they share words, as "red chair" and "red table"."""

    def more(self) -> Words:
        """Words for one row of a document: none that the document has."""
        words = Words(self.rng, varied=self.varied)
        words.used, words.own_pieces = set(self.used), self.own_pieces
        return words

    def _draw(self, accents: float) -> str:
        rng = self.rng
        if rng.random() < 0.1:
            return "".join(rng.choice(LETTERS) for _ in range(rng.randint(2, 6)))
        if self.varied and rng.random() < 0.08:
            return "".join(COMMON[min(int(rng.expovariate(0.15)), 21)] for _ in range(rng.randint(4, 11)))
        if self.varied and self.own_pieces and rng.random() < 0.5:
            return "".join(rng.choice(self.own_pieces) for _ in range(rng.choice((1, 2, 2, 2, 3, 3, 4))))[:12]
        return self._syllables(accents, 12 if self.varied else 10)

    def _syllables(self, accents: float, longest: int) -> str:
        rng, parts = self.rng, []
        for _ in range(rng.choice((1, 1, 2, 2, 2, 2, 3, 3) if self.varied else (1, 1, 2, 2, 2, 3))):
            nucleus = rng.choice(ACCENTED) if rng.random() < accents else rng.choice(NUCLEI)
            coda = rng.choice(CODAS) if rng.random() < 0.35 else ""
            parts.append(rng.choice(ONSETS) + nucleus + coda)
        return "".join(parts)[:longest]

    def word(self, accents: float = 0.0) -> str:
        """A new word; `accents` is the share of syllables with an accented letter."""
        while True:
            word = self._draw(accents)
            if len(word) > 1 and word not in self.used:
                self.used.add(word)
                return word

    def phrase(self, accents: float = 0.0) -> str:
        """One to three words, at most `longest`, new ones where they are not of the pool."""
        size = min(self.longest, self.rng.choice((1, 1, 1, 1, 2, 2, 3)))
        if self.pool and self.rng.random() < 0.85:
            return " ".join(self.rng.sample(self.pool, min(size + self.rng.randint(0, 1), len(self.pool))))
        return " ".join(self.word(accents) for _ in range(size))
