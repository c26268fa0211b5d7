"""The Unsloth backend where there is no GPU, in a process of its own: python unsloth_on_cpu.py BASE FOLDER.

Unsloth is imported and loads only where torch speaks of a CUDA device, so torch does, for that time. Its kernels do not
run here; what it changes in transformers, peft and TRL does. Leaves in FOLDER an adapter and what `measured` finds of
it.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

DEVICE = SimpleNamespace(
    name="H100", major=9, minor=0, total_memory=80 << 30, multi_processor_count=132, warp_size=32, gcnArchName=""
)
SAID = {
    "is_available": True, "device_count": 1, "current_device": 0, "is_bf16_supported": True, "memory_allocated": 0,
    "max_memory_reserved": 0, "get_device_name": "H100", "get_device_capability": (9, 0), "get_device_properties": DEVICE,
    "mem_get_info": (70 << 30, 80 << 30), "get_arch_list": ["sm_90"], "empty_cache": None,
}  # fmt: skip


@contextmanager
def a_gpu_is_said_to_be_there() -> Iterator[None]:
    before = {name: getattr(torch.cuda, name) for name in SAID}
    stream = torch._C._cuda_getCurrentRawStream
    for name, value in SAID.items():
        setattr(torch.cuda, name, lambda *_, value=value, **__: value)
    torch._C._cuda_getCurrentRawStream = lambda _: 0
    try:
        yield
    finally:
        torch._C._cuda_getCurrentRawStream = stream
        for name, value in before.items():
            setattr(torch.cuda, name, value)


def measured(model: Any) -> dict[str, Any]:
    """Loss and gradients of a group whose prefix is longer than the sliding window, and greedy answers to its
    prompts."""
    from pipeline.generation import generate
    from pipeline.shared_prefix import IGNORE, group_loss, make_group
    from pipeline.student import causal_lm

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


def main(base: str, folder: Path) -> None:
    with a_gpu_is_said_to_be_there():
        import unsloth

        from pipeline.student import Placement, add_lora, load_base, load_tokenizer, save_adapter

        load = unsloth.FastModel.from_pretrained
        on_cpu = {"device_map": "cpu", "dtype": torch.float32}
        unsloth.FastModel.from_pretrained = staticmethod(lambda *args, **options: load(*args, **options | on_cpu))
        student = SimpleNamespace(base_model=base, max_seq_length=4096)
        placement = Placement("unsloth", "cuda", "float32")
        model = add_lora(load_base(student, placement), student, placement, rank=4, alpha=8.0, seed=0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.1)
    torch.save(measured(model), folder / "measured.pt")
    save_adapter(model, load_tokenizer(base), folder / "adapter", student)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
