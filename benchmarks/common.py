"""What the benchmarks share: models, rows of a stated shape, the arithmetic of both ways, and the last line.

A benchmark runs baseline and ours as processes of their own, one after the other, so that each has its own peak memory;
each side prints one JSON object as its last line, and the parent compares what they computed.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from pipeline.paths import EMBEDDED_BASE  # noqa: E402

GEMMA3_270M = {
    "vocab_size": 262_144, "hidden_size": 640, "intermediate_size": 2048, "num_hidden_layers": 18,
    "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 256, "sliding_window": 512,
    "query_pre_attn_scalar": 256, "max_position_embeddings": 32_768,
}  # fmt: skip

TOLERANCE = {"cpu": 1e-3, "cuda": 0.03}
"""Largest relative difference of two losses that are one: in float32 on a CPU, in bf16 on a GPU."""


def add_arguments(parser: argparse.ArgumentParser, sides: tuple[str, ...]) -> None:
    """Flags that every benchmark has."""
    parser.add_argument("--model", default="embedded", choices=("embedded", "gemma3-270m-random"))
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--side", choices=sides, help=argparse.SUPPRESS)


def add_training_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of benchmarks that train."""
    add_arguments(parser, ("baseline", "ours"))
    parser.add_argument(
        "--backend", default="transformers", choices=("transformers", "unsloth"),
        help="what both sides train with; unsloth needs --device cuda",
    )  # fmt: skip
    parser.add_argument("--steps", type=int, default=4, help="optimiser steps, one schema each; the first is not timed")
    parser.add_argument("--prefix", type=int, default=900, help="P: shared tokens")
    parser.add_argument("--suffix", type=int, default=110, help="S: tokens of a row after them")
    parser.add_argument("--labels", type=int, default=70, help="L: supervised tokens at the end of a row")


def micro_batch(args: argparse.Namespace, *, embedded: int, large: int) -> int:
    """Rows of the baseline's micro-batch: what is given, else what fits the model's size and device; K at most."""
    fits = embedded if args.model == "embedded" or args.device == "cuda" else large
    return min(args.rows, args.micro_batch or fits)


def load_model(name: str, device: str) -> Any:
    """The embedded base in float32, or the shape of Gemma 3 270M with random weights."""
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("error: --device cuda is not available on this machine; use --device cpu")
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    if name == "embedded":
        from transformers import AutoModelForCausalLM

        return AutoModelForCausalLM.from_pretrained(EMBEDDED_BASE, dtype=dtype).to(device)
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    torch.manual_seed(0)
    return Gemma3ForCausalLM(Gemma3TextConfig(**GEMMA3_270M)).to(device, dtype)


def tokenizer() -> Any:
    """The embedded base's tokenizer; its ids are valid in both models."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(EMBEDDED_BASE)


def load_student(args: argparse.Namespace) -> Any:
    """The model with LoRA of rank 16 on all linear layers, made as the stages make it; the same for the same flags."""
    from pipeline.students.student import add_lora, load_base, place

    with tempfile.TemporaryDirectory() as folder:
        base = EMBEDDED_BASE if args.model == "embedded" else Path(folder)
        if args.model != "embedded":
            load_model(args.model, args.device).cpu().save_pretrained(base)
            tokenizer().save_pretrained(base)
        student = SimpleNamespace(
            base_model=str(base), max_seq_length=4096, backend=args.backend, device=args.device
        )  # fmt: skip
        placement = place(student, trains=True)
        return add_lora(load_base(student, placement), student, placement, rank=16, alpha=32, seed=0)


class Clock:
    """The moments when optimiser steps ended, as a callback of a trainer; the first step is not timed."""

    def __new__(cls) -> Any:
        import torch
        from transformers import TrainerCallback

        class StepClock(TrainerCallback):
            def __init__(self) -> None:
                self.moments: list[float] = []

            def on_step_end(self, *_: Any, **__: Any) -> None:
                if torch.cuda.is_available():
                    torch.cuda.synchronize()
                self.moments.append(time.perf_counter())

        return StepClock()


def trained(trainer: Any, clock: Any, device: str) -> dict[str, Any]:
    """Train; {"seconds" after the first step, "losses", "adapter" (a probe of the trained weights), "peak_memory"}."""
    trainer.train()
    named = trainer.model.named_parameters()
    return {
        "seconds": clock.moments[-1] - clock.moments[0],
        "losses": [entry["loss"] for entry in trainer.state.log_history if "loss" in entry],
        "adapter": [p.detach().float().abs().sum().item() for n, p in named if "lora_B" in n],
        "peak_memory": peak_memory_mib(device),
    }


def trainer_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Options of both sides' trainers."""
    return {
        "learning_rate": 1e-4, "max_steps": args.steps, "logging_steps": 1, "save_strategy": "no", "seed": 0,
        "use_cpu": args.device == "cpu", "bf16": args.device == "cuda", "fp16": False, "max_grad_norm": 1.0,
        "train_sampling_strategy": "sequential", "optim": "adamw_torch_fused", "weight_decay": 0.0, "warmup_steps": 0,
    }  # fmt: skip


def compare_trainers(
    args: argparse.Namespace, given: list[str], name: str, baseline: str, rows: int, more: Callable[..., dict[str, Any]]
) -> int:
    """Run both sides of a benchmark that trains `rows` rows a step, print what came out, return the exit status.

    `more` makes of what both sides printed what this benchmark alone has.
    """
    theirs, mine = (run_side(f"{name}.py", side, given) for side in ("baseline", "ours"))
    difference = largest_difference(theirs["losses"], mine["losses"])
    config = load_model(args.model, "cpu").config
    limit = arithmetic_limit(config, args.prefix, args.suffix, args.labels, rows, True)
    ratio = theirs["seconds"] / mine["seconds"]
    print(
        f"{name}, {args.model}, {args.backend}: {ratio:.1f} times as fast as TRL's trainer; less arithmetic allows "
        f"{limit:.1f} times"
    )
    tokens = rows * (args.steps - 1) * (args.prefix + args.suffix)
    result = {
        "name": name, "baseline": baseline, "model": args.model, "backend": args.backend,
        "P": args.prefix, "S": args.suffix, "labels": args.labels, "K": args.rows, "steps_timed": args.steps - 1,
        "seconds_baseline": theirs["seconds"], "seconds_ours": mine["seconds"], "ratio": ratio,
        "arithmetic_limit": limit, "max_difference": difference,
        "tokens_per_second_baseline": tokens / theirs["seconds"], "tokens_per_second_ours": tokens / mine["seconds"],
        "peak_memory_baseline_mib": theirs["peak_memory"], "peak_memory_ours_mib": mine["peak_memory"],
    }  # fmt: skip
    print_result(result | more(theirs, mine) | machine(args.device))
    return 0 if difference < TOLERANCE[args.device] else 1


def largest_difference(theirs: list[float], mine: list[float]) -> float:
    """The largest relative difference of two lists."""
    return max(abs(a - b) / max(abs(a), 1e-12) for a, b in zip(theirs, mine, strict=True))


def make_rows(
    groups: int, rows: int, prefix: int, suffix: int, labels: int, vocabulary: int, seed: int = 0
) -> list[dict[str, Any]]:
    """Groups of rows of random tokens: {"rows", "labels", "row_ids"}; the last `labels` of a row are supervised."""
    rng = random.Random(seed)
    draw = lambda count: [rng.randrange(10, min(vocabulary, 2000)) for _ in range(count)]
    made = []
    for group in range(groups):
        shared = draw(prefix)
        tokens = [shared + draw(suffix) for _ in range(rows)]
        marks = [[-100] * (len(row) - labels) + row[-labels:] for row in tokens]
        made.append({"rows": tokens, "labels": marks, "row_ids": [f"{group}-{i}" for i in range(rows)]})
    return made


def flops(config: Any, lengths: list[tuple[int, int]], logits: int) -> float:
    """Forward arithmetic of segments (tokens before, new tokens) and of `logits` scored positions."""
    c = config
    heads, kv = c.num_attention_heads * c.head_dim, c.num_key_value_heads * c.head_dim
    linear = 2 * c.hidden_size * (2 * heads + 2 * kv + 3 * c.intermediate_size)
    total = 2.0 * c.hidden_size * c.vocab_size * logits
    for kind in c.layer_types:
        window = c.sliding_window if kind == "sliding_attention" else 1 << 30
        for before, new in lengths:
            seen = sum(min(window, before + i + 1) for i in range(new))
            total += linear * new + 4.0 * heads * seen
    return total


def arithmetic_limit(config: Any, prefix: int, suffix: int, labels: int, rows: int, scored_all: bool) -> float:
    """How much less arithmetic a shared prefix needs; `scored_all`: the baseline makes logits for every position."""
    separate = [(0, prefix + suffix)] * rows
    theirs = flops(config, separate, rows * (prefix + suffix if scored_all else labels))
    ours = flops(config, [(0, prefix)] + [(prefix, suffix)] * rows, rows * labels)
    return theirs / ours


def peak_memory_mib(device: str) -> int:
    """Peak memory of this process: of the device where it is one, else resident."""
    if device == "cuda":
        import torch

        return round(torch.cuda.max_memory_allocated() / 2**20)
    from pipeline.artifacts import peak_memory_mib as resident

    return resident()


def run_side(script: str, side: str, argv: list[str]) -> dict[str, Any]:
    """What a side printed as its last line."""
    command = [sys.executable, str(ROOT / "benchmarks" / script), "--side", side, *argv]
    print(f"{script} {side} ...", file=sys.stderr, flush=True)
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return json.loads(done.stdout.splitlines()[-1])


def machine(device: str) -> dict[str, Any]:
    """Hardware and versions."""
    import os

    import torch

    from pipeline.artifacts import commit

    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0] if names else model
    hardware = torch.cuda.get_device_name() if device == "cuda" else f"{os.cpu_count()} cores, {model}"
    versions = {name: version(name) for name in ("torch", "transformers", "trl", "peft")}
    return {"hardware": hardware, "versions": versions, "commit": commit()}


def print_result(result: dict[str, Any]) -> None:
    """The last line."""
    rounded = {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in result.items()}
    print(json.dumps(rounded))
