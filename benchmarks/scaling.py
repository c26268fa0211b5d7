"""How the gain of a shared prefix grows: rows a schema (K) and schema length (P), beside what the arithmetic allows.

Forward and backward of one group: separate rows (whole prompts, logits only where there is a label, so that the gain is
the prefix's alone) against one shared prefix. Losses are compared at every point. What lies between ratio and limit is
overhead that does not shrink with the arithmetic: kernel launches, and attention over the repeated cache.

    uv run python benchmarks/scaling.py
    uv run python benchmarks/scaling.py --model gemma3-270m-random --device cuda
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

import common

ROWS, LENGTHS = (1, 2, 4, 8, 16, 32, 64), (250, 500, 1000, 2000, 3900)


def separate_loss(model: Any, group: dict[str, Any], batch: int) -> float:
    """Backward through separate rows in batches; the summed loss."""
    import torch

    device = next(model.parameters()).device
    total = 0.0
    for start in range(0, len(group["rows"]), batch):
        ids = torch.tensor(group["rows"][start : start + batch], device=device)
        labels = torch.tensor(group["labels"][start : start + batch], device=device)
        hidden = model.model(input_ids=ids).last_hidden_state[:, :-1][labels[:, 1:] != -100]
        logits = model.lm_head(hidden).float()
        loss = torch.nn.functional.cross_entropy(logits, labels[:, 1:][labels[:, 1:] != -100], reduction="sum")
        loss.backward()
        total += loss.item()
    return total


def shared_loss(model: Any, group: dict[str, Any]) -> float:
    """Backward through one shared prefix; the summed loss."""
    from pipeline.students.shared_prefix import group_loss, make_group

    loss, _ = group_loss(model, make_group(group["rows"], group["labels"], 0))
    loss.backward()
    return loss.item()


def fastest(work: Any, model: Any, repeats: int) -> tuple[float, float]:
    """(seconds of the fastest run, loss)."""
    import torch

    times = []
    for _ in range(repeats):
        model.zero_grad(set_to_none=True)
        started = time.perf_counter()
        loss = work()
        if next(model.parameters()).is_cuda:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return min(times), loss


def point(model: Any, rows: int, prefix: int, args: argparse.Namespace) -> dict[str, Any]:
    """One point of the curve."""
    (group,) = common.make_rows(1, rows, prefix, args.suffix, args.labels, model.config.vocab_size)
    batch = max(1, min(rows, args.batch_tokens // (prefix + args.suffix)))
    theirs, expected = fastest(lambda: separate_loss(model, group, batch), model, args.repeats)
    mine, loss = fastest(lambda: shared_loss(model, group), model, args.repeats)
    limit = common.arithmetic_limit(model.config, prefix, args.suffix, args.labels, rows, False)
    return {
        "K": rows, "P": prefix, "seconds_baseline": theirs, "seconds_ours": mine, "ratio": theirs / mine,
        "arithmetic_limit": limit, "difference": abs(loss - expected) / expected,
    }  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    common.add_arguments(parser, ())
    parser.add_argument("--suffix", type=int, default=110, help="S: tokens of a row after the prefix")
    parser.add_argument("--labels", type=int, default=70, help="L: supervised tokens of a row")
    parser.add_argument("--batch-tokens", type=int, default=16_384, help="tokens of a batch of separate rows")
    parser.add_argument("--repeats", type=int, default=2, help="runs of each point; the fastest counts")
    args = parser.parse_args(argv)
    model = common.load_model(args.model, args.device)
    shapes = [(k, 1000) for k in ROWS] + [(16, p) for p in LENGTHS if p != 1000]
    point(model, 2, 250, args)  # not counted
    points = []
    print("    K     P   separate     shared   ratio   limit")
    for rows, prefix in shapes:
        made = point(model, rows, prefix, args)
        points.append(made)
        print(
            f"{rows:5d} {prefix:5d} {made['seconds_baseline']:9.2f}s {made['seconds_ours']:9.2f}s {made['ratio']:7.2f} "
            f"{made['arithmetic_limit']:7.2f}",
            flush=True,
        )
    difference = max(p["difference"] for p in points)
    rounded = [{k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in p.items()} for p in points]
    common.print_result(
        {
            "name": "scaling", "baseline": "separate rows, logits only at labels", "model": args.model,
            "S": args.suffix, "labels": args.labels, "points": rounded, "max_difference": difference,
            "peak_memory_mib": common.peak_memory_mib(args.device), **common.machine(args.device),
        }
    )  # fmt: skip
    return 0 if difference < 1e-3 else 1


if __name__ == "__main__":
    sys.exit(main())
