"""Small helpers of several tests."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from conftest import ROOT, run_script

from pipeline.config import DEFAULTS, complete_sections
from pipeline.paths import CONFIG_DIR


def dataset_options(**changes: Any) -> SimpleNamespace:
    """The dataset section of the defaults with changes."""
    return SimpleNamespace(**complete_sections(DEFAULTS)["dataset"] | changes)


def make_schemas(count: int, seed: int, **changes: Any) -> list[dict[str, Any]]:
    """Train rows of d_02 from the shipped domains, with changes of the schemas' section of the defaults."""
    from build_schemas import build

    sections = complete_sections(DEFAULTS)
    options = SimpleNamespace(**sections["schemas"] | {"train_schemas": count} | changes)
    options.validation_schemas = options.align_schemas = options.test_schemas = options.new_word_schemas = 0
    return build(domain_specs(), options, SimpleNamespace(**sections["run"] | {"seed": seed}))


@cache
def domain_specs() -> list[dict[str, Any]]:
    """The shipped domains."""
    return [json.loads(line) for line in (CONFIG_DIR / "domains.jsonl").read_text(encoding="utf-8").splitlines()]


def config_for(folder: Path, base: Path | str, **sections: Any) -> Path:
    """A small offline config with its own root."""
    small = {
        "run": {"output_root": str(folder / "out")},
        "student": {"base_model": str(base)},
        "schemas": {
            "train_schemas": 6,
            "validation_schemas": 2,
            "align_schemas": 4,
            "test_schemas": 2,
            "new_word_schemas": 2,
        },
        "dataset": {
            "rows_per_schema": 6,
            "seen_schemas": 2,
            "evaluation_rows_per_schema": 2,
            "align_rows_per_schema": 2,
        },
        "evaluation": {"max_new_tokens": 12},
        "training": {"lora_rank": 2, "generated_rows": 4, "rows_per_group": 4, "groups_per_step": 2},
    }
    for section, values in sections.items():
        small[section] = small.get(section, {}) | values
    path = folder / "config.json"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"extends": str(ROOT / "config/offline.json"), **small}), encoding="utf-8")
    return path


def copied(made: Path, folder: Path) -> Path:
    """A copy of a finished root and its config in `folder`, to spoil; returns the config's path."""
    shutil.copytree(made / "out", folder / "out")
    config = folder / "config.json"
    text = (made / "config.json").read_text(encoding="utf-8")
    config.write_text(text.replace(str(made / "out"), str(folder / "out")), encoding="utf-8")
    return config


def ok(name: str, *args: str, **kwargs: Any) -> str:
    """What a stage that ends well says."""
    result = run_script(name, *args, **kwargs)
    assert result.returncode == 0, f"{name} ended with {result.returncode}: {result.stderr[-3000:]}"
    return result.stdout


def refused(name: str, *args: str, **kwargs: Any) -> str:
    """The one sentence of a run that ends with exit status 2."""
    result = run_script(name, *args, **kwargs)
    assert result.returncode == 2, (result.returncode, result.stderr[-2000:])
    assert "Traceback" not in result.stderr
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, result.stderr
    return errors[0]


def rows_of(path: Path) -> list[dict]:
    """The rows of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write_pairs(root: Path) -> None:
    """Pairs made by hand: an untrained model's samples never end."""
    from pipeline.requests.prompts import render_completion

    corpus = [row for row in rows_of(root / "d_04_training_corpus.jsonl") if row["split"] == "train"]
    pairs = [
        {
            "pair_id": row["row_id"], "row_id": row["row_id"], "schema_id": row["schema_id"], "query": "",
            "prompt": row["prompt"], "chosen": row["completion"], "rejected": render_completion({"steps": []}),
            "chosen_from": "teacher", "rejected_failure": "schema_violation",
        }
        for row in corpus[:8]
    ]  # fmt: skip
    path = root / "student_runs/embedded/alignment/dpo_pairs.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(pair) + "\n" for pair in pairs), encoding="utf-8")


def make_adapter(base: str, folder: Path, seed: int = 5, size: float = 0.01) -> None:
    """A LoRA adapter with random non-zero weights, saved as training saves it."""
    import torch

    from pipeline.students.student import Placement, add_lora, load_base, load_tokenizer, save_adapter

    student = SimpleNamespace(base_model=base)
    placement = Placement("transformers", "cpu", "float32")
    model = add_lora(load_base(student, placement), student, placement, rank=4, alpha=8, seed=seed)
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=size)
    save_adapter(model, load_tokenizer(base), folder, student)
