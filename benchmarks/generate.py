"""Decoding: `model.generate` row by row and batched, against this project's decoding on a shared prefix.

Rows are requests in the controlled language over schemas in the shipped form (K a schema), every answer T tokens long,
so that all ways decode the same number. What less arithmetic allows is counted for the prompts as they are. Answers are
compared token by token; where they part, the gap between the two best logits is measured. Constrained decoding is timed
a token against free decoding of the same rows. Rows decode as one batch, or `--together` at a time; then several
batches are shared out to processes on a CPU, as evaluation does, and timed in one process, too.

    uv run python benchmarks/generate.py
    uv run python benchmarks/generate.py --schemas 1 --rows 128
    uv run python benchmarks/generate.py --schemas 6 --together 48
    uv run python benchmarks/generate.py --model gemma3-270m-random --schemas 1 --rows 8 --tokens 16
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from typing import Any

import common


def prompts_of(args: argparse.Namespace) -> tuple[list[list[int]], list[dict[str, Any]]]:
    """(token ids of the prompts, the schema of each) of the benchmark's rows."""
    from pipeline.embedded_base import pretraining_data as data
    from pipeline.embedded_base.pretraining_groups import Encoder

    encoder = Encoder(common.tokenizer())
    prompts: list[list[int]] = []
    schemas: list[dict[str, Any]] = []
    for number in range(args.schemas):
        document = data.schema_document(random.Random(f"generate-{number}"), args.rows)
        prompts += encoder.prompts(document)
        schema, _ = json.JSONDecoder().raw_decode(document.rows[0][0].partition("Schema: ")[2])
        schemas += [schema] * args.rows
    return prompts, schemas


def library(args: argparse.Namespace, batch: int) -> dict[str, Any]:
    """`model.generate` over left-padded batches."""
    import torch

    model = common.load_model(args.model, args.device).eval()
    prompts, _ = prompts_of(args)

    def answer(members: list[list[int]]) -> list[list[int]]:
        width = max(map(len, members))
        ids = torch.tensor([[0] * (width - len(p)) + p for p in members], device=args.device)
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in members], device=args.device)
        made = model.generate(
            ids, attention_mask=mask, do_sample=False, max_new_tokens=args.tokens, min_new_tokens=args.tokens,
            pad_token_id=0, eos_token_id=None,
        )  # fmt: skip
        return made[:, width:].tolist()

    with torch.inference_mode():
        answer(prompts[:batch])  # not timed
        started = time.perf_counter()
        answers = [a for index in range(0, len(prompts), batch) for a in answer(prompts[index : index + batch])]
        seconds = time.perf_counter() - started
    return {"seconds": seconds, "answers": answers, "peak_memory": common.peak_memory_mib(args.device)}


def ours(args: argparse.Namespace) -> dict[str, Any]:
    """Free, then constrained."""
    import torch

    from pipeline.processes import in_forks
    from pipeline.schemas.constraints import GrammarCompiler
    from pipeline.students.generation import generate

    model = common.load_model(args.model, args.device).eval()
    prompts, schemas = prompts_of(args)
    together = args.together or len(prompts)
    batches = [prompts[start : start + together] for start in range(0, len(prompts), together)]
    work = lambda batch: generate(model, batch, end_ids=set(), max_new_tokens=args.tokens)
    work(batches[0])  # not timed
    alone, made = timed(lambda: list(map(work, batches)))
    seconds = alone
    if args.device == "cpu" and len(batches) > 1:
        seconds, made = timed(lambda: list(in_forks(work, batches)))
    answers = [answer.tokens for batch in made for answer in batch]
    gaps = []
    theirs = json.loads(args.compare) if args.compare else []
    for prompt, mine, other in zip(prompts, answers, theirs, strict=False):
        if mine == other:
            continue
        at = next(i for i, (a, b) in enumerate(zip(mine, other, strict=True)) if a != b)
        with torch.inference_mode():
            logits = model(torch.tensor([prompt + mine[:at]], device=args.device)).logits[0, -1].float()
        gaps.append(float((logits[mine[at]] - logits[other[at]]).abs()))
    tokenizer = common.tokenizer()
    end = tokenizer.convert_tokens_to_ids("<end_of_turn>")
    compiler = GrammarCompiler(tokenizer, end)
    free_seconds, free = timed(lambda: generate(model, prompts, end_ids={end}, max_new_tokens=args.tokens))
    constraints = [compiler.constraint(schema) for schema in schemas]
    bound_seconds, bound = timed(
        lambda: generate(model, prompts, end_ids={end}, max_new_tokens=args.tokens, constraints=constraints)
    )
    count = lambda made: sum(len(answer.tokens) for answer in made)
    return {
        "seconds": seconds, "seconds_one_process": alone, "answers": answers, "gaps": gaps,
        "peak_memory": common.peak_memory_mib(args.device),
        "free_ms_a_token": 1000 * free_seconds / count(free), "constrained_ms_a_token": 1000 * bound_seconds / count(bound),
    }  # fmt: skip


def arithmetic_limit(config: Any, prompts: list[list[int]], tokens: int) -> float:
    """How much less arithmetic answers of `tokens` tokens need where each schema's prompts share their beginning."""
    from pipeline.students.generation import shared_beginnings

    def run(before: int, length: int) -> list[tuple[int, int]]:
        return [(before, length - before), *((length + step, 1) for step in range(tokens - 1))]

    scored = len(prompts) * tokens
    theirs = common.flops(config, [part for prompt in prompts for part in run(0, len(prompt))], scored)
    mine: list[tuple[int, int]] = []
    for start, stop, shared in shared_beginnings(prompts):
        mine += [(0, shared), *(part for prompt in prompts[start:stop] for part in run(shared, len(prompt)))]
    return theirs / common.flops(config, mine, scored)


def timed(work: Any) -> tuple[float, Any]:
    """(seconds, result)."""
    started = time.perf_counter()
    made = work()
    return time.perf_counter() - started, made


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    common.add_arguments(parser, ("rows", "batched", "ours"))
    parser.add_argument("--schemas", type=int, default=3)
    parser.add_argument("--rows", type=int, default=16, help="K: rows a schema")
    parser.add_argument("--tokens", type=int, default=48, help="T: tokens of every answer")
    parser.add_argument("--together", type=int, help="rows that decode as one batch with ours; all by default")
    parser.add_argument("--batch", type=int, default=16, help="rows of the batched baseline")
    parser.add_argument("--compare", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    sides = {"rows": lambda a: library(a, 1), "batched": lambda a: library(a, a.batch), "ours": ours}
    if args.side:
        print(json.dumps(sides[args.side](args)))
        return 0
    given = sys.argv[1:] if argv is None else argv
    single, batched = (common.run_side("generate.py", side, given) for side in ("rows", "batched"))
    mine = common.run_side("generate.py", "ours", [*given, "--compare", json.dumps(single["answers"])])
    equal = sum(a == b for a, b in zip(single["answers"], mine["answers"], strict=True))
    prompts, _ = prompts_of(args)
    ratio = single["seconds"] / mine["seconds"]
    limit = arithmetic_limit(common.load_model(args.model, "cpu").config, prompts, args.tokens)
    slower = mine["constrained_ms_a_token"] / mine["free_ms_a_token"]
    print(
        f"decoding, {args.model}: {ratio:.1f} times as fast as row by row, {batched['seconds'] / mine['seconds']:.1f} "
        f"times as fast as batched; less arithmetic allows {limit:.1f} times; {equal} of {len(prompts)} answers equal; "
        f"a constrained token takes {slower:.2f} times a free one"
    )
    common.print_result(
        {
            "name": "generate", "baseline": "model.generate row by row", "model": args.model, "K": args.rows,
            "schemas": args.schemas, "P_and_request": round(sum(map(len, prompts)) / len(prompts)),
            "tokens": args.tokens, "seconds_baseline": single["seconds"], "seconds_batched": batched["seconds"],
            "seconds_ours": mine["seconds"], "seconds_ours_one_process": mine["seconds_one_process"], "ratio": ratio,
            "ratio_to_batched": batched["seconds"] / mine["seconds"],
            "arithmetic_limit": limit, "answers_equal": equal, "answers": len(prompts),
            "max_difference": max(mine["gaps"], default=0.0), "constrained_to_free_a_token": slower,
            "peak_memory_baseline_mib": batched["peak_memory"], "peak_memory_ours_mib": mine["peak_memory"],
            **common.machine(args.device),
        }
    )  # fmt: skip
    return 0 if max(mine["gaps"], default=0.0) < 1e-2 else 1


if __name__ == "__main__":
    sys.exit(main())
