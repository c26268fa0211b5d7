"""A stage on a device with a memory of its own, where there is no GPU: python own_memory.py LIBRARY DTYPE SCRIPT ARGS.

The device (`own_memory.cpp`, which `build` compiles to LIBRARY) computes on the CPU, but refuses operations over
tensors on both. What a GPU computes faster or rounds otherwise is not seen by it.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import torch


def build(folder: Path) -> Path:
    """Compile the device's library into `folder`."""
    from torch.utils.cpp_extension import include_paths, library_paths

    library = folder / "own_memory.so"
    source = Path(__file__).with_suffix(".cpp")
    paths = [f"-I{path}" for path in include_paths()] + [f"-L{path}" for path in library_paths()]
    flags = ["-std=c++20", "-O1", "-shared", "-fPIC", *paths, "-lc10", "-ltorch", "-ltorch_cpu"]
    subprocess.run(["c++", str(source), "-o", str(library), *flags], check=True, capture_output=True, timeout=300)
    return library


def add_device(library: Path) -> None:
    """Have torch know the device, as `gpu`."""
    torch.utils.rename_privateuse1_backend("gpu")
    torch.ops.load_library(library)
    module = SimpleNamespace(
        is_available=lambda: True, device_count=lambda: 1, current_device=lambda: 0, _is_in_bad_fork=lambda: False,
        manual_seed_all=lambda seed: None, get_amp_supported_dtype=lambda: [torch.bfloat16],
    )  # fmt: skip
    torch._register_device_module("gpu", module)
    torch.utils.generate_methods_for_privateuse1_backend()


def place_students_there(dtype: str) -> None:
    """Have this process train and ask students on the device, with transformers."""
    os.environ["ACCELERATE_TORCH_DEVICE"] = "gpu"
    from transformers import training_args

    from pipeline.students import student

    training_args.is_torch_bf16_gpu_available = lambda: True  # it knows the devices of some makers
    student.place = lambda _, *, trains=False, whole=False: student.Placement("transformers", "gpu", dtype)


if __name__ == "__main__":
    library, dtype, script, *given = sys.argv[1:]
    add_device(Path(library))
    place_students_there(dtype)
    sys.argv, sys.path[0] = [script, *given], str(Path(script).parent)
    runpy.run_path(script, run_name="__main__")
