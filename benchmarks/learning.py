"""What SFT on the embedded base learns, over three seeds: from more time, from other weights, from other rows.

time: updates of SFT on the pretrained base, and on the same model with random weights (all of them trained). weights:
LoRA ranks and all weights. rows: many schemas of few rows against few of many, for the same time (groups of 8 rows make
other numbers of updates of them). Every run is the offline configuration with the flags that the table below names,
trained and evaluated (free decoding) on one core, as many at a time as there are cores. A seed draws data and training.
Runs that are up to date are not made again.

    uv run python benchmarks/learning.py
    uv run python benchmarks/learning.py --vary rows --seeds 42
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import common
import seeds

SHIPPED = "27x24"
SHAPES = {SHIPPED: [], "54x12": ["--train-schemas", "54"], "13x50": ["--train-schemas", "13"]}
"""Schemas x rows of each: flags of the schema stage."""
SPLITS = ["test_seen", "test", "new_words"]


class Run(NamedTuple):
    """One training: its rows (of SHAPES), its flags (None: no training, the base itself), and whether the base is
    random."""

    shape: str = SHIPPED
    flags: tuple[str, ...] | None = ()
    random: bool = False


ALL_WEIGHTS = ("--lora-rank", "0", "--learning-rate", "0.0008")
RUNS = {
    "base": Run(flags=None),
    "updates-27": Run(flags=("--max-steps", "27")),
    "updates-81": Run(),
    "updates-162": Run(flags=("--epochs", "2")),
    "random-162": Run(flags=(*ALL_WEIGHTS, "--epochs", "2"), random=True),
    "rank-4": Run(flags=("--lora-rank", "4", "--lora-alpha", "8")),
    "rank-128": Run(flags=("--lora-rank", "128", "--lora-alpha", "256")),
    "all-weights": Run(flags=ALL_WEIGHTS),
    "54x12": Run("54x12"),
    "13x50": Run("13x50"),
}
TABLES = {
    "time": ["base", "updates-27", "updates-81", "updates-162", "random-162"],
    "weights": ["updates-81", "rank-4", "rank-128", "all-weights"],
    "rows": ["updates-81", "54x12", "13x50"],
}


def random_base(folder: Path) -> Path:
    """The embedded base with random weights, made once."""
    from pipeline.embedded_base.tiny_gemma import build_model
    from pipeline.paths import CONFIG_DIR, EMBEDDED_BASE

    if not (folder / "config.json").exists():
        recipe = json.loads((CONFIG_DIR / "embedded_base.json").read_text(encoding="utf-8"))
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
            shutil.copy(EMBEDDED_BASE / name, folder / name)
        build_model(recipe, common.tokenizer(), seed=0).save_pretrained(folder)
    return folder


def stage(root: Path, seed: int, name: str, *flags: str) -> None:
    """Run a stage of the offline configuration on one core; exits with what it says where it fails."""
    command = [sys.executable, str(common.ROOT / "scripts" / f"{name}.py"), "--config", "config/offline.json"]
    done = subprocess.run(
        [*command, "--output-root", str(root), "--seed", str(seed), *flags], cwd=common.ROOT, check=False,
        capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"error: {name} {' '.join(flags)} in {root}: {done.stderr[-2000:]}")


def make(root: Path, seed: int, shape: str, runs: dict[str, Run], base: Path) -> None:
    """Data of one seed and shape, and every run on it, trained and evaluated."""
    rows = shape.split("x")[1]
    stage(root, seed, "generate_domain_specs")
    stage(root, seed, "build_schemas", *SHAPES[shape])
    stage(root, seed, "generate_dataset", "--rows-per-schema", rows)
    stage(root, seed, "build_training_corpus")
    for name, run in runs.items():
        where = ["--run-name", name, *(["--base-model", str(base)] if run.random else [])]
        if run.flags is not None:
            stage(root, seed, "train_student", *where, *run.flags)
        measured = ["--model", "sft"] if run.flags is not None else ["--base"]
        stage(root, seed, "evaluate_student", *where, *measured, "--modes", "free", "--splits", ",".join(SPLITS))
        print(f"{root.name}: {name}", file=sys.stderr, flush=True)


def seconds_of(root: Path, name: str) -> float:
    """Seconds of the training; 0 for the base."""
    records = [json.loads(p.read_text(encoding="utf-8")) for p in (root / "student_runs" / name).rglob("*.meta.json")]
    return sum(record["seconds"] for record in records if record["facts"]["stage"] == "training")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vary", nargs="+", default=list(TABLES), choices=list(TABLES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[42, 43, 44])
    parser.add_argument("--output-root", type=Path, default=Path("outputs/learning"))
    args = parser.parse_args(argv)
    wanted = {name: RUNS[name] for vary in args.vary for name in TABLES[vary]}
    root_of = lambda seed, shape: args.output_root / f"s{seed}-{shape}"
    base = random_base(args.output_root / "random_base")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = []
        for shape in SHAPES:
            runs = {name: run for name, run in wanted.items() if run.shape == shape}
            jobs += [pool.submit(make, root_of(seed, shape), seed, shape, runs, base) for seed in args.seeds if runs]
        for job in jobs:
            job.result()
    result: dict[str, Any] = {"name": "learning", "seeds": args.seeds}
    for vary in args.vary:
        print(f"\n{vary}")
        pooled, taken = {}, {}
        for name in TABLES[vary]:
            roots = [root_of(seed, RUNS[name].shape) for seed in args.seeds]
            model = "base" if RUNS[name].flags is None else "sft"
            pooled[name] = {k: v for root in roots for k, v in seeds.results(root, model, name).items()}
            taken[name] = mean(seconds_of(root, name) for root in roots)
        result[vary] = seeds.compare(pooled, "updates-81", SPLITS)
        result[f"{vary}_seconds"] = taken
        print("seconds of SFT: " + ", ".join(f"{name} {seconds:.0f}" for name, seconds in taken.items()))
    common.print_result(result | common.machine("cpu"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
