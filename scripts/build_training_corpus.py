"""d_04: the rows of SFT as prompt and completion, none of them cut.

Rows are TRL's conversational prompt-completion. Token lengths are measured with the student's tokenizer; a row that
does not fit `--max-seq-length` is dropped, named and counted, and above `--max-dropped-share` the run stops.

In   outputs/d_02_final_schemas.jsonl, outputs/d_03_dataset.jsonl
Out  outputs/d_04_training_corpus.jsonl   row_id, schema_id, prompt: [message], completion: [message], split (train or
                                          validation)

    uv run python scripts/build_training_corpus.py --config config/offline.json
    uv run python scripts/build_training_corpus.py --max-seq-length 2048
"""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from pipeline import errors
from pipeline.artifacts import Stage, locked, read_jsonl, write_jsonl
from pipeline.config import parse_options
from pipeline.errors import UserError
from pipeline.paths import Layout
from pipeline.progress import Progress
from pipeline.requests.prompts import form_of_rows

VERSION = 5
SPLITS = ("train", "validation")


def corpus_rows(
    layout: Layout, renderer: Any, max_seq_length: int, lengths: list[int], dropped: list[tuple[str, int]]
) -> Iterator[dict[str, Any]]:
    """The d_04 rows; fills `lengths` with the token lengths of kept rows and `dropped` with (row_id, length)."""
    from pipeline.requests.prompts import render_completion, render_prompt

    schemas = {
        row["schema_id"]: row["schema"]
        for row in read_jsonl(layout.schemas, "build_schemas.py")
        if row["split"] in SPLITS
    }
    bar: Progress | None = None
    for row in read_jsonl(layout.dataset, "generate_dataset.py"):
        bar = bar or Progress(sum(1 for _ in layout.dataset.open("rb")), "rows read")
        bar.update()
        if row["split"] not in SPLITS:
            continue
        if row["schema_id"] not in schemas:
            raise UserError(
                f"{layout.dataset}: row {row['row_id']} names schema {row['schema_id']}, which {layout.schemas} lacks; run generate_dataset.py again"
            )
        prompt = render_prompt(schemas[row["schema_id"]], row["query"], row["current_date"])
        completion = render_completion(row["ast"])
        length = len(renderer.prompt(prompt)) + len(renderer.answer(completion))
        if length > max_seq_length:
            dropped.append((row["row_id"], length))
            continue
        lengths.append(length)
        yield {
            "row_id": row["row_id"],
            "schema_id": row["schema_id"],
            "prompt": prompt,
            "completion": completion,
            "split": row["split"],
        }
    if bar:
        bar.close()


def check_dropped(lengths: list[int], dropped: list[tuple[str, int]], limit: int, share: float) -> None:
    """Raise UserError where too many rows do not fit, or none is left."""
    total = len(lengths) + len(dropped)
    if not total:
        raise UserError("the dataset has no rows of the splits train and validation; run generate_dataset.py")
    if len(dropped) > share * total:
        longest = max(length for _, length in dropped)
        raise UserError(
            f"{len(dropped)} of {total} rows are longer than --max-seq-length {limit} (longest {longest}, for instance "
            f"row {dropped[0][0]}); raise --max-seq-length, lower --max-fields, or allow more with --max-dropped-share"
        )


def summary_of(lengths: list[int], dropped: list[tuple[str, int]]) -> dict[str, Any]:
    """Token lengths and dropped rows, for the record."""
    ordered = sorted(lengths)
    at = lambda share: ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0
    return {
        "rows": len(lengths),
        "tokens": sum(lengths),
        "length_median": at(0.5),
        "length_p99": at(0.99),
        "length_max": at(1.0),
        "dropped": dict(dropped),
    }


def main(argv: list[str] | None = None) -> int:
    options = parse_options(argv, __doc__, ("run", "student", "corpus"))
    layout = Layout(options.run)
    student: SimpleNamespace = options.student
    facts = {
        "base_model": student.base_model,
        "max_seq_length": student.max_seq_length,
        "max_dropped_share": options.corpus.max_dropped_share,
        "prompt": form_of_rows(),
    }
    with locked(layout.root, "corpus"):
        stage = Stage("corpus", VERSION, layout.root, [layout.corpus], facts, [layout.schemas, layout.dataset])
        if not options.force and stage.up_to_date():
            return 0
        from pipeline.students.student import Renderer, load_tokenizer

        renderer = Renderer(load_tokenizer(student.base_model))
        lengths: list[int] = []
        dropped: list[tuple[str, int]] = []
        target = layout.corpus.with_name(layout.corpus.name + ".new")
        try:
            write_jsonl(target, corpus_rows(layout, renderer, student.max_seq_length, lengths, dropped))
            check_dropped(lengths, dropped, student.max_seq_length, options.corpus.max_dropped_share)
            stage.set_aside()
            target.replace(layout.corpus)
        finally:
            target.unlink(missing_ok=True)
        counts = summary_of(lengths, dropped)
        stage.finish(
            counts,
            f"{counts['rows']} rows of {counts['length_median']} tokens in the median, {counts['length_max']} at most, "
            f"{len(dropped)} dropped -> {layout.corpus}",
        )
    return 0


if __name__ == "__main__":
    errors.run(main)
