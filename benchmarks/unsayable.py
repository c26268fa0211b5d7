"""What a student makes of requests in people's words for what its schemas cannot express: whether it refuses.

Exceptions ("all but weak") of fields that take none, several values ("weak or old") of fields that take one, and
comparisons ("under 20", "20 or less") of the only field that takes numbers, which does not compare so: without the
field, with it before, and comparisons with it behind the number. The seen and unseen schemas of each output root are
asked, in English and French, of the SFT adapter of its run. By kind it prints how many of the answers are refusals, and
how many are right to the letter; as the last line one JSON object.

    uv run python benchmarks/unsayable.py outputs/seed42 outputs/seed43
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import common

from pipeline import errors

TODAY = "2024-05-14"
MOST_NEW_TOKENS = 160
EXCEPTIONS = {"en": ("all but {v}", "everything except {v}"), "fr": ("tout sauf {v}", "tous sauf {v}")}
COMPARISONS = {
    "greater": {"en": "more than {n}", "fr": "plus de {n}"}, "at_least": {"en": "at least {n}", "fr": "au moins {n}"},
    "less": {"en": "under {n}", "fr": "moins de {n}"}, "at_most": {"en": "at most {n}", "fr": "au plus {n}"},
}  # fmt: skip
LIMITS = {
    "at_least": {"en": "{n} or more", "fr": "{n} ou plus"}, "at_most": {"en": "{n} or less", "fr": "{n} ou moins"},
}  # fmt: skip
SEVERAL = {"en": "{v} or {w}", "fr": "{v} ou {w}"}
IS = {"en": "is", "fr": "est"}
PLACES = {"left out": "{c}", "behind the number": "{c} {f}", "before": "{f} {c}", "before, is": "{f} {i} {c}"}


def requests_of(schema_row: dict[str, Any], rng: random.Random) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(kind, request, the field whose operator is missing) of a schema."""
    fields = schema_row["fields"]
    for entry in fields:
        if entry["type"] != "enum":
            continue
        words = [value["words"] for value in entry["values"]]
        if not {"not_equals", "not_in"} & entry["operators"].keys():
            for language, forms in EXCEPTIONS.items():
                yield "excepted", rng.choice(forms).format(v=rng.choice(words)[language]), entry
        if "in" not in entry["operators"]:
            for language, form in SEVERAL.items():
                said = form.format(v=words[0][language], w=words[1][language])
                yield "several, field left out", said, entry
                yield "several, field before", f"{entry['words'][language]} {IS[language]} {said}", entry
    numbers = [entry for entry in fields if entry["type"] in ("integer", "number")]
    for entry in numbers if len(numbers) == 1 else ():
        for canonical in COMPARISONS.keys() - entry["operators"].keys():
            for language, words in COMPARISONS[canonical].items():
                compared = words.format(n=rng.randrange(3, 900))
                for place, form in PLACES.items():
                    said = form.format(c=compared, f=entry["words"][language], i=IS[language])
                    yield f"compared, field {place}", said, entry
        for canonical in LIMITS.keys() - entry["operators"].keys():
            for language, said in LIMITS[canonical].items():
                limit = said.format(n=rng.randrange(3, 900))
                yield "limited, field left out", limit, entry
                yield "limited, field before", f"{entry['words'][language]} {IS[language]} {limit}", entry


def asked(root: Path, rng: random.Random) -> Iterator[tuple[str, dict[str, Any], str]]:
    """(kind, what is expected, the text of the answer) of every request to the student of a root."""
    from pipeline.artifacts import read_jsonl
    from pipeline.schemas.dsl import refusal_of
    from pipeline.students.evaluation import Answerer
    from pipeline.students.student import RECORD, Renderer, load_answering, load_tokenizer, place

    found = list(root.glob("student_runs/*/checkpoint-final"))
    if len(found) != 1:
        sys.exit(f"error: {root} has {len(found)} SFT adapters in place of one; run train_student.py there")
    base = json.loads((found[0] / RECORD).read_text(encoding="utf-8"))["base_model"]
    options = SimpleNamespace(base_model=base, backend="auto", device="auto", max_seq_length=2048)
    answerer = Answerer(
        load_answering(options, place(options), found[0]), Renderer(load_tokenizer(base)), MOST_NEW_TOKENS
    )
    for schema_row in read_jsonl(root / "d_02_final_schemas.jsonl", "build_schemas.py"):
        wanted = [made for made in requests_of(schema_row, rng) if schema_row["split"] in ("train", "test")]
        rows = [{"query": query, "current_date": TODAY} for _, query, _ in wanted]
        answers = answerer.answers([schema_row] * len(rows), rows) if rows else []
        for (kind, _, entry), answer in zip(wanted, answers, strict=True):
            yield kind, refusal_of("operator", entry["operators"].values(), entry["name"]), answer["text"]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("roots", nargs="+", type=Path, help="output roots of runs with the embedded teacher")
    args = parser.parse_args(argv)
    from pipeline.schemas.json_text import minify

    total, refused, right = Counter(), Counter(), Counter()
    for root in args.roots:
        for kind, expected, text in asked(root, random.Random(0)):
            total[kind] += 1
            refused[kind] += text.startswith('{"refusal"')
            right[kind] += text == minify(expected)
    for kind, count in total.items():
        print(f"{kind:<34} refused {refused[kind]} of {count}, to the letter {right[kind]}")
    kinds = {kind: {"rows": n, "refused": refused[kind], "right": right[kind]} for kind, n in total.items()}
    common.print_result({"name": "unsayable", "kinds": kinds, **common.machine("cpu")})
    return 0


if __name__ == "__main__":
    errors.run(main)
