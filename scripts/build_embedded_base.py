"""Build the embedded base: a tiny Gemma 3 pretrained on procedural data until it can copy and look up.

Offline runs have no model hub, and random weights learn nothing worth measuring in ten minutes. This makes the base
that they start from: a real `Gemma3ForCausalLM` with its own byte-level BPE tokenizer, small enough to travel with the
repository, in the layout that Ollama runs as it is.

In   config/embedded_base.json   sizes, curriculum, mixture, seed
Out  <output>/checkpoint.pt      state of the training; a killed build goes on from it
     <output>/metrics.jsonl      stage, step, loss, accuracy by kind of document, rows and seconds so far
     <output>/model/             model.safetensors (bf16), config.json, tokenizer files

    uv run python scripts/build_embedded_base.py
    uv run python scripts/build_embedded_base.py --max-steps 5 --output outputs/tiny   # a smoke run
    uv run python scripts/build_embedded_base.py --start assets/embedded_base --from-stage more_schemas  # go on
    uv run python scripts/build_embedded_base.py --measure 8    # exact match of the shipped base on new documents
    uv run python scripts/build_embedded_base.py --install      # copy a finished model to assets/embedded_base
    uv run python scripts/build_embedded_base.py --install --mean-with assets/embedded_base  # its mean with that one
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import time
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from pipeline import errors
from pipeline.embedded_base.pretraining_groups import MEASURED, Encoder, draw_group, stage_of
from pipeline.embedded_base.tiny_gemma import TOKENIZER_FILES, build_model, deepened, train_tokenizer
from pipeline.errors import UserError
from pipeline.paths import CONFIG_DIR, EMBEDDED_BASE
from pipeline.progress import Progress


def speed_up(model: Any) -> None:
    """Compile the elementwise parts: faster on a CPU, the same loss but rounding. Needs a C++ compiler.

    Where products run in bf16 attention is plain products, too: torch's fused attention for CPUs took 2.5 times as
    long, forward and backward (16 rows of 150 queries on 750 keys). In fp32 it is the faster one (3.1 s a step for
    3.7).
    """
    import torch
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask
    from transformers.models.gemma3 import modeling_gemma3

    def attention(
        module: Any, query: Any, key: Any, value: Any, mask: Any, scaling: float | None = None, **_: Any
    ) -> tuple[Any, None]:
        rows, heads, length, width = query.shape
        shared = heads // key.shape[1]  # query heads that share a key-value head stand below each other
        folded = (query * (scaling or width**-0.5)).bfloat16().reshape(rows, -1, shared * length, width)
        scores = folded @ key.bfloat16().transpose(-1, -2)
        if mask is not None:
            scores = scores + mask.bfloat16().repeat(1, 1, shared, 1)
        mixed = scores.softmax(-1) @ value.bfloat16()
        mixed = mixed.reshape(rows, heads, length, width).transpose(1, 2)
        return mixed if torch.is_autocast_enabled(query.device.type) else mixed.to(query.dtype), None

    if multiplies_bf16(model.device.type):
        AttentionInterface.register("bf16_products", attention)
        AttentionMaskInterface.register("bf16_products", eager_mask)
        model.set_attn_implementation("bf16_products")
    torch._dynamo.config.recompile_limit = 64  # of one function: with and without gradients, by kind of input
    modeling_gemma3.apply_rotary_pos_emb = torch.compile(modeling_gemma3.apply_rotary_pos_emb, dynamic=True)
    for module in model.modules():
        if isinstance(module, modeling_gemma3.Gemma3RMSNorm | modeling_gemma3.Gemma3MLP):
            module.forward = torch.compile(module.forward, dynamic=True)


def exact_match(
    model: Any, encoder: Encoder, seed: str, documents: int, rows: int = 8, kind: str = "schema"
) -> list[tuple[str, bool]]:
    """(document, right) for the rows of new documents of a kind, with new words, each answered greedily and whole."""
    from pipeline.students.generation import generate

    found = []
    for number in range(documents):
        document = MEASURED[kind](random.Random(f"{seed}-{number}"), rows)
        answers = generate(model, encoder.prompts(document), end_ids={encoder.end}, max_new_tokens=256)
        texts = [encoder.tokenizer.decode(answer.tokens) for answer in answers]
        found += [(str(number), text == answer) for text, (_, answer) in zip(texts, document.rows, strict=True)]
    return found


def measure(options: dict[str, Any], folder: Path, documents: int, device: str) -> None:
    """Print the exact match of a finished model on new documents of each measured kind, with intervals."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from pipeline.statistics import rate
    from pipeline.tables import percent

    check_finished(folder, "check --start")
    encoder = Encoder(AutoTokenizer.from_pretrained(folder))
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval().to(device)
    for kind in MEASURED:
        outcomes = exact_match(model, encoder, f"{options['seed']}-measure-{kind}", documents, kind=kind)
        print(f"{kind:<14} exact {percent(rate(outcomes))}  ({len(outcomes)} rows, {documents} documents)")


def check_finished(folder: Path, way_out: str) -> None:
    """Raise UserError where a folder holds no finished model."""
    if not (folder / "model.safetensors").exists():
        raise UserError(f"{folder} holds no finished model; {way_out}")


def learning_rate(options: dict[str, Any], state: dict[str, Any]) -> float:
    """Warm-up over a stage's first steps and linear decay over its last share, where it asks for them."""
    stage = stage_of(options, state["stage"])
    rate = stage.get("learning_rate", options["learning_rate"]) * min(
        1.0, (state["step"] + 1) / stage.get("warmup_steps", 1)
    )
    if "decay_share" not in stage:
        return rate
    left = (stage["steps"] - state["step"]) / (stage["decay_share"] * stage["steps"])
    return rate * min(1.0, max(left, 0.02))


@cache
def multiplies_bf16(device: str) -> bool:
    """Whether products run in bf16 (weights and their updates stay fp32): where they are faster, by a short trial.

    A fifth faster on one CPU with instructions for it, two thirds as fast on another, ten times slower without.
    """
    import torch

    if device != "cpu":
        return True
    sides = {
        dtype: (torch.ones(2048, 256, dtype=dtype), torch.ones(256, 768, dtype=dtype), [])
        for dtype in (torch.float32, torch.bfloat16)
    }
    for _ in range(7):
        for rows, weights, seconds in sides.values():
            started = time.perf_counter()
            rows @ weights
            seconds.append(time.perf_counter() - started)
    fp32, bf16 = (median(seconds) for *_, seconds in sides.values())
    return bf16 < fp32


def train_step(options: dict[str, Any], encoder: Encoder, model: Any, device: str, state: dict[str, Any]) -> float:
    """Gradients of one step's groups; counts rows and accuracy into the state; returns the loss of a token."""
    import torch

    from pipeline.students.shared_prefix import IGNORE, group_loss

    groups = stage_of(options, state["stage"]).get("groups_per_step", options["groups_per_step"])
    drawn = [draw_group(options, encoder, state["stage"], state["step"], slot) for slot in range(groups)]
    labels = sum(int((group.labels != IGNORE).sum()) for _, group in drawn)
    total = 0.0
    for kind, group in drawn:
        with torch.autocast(device, dtype=torch.bfloat16, enabled=multiplies_bf16(device)):
            loss, right = group_loss(model, group)
        (loss / labels).backward()
        accuracy = float(right) / int((group.labels != IGNORE).sum())
        state["accuracy"][kind] = 0.95 * state["accuracy"].get(kind, 0.0) + 0.05 * accuracy
        state["rows"] += len(group.labels)
        total += loss.item() / labels
    return total


def begin(options: dict[str, Any], folder: Path, start: Path | None) -> tuple[Any, Any]:
    """(tokenizer, model): a new tokenizer and random weights, or those of the finished model in `start`."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if start is not None:
        check_finished(start, "check --start")
        tokenizer = AutoTokenizer.from_pretrained(start)
        folder.mkdir(parents=True, exist_ok=True)
        for name in TOKENIZER_FILES:
            shutil.copyfile(start / name, folder / name)
        log = start / "metrics.jsonl"
        if log.exists() and not (folder.parent / log.name).exists():  # the log goes on where the model did
            shutil.copyfile(log, folder.parent / log.name)
        return tokenizer, deepened(AutoModelForCausalLM.from_pretrained(start, dtype=torch.float32), options, tokenizer)
    if not (folder / "tokenizer.json").exists():
        train_tokenizer(options, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return tokenizer, build_model(options, tokenizer, options["seed"])


def resumed(
    checkpoint: Path, options: dict[str, Any], model: Any, optimizers: list[Any], device: str
) -> dict[str, Any]:
    """The state of a checkpoint, its weights and moments loaded; that of the beginning where there is none."""
    import torch

    names = [stage["name"] for stage in options["stages"]]
    if not checkpoint.exists():
        return {"stage": names[0], "step": 0, "seconds": 0.0, "rows": 0, "accuracy": {}}
    saved = torch.load(checkpoint, map_location=device, weights_only=True)
    if "optimizers" not in saved:
        raise UserError(f"{checkpoint} was made by another version of this script; give another --output")
    model.load_state_dict(saved["model"])
    for optimizer, moments in zip(optimizers, saved["optimizers"], strict=True):
        optimizer.load_state_dict(moments)
    state = saved["state"]
    if state["stage"] not in [*names, "done"]:
        raise UserError(
            f"{checkpoint} stands in stage {state['stage']}, which is not among those asked for; give another --output"
        )
    print(f"going on from {checkpoint}: {state['stage']} step {state['step']}")
    return state


def orthogonalized(grad: Any, coefficients: tuple[float, float, float], steps: int, eps: float) -> Any:
    """What torch's Muon does to a matrix, in the precision of the matrix.

    torch does it in bf16, which CPUs without instructions for it multiply some eighty times as slowly as fp32: eleven
    of eighteen seconds of a step of this model went there.
    """
    import torch

    a, b, c = coefficients
    tall = grad.size(0) > grad.size(1)
    result = grad.T if tall else grad
    result = result / result.norm().clamp(min=eps)
    for _ in range(steps):
        gram = result @ result.T
        result = torch.addmm(result, torch.addmm(gram, gram, gram, beta=b, alpha=c), result, beta=a)
    return result.T if tall else result


def optimizers_of(options: dict[str, Any], model: Any) -> list[Any]:
    """Muon for the layers' matrices and AdamW for embeddings and norms, at one learning rate.

    Muon (Jordan et al. 2024; scaled to the size of AdamW's updates, arXiv 2502.16982) lowered the loss more than AdamW
    on the same documents (docs/EXPERIMENTS.md).
    """
    import torch

    if not multiplies_bf16(str(model.device.type)):
        torch.optim._muon._zeropower_via_newtonschulz = orthogonalized
    matrices = [p for name, p in model.named_parameters() if p.dim() == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.dim() != 2 or "embed" in name]
    shared = {"lr": options["learning_rate"], "weight_decay": options["weight_decay"]}
    return [
        torch.optim.Muon(matrices, adjust_lr_fn="match_rms_adamw", **shared),
        torch.optim.AdamW(others, betas=(0.9, 0.95), **shared),
    ]


def train(options: dict[str, Any], output: Path, device: str, compiled: bool, start: Path | None) -> None:
    """Train from the last checkpoint, the model in `start`, or random weights, to the end of the curriculum."""
    import torch

    folder = output / "model"
    tokenizer, model = begin(options, folder, start)
    encoder = Encoder(tokenizer)
    model = model.to(device)
    print(f"products run in {'bf16' if multiplies_bf16(model.device.type) else 'fp32'} on {device}")
    if compiled:
        speed_up(model)
    optimizers = optimizers_of(options, model)
    checkpoint = output / "checkpoint.pt"
    state = resumed(checkpoint, options, model, optimizers, device)

    def save() -> None:
        saved = {"model": model.state_dict(), "optimizers": [o.state_dict() for o in optimizers], "state": state}
        torch.save(saved, f"{checkpoint}.part")
        os.replace(f"{checkpoint}.part", checkpoint)

    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    stopped: list[bool] = []
    started, last_save = time.monotonic() - state["seconds"], time.monotonic()
    bar: Progress | None = None
    with (output / "metrics.jsonl").open("a", encoding="utf-8") as log:
        while state["stage"] != "done":
            if bar is None:
                bar = Progress(
                    stage_of(options, state["stage"])["steps"] - state["step"], f"{state['stage']} steps", 60
                )
            loss = train_step(options, encoder, model, device, state)
            torch.nn.utils.clip_grad_norm_(model.parameters(), options["max_grad_norm"])
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate(options, state)
                optimizer.step()
                optimizer.zero_grad()
            state["step"] += 1
            state["seconds"] = time.monotonic() - started
            bar.update(1, f"loss {loss:.3f}")
            if state["step"] % 20 == 0:
                log.write(json.dumps(record_of(options, encoder, model, state, loss)) + "\n")
                log.flush()
            stage = state["stage"]
            advance(options, state)
            if stopped or state["stage"] != stage or time.monotonic() - last_save > 60 * options["checkpoint_minutes"]:
                save()
                last_save = time.monotonic()
            if stopped:
                raise KeyboardInterrupt
            if state["stage"] != stage:
                shutil.copy(checkpoint, output / f"after-{stage}.pt")
                bar.close()
                bar = None
    model.set_attn_implementation("sdpa")
    model.to(torch.bfloat16).save_pretrained(folder)
    print(f"made {folder} in {state['seconds'] / 60:.0f} minutes: {state['rows']} rows, accuracy {state['accuracy']}")


def record_of(
    options: dict[str, Any], encoder: Encoder, model: Any, state: dict[str, Any], loss: float
) -> dict[str, Any]:
    """A line of metrics.jsonl; now and then with the exact match on new schemas of new words."""
    record = {key: state[key] for key in ("stage", "step", "rows")}
    record |= {"seconds": round(state["seconds"]), "loss": round(loss, 4)}
    record["accuracy"] = {kind: round(value, 4) for kind, value in state["accuracy"].items()}
    if "schema" in stage_of(options, state["stage"])["mixture"] and state["step"] % options["evaluate_steps"] == 0:
        outcomes = exact_match(model, encoder, f"{options['seed']}-check", options["evaluate_schemas"])
        record["exact_match"] = sum(right for _, right in outcomes) / len(outcomes)
    return record


def advance(options: dict[str, Any], state: dict[str, Any]) -> None:
    """Move to the next stage where this one has had its steps, or every kind of document is right often enough."""
    stage = stage_of(options, state["stage"])
    kinds = [state["accuracy"].get(kind, 0.0) for kind in stage["mixture"]]
    if state["step"] >= stage["steps"] or min(kinds) >= stage.get("until_accuracy", 2.0):
        names = [entry["name"] for entry in options["stages"]] + ["done"]
        state |= {"stage": names[names.index(stage["name"]) + 1], "step": 0}


def mean_weights(first: Path, second: Path) -> dict[str, Any]:
    """The mean of two models' weights by name, in fp32 and rounded to the first one's type (model soups, Wortsman et
    al. 2022, arXiv 2203.05482).

    Raises UserError where they are not of one shape.
    """
    from safetensors.torch import load_file

    mine, other = load_file(first / "model.safetensors"), load_file(second / "model.safetensors")
    if {name: tensor.shape for name, tensor in mine.items()} != {name: tensor.shape for name, tensor in other.items()}:
        raise UserError(
            f"{first} and {second} have weights of different shapes; the mean is of two models of one shape"
        )
    return {name: ((tensor.float() + other[name].float()) / 2).to(tensor.dtype) for name, tensor in mine.items()}


def install(output: Path, mean_with: Path | None) -> None:
    """Copy a finished model to assets/embedded_base, with the hashes that loading checks and the metrics of its
    making."""
    from safetensors.torch import save_file

    from pipeline.artifacts import file_hash, write_json

    model = output / "model"
    check_finished(model, "build one first")
    weights = mean_weights(model, mean_with) if mean_with else None
    shutil.copytree(model, EMBEDDED_BASE, dirs_exist_ok=True)
    if weights:
        save_file(weights, EMBEDDED_BASE / "model.safetensors", metadata={"format": "pt"})
    shutil.copy(output / "metrics.jsonl", EMBEDDED_BASE / "metrics.jsonl")
    hashes = {name: file_hash(EMBEDDED_BASE / name) for name in ("model.safetensors", "tokenizer.json", "config.json")}
    write_json(EMBEDDED_BASE / "manifest.json", {"sha256": hashes})
    print(f"installed {model}{f', its mean with {mean_with},' if mean_with else ''} as {EMBEDDED_BASE}")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=CONFIG_DIR / "embedded_base.json", help="the recipe")
    parser.add_argument("--output", type=Path, help="folder of the build (default: from the recipe)")
    parser.add_argument(
        "--start", type=Path, help="folder of a finished model to go on from, in place of random weights"
    )
    parser.add_argument("--from-stage", help="leave out the stages before this one, for a model of --start")
    parser.add_argument("--max-steps", type=int, help="at most so many steps of each stage: for smoke runs")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--compile", action="store_true", help="compile parts of the model; needs a C++ compiler")
    parser.add_argument(
        "--measure", type=int, metavar="N", help="answer N new documents of each kind with a finished model"
    )
    parser.add_argument("--install", action="store_true", help="copy a finished model to assets/embedded_base")
    parser.add_argument(
        "--mean-with", type=Path, metavar="DIR", help="with --install: the mean of its weights and this model's"
    )
    args = parser.parse_args(argv)
    options = json.loads(args.config.read_text(encoding="utf-8"))
    if args.from_stage is not None:
        names = [stage["name"] for stage in options["stages"]]
        if args.from_stage not in names:
            raise UserError(f"--from-stage {args.from_stage} is no stage of {args.config}: {', '.join(names)}")
        options["stages"] = options["stages"][names.index(args.from_stage) :]
    if args.max_steps is not None:
        for stage in options["stages"]:
            stage["steps"] = min(stage["steps"], args.max_steps)
    if args.mean_with is not None and not args.install:
        raise UserError(f"--mean-with {args.mean_with} goes with --install; nothing else writes a mean")
    output = args.output or Path(options["output"])
    output.mkdir(parents=True, exist_ok=True)
    if args.install:
        if args.mean_with is not None:
            check_finished(args.mean_with, "name the folder of a finished model")
        install(output, args.mean_with)
        return 0
    if args.measure is not None:
        if args.measure < 1:
            raise UserError(f"--measure {args.measure} measures nothing; give the number of documents of each kind")
        measure(options, args.start or EMBEDDED_BASE, args.measure, args.device)
        return 0
    train(options, output, args.device, args.compile, args.start)
    return 0


if __name__ == "__main__":
    errors.run(main)
