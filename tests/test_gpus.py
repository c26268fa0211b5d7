"""What is decided where torch speaks of GPUs. None is needed."""

from __future__ import annotations

import sysconfig
from types import SimpleNamespace

import pytest
import torch
from unsloth_on_cpu import a_gpu_is_said_to_be_there

from pipeline.errors import UserError
from pipeline.students.student import Placement, place, said_of

AUTO = SimpleNamespace(device="auto", backend="auto")


def test_a_gpu_trains_adapters_with_unsloth_in_bf16_and_all_weights_with_transformers_in_float32():
    with a_gpu_is_said_to_be_there():
        assert place(AUTO, trains=True) == Placement("unsloth", "cuda", "bfloat16")
        assert place(AUTO) == Placement("transformers", "cuda", "bfloat16")
        assert place(AUTO, trains=True, whole=True) == Placement("transformers", "cuda", "float32")
        with pytest.raises(UserError, match="trains adapters"):
            place(SimpleNamespace(device="auto", backend="unsloth"), trains=True, whole=True)


def test_a_gpu_that_only_emulates_bf16_computes_in_float32_without_unsloth(monkeypatch):
    with a_gpu_is_said_to_be_there():
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
        assert place(AUTO, trains=True) == Placement("transformers", "cuda", "float32")


@pytest.mark.parametrize("lacking", ["a C compiler", "Python's headers"])
def test_without_what_kernels_are_compiled_with_a_gpu_trains_with_transformers(monkeypatch, lacking):
    if lacking == "a C compiler":
        monkeypatch.setenv("PATH", "")
        monkeypatch.delenv("CC", raising=False)
    else:
        monkeypatch.setattr(sysconfig, "get_paths", lambda: {"include": "nowhere"})
    with a_gpu_is_said_to_be_there():
        assert place(AUTO, trains=True) == Placement("transformers", "cuda", "bfloat16")
        student = SimpleNamespace(base_model="base", backend="auto")
        assert f"since Unsloth lacks {lacking}" in said_of(student, place(AUTO, trains=True))
        with pytest.raises(UserError, match=lacking):
            place(SimpleNamespace(device="auto", backend="unsloth"), trains=True)


def test_of_several_gpus_each_process_takes_its_own(monkeypatch):
    taken = []
    with a_gpu_is_said_to_be_there(count=2):
        monkeypatch.setattr(torch.cuda, "set_device", taken.append)
        for process in ("0", "1"):
            monkeypatch.setenv("LOCAL_RANK", process)
            place(AUTO)
    assert taken == [0, 1]


@pytest.mark.parametrize("count", [1, 2])
def test_a_trainer_takes_one_group_at_a_time_however_many_gpus_there_are(tmp_path, count):
    from accelerate.state import AcceleratorState

    from pipeline.students.trainers import dpo_config, sft_config

    with a_gpu_is_said_to_be_there(count):
        for config in (sft_config(tmp_path, max_steps=1, bf16=True), dpo_config(tmp_path, max_steps=1, bf16=True)):
            assert (config.n_gpu, config.train_batch_size) == (1, 1)
    AcceleratorState._reset_state(reset_partial_state=True)
