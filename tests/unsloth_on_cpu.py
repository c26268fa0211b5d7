"""A script under Unsloth where there is no GPU: python unsloth_on_cpu.py SCRIPT ARGS.

Unsloth is imported and loads only where torch speaks of a CUDA device, so torch does, for that time. Its own kernels do
not run here; what it changes in transformers, peft and TRL does, and what it has torch compile. `measure BASE FOLDER`
in place of a script leaves in FOLDER an adapter and what `measured` finds of it.
"""

from __future__ import annotations

import random
import runpy
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pipeline.students  # noqa: F401  (as in the stages, before torch, which reads what it sets)

# isort: split
import torch

DEVICE = SimpleNamespace(
    name="H100", major=9, minor=0, total_memory=80 << 30, multi_processor_count=132, warp_size=32, gcnArchName=""
)
SAID = {
    "is_available": True, "device_count": 1, "current_device": 0, "is_bf16_supported": True, "memory_allocated": 0,
    "max_memory_reserved": 0, "get_device_name": "H100", "get_device_capability": (9, 0), "get_device_properties": DEVICE,
    "mem_get_info": (70 << 30, 80 << 30), "get_arch_list": ["sm_90"], "empty_cache": None, "set_device": None,
}  # fmt: skip


@contextmanager
def a_gpu_is_said_to_be_there(count: int = 1) -> Iterator[None]:
    """In here torch has GPUs, by its word."""
    before = {name: getattr(torch.cuda, name) for name in SAID}
    stream = torch._C._cuda_getCurrentRawStream
    for name, value in (SAID | {"device_count": count}).items():
        setattr(torch.cuda, name, lambda *_, value=value, **__: value)
    torch._C._cuda_getCurrentRawStream = lambda _: 0
    try:
        yield
    finally:
        torch._C._cuda_getCurrentRawStream = stream
        for name, value in before.items():
            setattr(torch.cuda, name, value)


def train_with_unsloth() -> None:
    """Have this process train with Unsloth, on the CPU in float32."""
    with a_gpu_is_said_to_be_there():
        import unsloth
    from pipeline.students import student

    def where_a_gpu_is_said_to_be(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def called(*args: Any, **options: Any) -> Any:
            with a_gpu_is_said_to_be_there():
                return function(*args, **options)

        return called

    load = unsloth.FastModel.from_pretrained
    on_cpu = {"device_map": "cpu", "dtype": torch.float32}
    unsloth.FastModel.from_pretrained = staticmethod(lambda *args, **options: load(*args, **options | on_cpu))
    student.load_base = where_a_gpu_is_said_to_be(student.load_base)
    student.add_lora = where_a_gpu_is_said_to_be(student.add_lora)
    backend = {True: "unsloth", False: "transformers"}
    student.place = lambda _, *, trains=False, whole=False: student.Placement(backend[trains], "cpu", "float32")


def measured(model: Any) -> dict[str, Any]:
    """Loss and gradients of a group whose prefix is longer than the sliding window, and greedy answers to its
    prompts."""
    from pipeline.students.generation import generate
    from pipeline.students.shared_prefix import IGNORE, group_loss, make_group
    from pipeline.students.student import causal_lm

    rng = random.Random("group")
    draw = lambda count: [rng.randrange(100, 2000) for _ in range(count)]
    prefix = draw(150)
    prompts, answers = [prefix + draw(n) for n in (9, 70, 20)], [draw(n) for n in (30, 8, 60)]
    rows = [a + b for a, b in zip(prompts, answers, strict=True)]
    labels = [[IGNORE] * len(a) + b for a, b in zip(prompts, answers, strict=True)]
    loss, _ = group_loss(causal_lm(model.train()), make_group(rows, labels, 0))
    loss.backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    found = generate(causal_lm(model.eval()), prompts, end_ids=set(), max_new_tokens=16)
    return {"loss": loss.item(), "gradients": gradients, "answers": [answer.tokens for answer in found]}


def measure(base: str, folder: Path) -> None:
    """What `measured` finds of a new adapter with values in both its matrices."""
    from pipeline.students.student import add_lora, load_base, load_tokenizer, place, save_adapter

    student = SimpleNamespace(base_model=base, max_seq_length=4096)
    placement = place(student, trains=True)
    model = add_lora(load_base(student, placement), student, placement, rank=4, alpha=8.0, seed=0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.1)
    torch.save(measured(model), folder / "measured.pt")
    save_adapter(model, load_tokenizer(base), folder / "adapter", student)


if __name__ == "__main__":
    train_with_unsloth()
    what, *given = sys.argv[1:]
    if what == "measure":
        measure(given[0], Path(given[1]))
    else:
        sys.argv, sys.path[0] = [what, *given], str(Path(what).parent)
        runpy.run_path(what, run_name="__main__")
