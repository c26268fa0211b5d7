"""What the embedded base is trained on, as groups of token ids: kinds of documents and of sequences, and their draw."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from pipeline.embedded_base import pretraining_data as data
from pipeline.embedded_base.tiny_gemma import BOS, END, PAD, START
from pipeline.teachers.made_up_words import Words


@dataclass
class Encoder:
    """Documents to prefix groups of token ids."""

    tokenizer: Any

    def __post_init__(self) -> None:
        ids = self.tokenizer.convert_tokens_to_ids
        self.pad, self.bos, self.end = ids(PAD), ids(BOS), ids(END)
        self.plain = len(self.tokenizer) - 6
        pieces = (self.tokenizer.decode([token]) for token in range(6, len(self.tokenizer)))
        Words.pieces = tuple(sorted({piece.lower() for piece in pieces if piece.isalpha()}))

    def encode(self, texts: list[str]) -> list[list[int]]:
        return [e.ids for e in self.tokenizer._tokenizer.encode_batch(texts, add_special_tokens=False)]

    def prompts(self, document: data.Document) -> list[list[int]]:
        """Token ids of the prompts, up to where the answer begins."""
        return self.encode([f"{BOS}{START}user\n{p}{END}\n{START}model\n" for p, _ in document.rows])

    def group(self, document: data.Document) -> Any:
        """The document's rows with the answers supervised."""
        from pipeline.students.shared_prefix import IGNORE, make_group

        rows, labels = [], []
        answers = self.encode([completion + END for _, completion in document.rows])
        for prompt, answer in zip(self.prompts(document), answers, strict=True):
            rows.append(prompt + answer)
            labels.append([IGNORE] * len(prompt) + answer)
        return make_group(rows, labels, self.pad)

    def sequence_group(self, rows: list[tuple[list[int], int | set[int]]]) -> Any:
        """Rows of offsets into the plain tokens, supervised from a position on, or at a set of positions."""
        from pipeline.students.shared_prefix import IGNORE, make_group

        ids, labels = [], []
        for row, wanted in rows:
            tokens = [6 + offset for offset in row]
            wanted = set(range(wanted, len(row))) if isinstance(wanted, int) else wanted
            ids.append([self.bos, *tokens])
            labels.append([IGNORE] + [token if at in wanted else IGNORE for at, token in enumerate(tokens)])
        return make_group(ids, labels, self.pad)


def _repeats_of(lengths: tuple[int, ...]) -> Any:
    def draw(rng: random.Random, tokens: int, rows: int) -> Any:
        length = rng.choice(lengths)
        return data.repeat_rows(rng, tokens, max(2, min(4 * rows, 3072 // length)), (4, length * 2 // 5), length)

    return draw


def _gaps_of(lengths: tuple[int, ...]) -> Any:
    def draw(rng: random.Random, tokens: int, rows: int) -> Any:
        length = rng.choice(lengths)
        return data.gap_rows(rng, tokens, max(1, min(3 * rows, 3072 // length)), length)

    return draw


SEQUENCES = {
    "short_repeats": lambda rng, tokens, rows: data.repeat_rows(rng, tokens, 4 * rows, (3, 12), 32),
    "repeats": _repeats_of((24, 48, 96, 160, 256)),
    "long_repeats": _repeats_of((96, 256, 512, 1024)),
    "gaps": _gaps_of((32, 48, 64, 64, 128, 256)),
    "long_gaps": _gaps_of((64, 256, 512, 1024, 2000)),
    "keyed": lambda rng, tokens, rows: data.keyed_rows(rng, tokens, 3 * rows),
}
"""Kinds of sequences of random tokens: rng, number of plain tokens, rows -> rows of offsets."""

MEASURED = {
    "small": lambda rng, rows: data.small_rows(rng, rows, described=0.0),
    "conditions": data.conditions_document,
    "short_schema": lambda rng, rows: data.schema_document(rng, rows, (2, 3), short=True),
    "schema": data.schema_document,
    "timed": data.timed_rows,
    "refusals": lambda rng, rows: data.small_rows(rng, rows, described=0.0, most=2, refused=1.0),
    "linked_small": lambda rng, rows: data.small_rows(rng, rows, described=0.0, links=True),
    "linked_schema": lambda rng, rows: data.schema_document(rng, rows, (2, 3), short=True, refused=0.3, links=True),
    "instance": data.instance_document,
}
"""Kinds of documents that a finished base is measured by: rng and rows -> document."""

DOCUMENTS = MEASURED | {
    "short_recall": lambda rng, rows: data.recall_document(rng, rows, (3, 8)),
    "recall": lambda rng, rows: data.recall_document(rng, rows, (4, 40)),
    "flat_instance": lambda rng, rows: data.instance_document(rng, rows, 0, 4),
    "dates": lambda rng, rows: data.date_document(rng, 2 * rows),
    "list": lambda rng, rows: data.list_document(rng, 2 * rows),
    "same": lambda rng, rows: data.pair_rows(rng, 3 * rows, "same"),
    "other": lambda rng, rows: data.pair_rows(rng, 3 * rows, "other"),
    "values": lambda rng, rows: data.pair_rows(rng, 3 * rows, "values"),
    "names": lambda rng, rows: data.name_rows(rng, 3 * rows),
    "lookup": lambda rng, rows: data.lookup_document(rng, 2 * rows),
    "fields": lambda rng, rows: data.conditions_document(rng, rows // 2, (2, 4), names_only=True),
    "described": lambda rng, rows: data.small_rows(rng, rows, described=1.0),
    "known": lambda rng, rows: data.small_rows(rng, rows, (1, 3), described=0.0, most=2, refused=0.5),
    "checked": lambda rng, rows: data.small_rows(rng, rows, (1, 3), described=0.0, most=2, refused=0.5, checked=1.0),
    "picked": lambda rng, rows: data.small_rows(rng, rows, (1, 2), described=0.25, most=2, picked=True),
    "linked_picked": lambda rng, rows: data.small_rows(
        rng, rows, (1, 2), described=0.0, most=2, picked=True, links=True
    ),
    "linked_known": lambda rng, rows: data.small_rows(
        rng, rows, (1, 3), described=0.0, most=2, refused=0.5, links=True
    ),
    "linked_conditions": lambda rng, rows: data.conditions_document(rng, rows, links=True),
    "linked_lists": lambda rng, rows: data.conditions_document(rng, rows, picked=True, links=True),
    "linked_or_refused": lambda rng, rows: data.conditions_document(rng, rows, refused=0.5, links=True),
    "linked_timed": lambda rng, rows: data.timed_rows(rng, rows, links=True),
    "described_conditions": lambda rng, rows: data.conditions_document(rng, rows, described=1.0),
    "simple_schema": lambda rng, rows: data.schema_document(rng, rows, (1, 3), simple=True),
    "long_schema": lambda rng, rows: data.schema_document(rng, rows // 2, (7, 16)),
}
"""Kinds of documents that a base is trained on: rng and rows -> document; easy ones have more rows than asked for."""


def stage_of(options: dict[str, Any], name: str) -> dict[str, Any]:
    """The stage of the recipe with this name."""
    return next(stage for stage in options["stages"] if stage["name"] == name)


def draw_group(options: dict[str, Any], encoder: Encoder, stage: str, step: int, slot: int) -> tuple[str, Any]:
    """The group that this place of the training sees: (kind, group). A pure function of its arguments."""
    rng = random.Random(f"{options['seed']}-{stage}-{step}-{slot}")
    recipe = stage_of(options, stage)
    rows = recipe.get("rows_per_group", options["rows_per_group"])
    kind = rng.choices(list(recipe["mixture"]), list(recipe["mixture"].values()))[0]
    if kind in SEQUENCES:
        return kind, encoder.sequence_group(SEQUENCES[kind](rng, encoder.plain, rows))
    return kind, encoder.group(DOCUMENTS[kind](rng, rows))
