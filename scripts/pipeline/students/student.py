"""The student: tokenizer, base model, adapters and backends.

Backends: `unsloth` on CUDA with bf16, `transformers` + `peft` elsewhere, in float32; never fp16.
Model files are safetensors, no remote code is run, and hubs are asked only for what is not in the local cache.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pipeline.artifacts import file_hash, write_json
from pipeline.config import read_json_object
from pipeline.errors import UserError
from pipeline.paths import EMBEDDED_BASE, Layout, resolve
from pipeline.processes import local_process
from pipeline.requests.prompts import REQUEST, form, render_completion, render_prompt

LORA_TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
END_OF_TURN = "<end_of_turn>"
UNUSED = ("bitsandbytes", "torchao", "torchvision")
"""Libraries of Unsloth's that transformers, peft and trl import where they find them, though nothing here uses them: a
quarter to a third of what these take to be imported."""
RECORD = "student.json"
"""File of an adapter's folder: what it was trained on, and for which form of the prompt."""


def is_local(base_model: str) -> bool:
    """Whether a base model names a folder rather than a hub id."""
    return resolve(base_model).is_dir() or base_model.startswith((".", "/")) or base_model.count("/") > 1


def locate_base(base_model: str) -> Path:
    """The folder of the base model, from the disk, the local hub cache, or the hub.

    Raises UserError saying what is missing and how to get it.
    """
    folder = resolve(base_model)
    if folder.is_dir():
        return _checked_folder(folder, base_model)
    if is_local(base_model) or folder.exists() or base_model.startswith("assets/"):
        raise UserError(f"the base model's folder {base_model} does not exist; check --base-model")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "0" if sys.stderr.isatty() else "1")
    no_telemetry()
    from huggingface_hub import snapshot_download

    patterns = ["*.json", "*.safetensors", "*.jinja", "tokenizer.model"]
    try:
        found = snapshot_download(base_model, allow_patterns=patterns, local_files_only=True)
    except Exception:  # whatever the cache lacks, the hub is asked next and its answer is shown
        try:
            found = snapshot_download(base_model, allow_patterns=patterns, etag_timeout=10)
        except Exception as error:  # the hub's client raises a dozen kinds; all mean that the weights are not here
            reason = str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
            raise UserError(
                f"the weights of {base_model} are neither in the local hub cache nor to be had ({reason}); run "
                f"`uv run hf download {base_model}` where there is a network, or give a folder with --base-model, or "
                "use --config config/offline.json"
            ) from None
    return _checked_folder(Path(found), base_model)


def _checked_folder(folder: Path, base_model: str) -> Path:
    if not (folder / "config.json").exists():
        raise UserError(f"{folder} has no config.json; {base_model} is not a model folder")
    config = read_json_object(folder / "config.json")
    if "auto_map" in config:
        raise UserError(f"{base_model} wants to run its own code (auto_map in config.json); use a model that does not")
    if not list(folder.glob("*.safetensors")):
        raise UserError(f"{folder} has no *.safetensors; convert its weights, other formats can run code when loaded")
    if folder.resolve() == EMBEDDED_BASE.resolve():
        check_embedded_base(folder)
    return folder


def check_embedded_base(folder: Path) -> None:
    """Raise UserError where the shipped base is not the one that its manifest names."""
    manifest = read_json_object(folder / "manifest.json")
    for name, expected in manifest["sha256"].items():
        if not (folder / name).exists() or file_hash(folder / name) != expected:
            raise UserError(f"{folder / name} is not the file that was shipped; restore it with git checkout")


def model_facts(student: SimpleNamespace) -> dict[str, Any]:
    """What of the student's options decides a trained adapter, for the record of a stage."""
    return {"base_model": student.base_model, "max_seq_length": student.max_seq_length, "backend": student.backend}


def base_inputs(base_model: str) -> list[Path]:
    """Files that stand for the base model in a stage's facts: a local folder's weights, nothing for a hub id."""
    weights = resolve(base_model) / "model.safetensors"
    return [weights] if weights.exists() else []


def base_weights(base_model: str) -> str | None:
    """SHA-256 of `base_inputs`; None where there are none."""
    return next(map(file_hash, base_inputs(base_model)), None)


def load_tokenizer(base_model: str) -> Any:
    """The tokenizer of the base, pad token set."""
    folder = locate_base(base_model)  # before the libraries, which take seconds to import
    quiet()
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def no_telemetry() -> None:
    """Keep libraries that are imported after this from reporting their use."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("DO_NOT_TRACK", "1")


def quiet() -> None:
    """Keep libraries' chatter off the terminal, and what is `UNUSED` out of the process where Unsloth is not in it."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    no_telemetry()
    import logging
    import warnings

    warnings.filterwarnings("ignore", category=SyntaxWarning)
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", category=UserWarning)
    for name in ("torch.utils._pytree", "accelerate", "peft", *UNUSED):
        logging.getLogger(name).setLevel(logging.ERROR)
    if "unsloth" not in sys.modules:
        for name in UNUSED:
            sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # so that it counts as not installed
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()


@dataclass(frozen=True)
class Placement:
    """Where and how the student runs."""

    backend: str
    device: str
    dtype: str

    def say(self) -> str:
        return f"{self.backend} on {self.device}, {self.dtype}"


def lacking_for_kernels() -> str | None:
    """What Triton compiles Unsloth's kernels with and this machine does not have."""
    if not (os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")):
        return "a C compiler (gcc or clang)"
    headers = Path(sysconfig.get_paths()["include"])
    return None if (headers / "Python.h").exists() else f"Python's headers ({headers}/Python.h)"


def place(student: SimpleNamespace, *, trains: bool = False, whole: bool = False) -> Placement:
    """Backend, device and dtype of these options; of several GPUs each process takes its own. Raises UserError where they
    cannot be had.

    Unsloth trains adapters; a stage that only asks loads transformers' model, whose attention takes shared prefixes. To
    train all weights (`whole`) is transformers' too, in float32: the small updates of a weight are lost in bf16. So is a
    GPU that only emulates bf16, where Unsloth would turn to fp16, and one for which no kernels can be compiled.
    """
    import torch

    device, backend = student.device, student.backend
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if device == "auto":
        device = "cuda" if cuda else "mps" if mps else "cpu"
    if (device == "cuda" and not cuda) or (device == "mps" and not mps):
        raise UserError(f"--device {device} is not available on this machine; use --device auto or cpu")
    bf16 = device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    if backend == "unsloth":
        if device != "cuda":
            raise UserError(
                f"--backend unsloth needs a CUDA device, this is {device}; use --backend auto or transformers"
            )
        if whole:
            raise UserError("--backend unsloth trains adapters, not all weights (--lora-rank 0); use --backend auto")
        if lacking := lacking_for_kernels():
            raise UserError(f"--backend unsloth compiles kernels with {lacking}; install that, or use --backend auto")
    elif backend == "auto" and bf16 and not lacking_for_kernels():
        backend = "unsloth"
    if device == "cuda":
        torch.cuda.set_device(local_process())
    unsloth = backend == "unsloth" and trains and not whole
    dtype = "bfloat16" if bf16 and not whole else "float32"
    return Placement("unsloth" if unsloth else "transformers", device, dtype)


def said_of(student: SimpleNamespace, placement: Placement) -> str:
    """Which base is trained where, and what of that a user may not expect."""
    said = f"{student.base_model}, {placement.say()}"
    if placement.device == "cuda" and student.backend == "auto" and (lacking := lacking_for_kernels()):
        said += f", since Unsloth lacks {lacking}"
    if placement.device == "cpu" and student.base_model.endswith("270m-it"):
        said += "; a model of this size takes hours on a CPU, a CUDA device takes minutes"
    return said


def load_base(student: SimpleNamespace, placement: Placement) -> Any:
    """The base model on its device."""
    folder = locate_base(student.base_model)
    import torch

    dtype = getattr(torch, placement.dtype)
    if placement.backend == "unsloth":
        os.environ.setdefault("UNSLOTH_DISABLE_STATISTICS", "1")
        import unsloth  # noqa: F401  (first: it patches transformers, trl and peft)
        from unsloth import FastModel

        model, _ = FastModel.from_pretrained(
            str(folder.resolve()),  # a relative path is looked for on the hub, too
            max_seq_length=student.max_seq_length, dtype=dtype, load_in_4bit=False, full_finetuning=False,
            use_gradient_checkpointing=False, device_map={"": f"cuda:{local_process()}"},  # it would take all GPUs
        )  # fmt: skip
        # Its own choice for Gemma 3, flex attention, runs compiled on a GPU only; sdpa is compared with transformers'
        # in the tests.
        model.config._attn_implementation = "sdpa"
        return model
    quiet()
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, trust_remote_code=False, use_safetensors=True)
    return model.to(placement.device)


def add_lora(model: Any, student: SimpleNamespace, placement: Placement, rank: int, alpha: float, seed: int) -> Any:
    """A LoRA adapter on all linear layers of the decoder; rank 0 leaves all weights trainable."""
    if rank == 0:
        return model
    if placement.backend == "unsloth":
        from unsloth import FastModel

        return FastModel.get_peft_model(
            model, r=rank, lora_alpha=alpha, lora_dropout=0, bias="none", target_modules=LORA_TARGETS,
            use_gradient_checkpointing=False, random_state=seed,
        )  # fmt: skip
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    return get_peft_model(
        model,
        LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=0.0, bias="none", target_modules=LORA_TARGETS,
                   task_type="CAUSAL_LM"),
    )  # fmt: skip


def kept_adapter(layout: Layout) -> Path:
    """The adapter that the run keeps: of its result after alignment, else SFT's."""
    if layout.result.exists():
        return layout.root / read_json_object(layout.result)["adapter"]
    return layout.sft_adapter


def holds_all_weights(checkpoint: Path) -> bool:
    """Whether a checkpoint's folder is a whole model (`--lora-rank 0`), no adapter."""
    return not (checkpoint / "adapter_config.json").exists()


def check_adapter(adapter: Path, base_model: str) -> None:
    """Raise UserError where a folder is no finished adapter of this base, its weights and today's form of the prompt.

    What a folder does not record is not checked: adapters of other makers are welcome.
    """
    if not adapter.exists():
        raise UserError(f"the adapter {adapter} does not exist; ./runTraining.sh makes one, or check --adapter")
    info = adapter / RECORD
    recorded = read_json_object(info) if info.exists() else {}
    if recorded.get("prompt", form()) != form():
        raise UserError(
            f"{adapter} was trained by another version of this project, which wrote prompts otherwise; train it again "
            "with ./runTraining.sh, or use the version that made it"
        )
    if holds_all_weights(adapter):
        if (adapter / "model.safetensors").exists():
            return
        raise UserError(f"{adapter} holds no adapter (adapter_config.json is missing); give a checkpoint folder")
    if not (adapter / "adapter_model.safetensors").exists():
        raise UserError(f"{adapter} has no adapter_model.safetensors; other formats are not loaded, train it again")
    own = read_json_object(adapter / "adapter_config.json")
    made_for = recorded.get("base_model", str(own.get("base_model_name_or_path", "")))
    if made_for != base_model:
        raise UserError(f"{adapter} was trained on {made_for}, not on {base_model}; give its base with --base-model")
    weights = base_weights(base_model)
    if recorded.get("weights", weights) != weights:
        raise UserError(
            f"{adapter} was trained on other weights of {base_model} than are there now; train it again with "
            "./runTraining.sh, or give its base with --base-model"
        )


def load_student(
    student: SimpleNamespace, placement: Placement, adapter: Path | None, *, trainable: bool = False
) -> Any:
    """The base model, with an adapter on it where one is given."""
    if adapter is None:
        return load_base(student, placement)
    check_adapter(adapter, student.base_model)
    if holds_all_weights(adapter):
        return load_base(SimpleNamespace(**{**vars(student), "base_model": str(adapter)}), placement)
    model = load_base(student, placement)
    from peft import PeftModel

    return PeftModel.from_pretrained(model, str(adapter), is_trainable=trainable)


def load_answering(student: SimpleNamespace, placement: Placement, adapter: Path | None) -> Any:
    """The student's decoder with its head, to be asked: in float32 its adapter is merged, which saves a fifth of the
    time.

    A merge in bf16 would round the weights; there the adapter stays beside them.
    """
    model = load_student(student, placement, adapter)
    if placement.dtype == "float32" and hasattr(model, "merge_and_unload"):
        model = model.merge_and_unload()
    return causal_lm(model).eval()


def release_memory() -> None:
    """Give back what students that nobody holds any more took of a GPU."""
    torch = sys.modules.get("torch")
    if torch is None:
        return
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()


def causal_lm(model: Any) -> Any:
    """The decoder with its head (`.model`, `.lm_head`) inside whatever wraps it; adapters stay active."""
    while hasattr(model, "module"):
        model = model.module
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def save_adapter(model: Any, tokenizer: Any, folder: Path, student: SimpleNamespace) -> None:
    """Write a finished adapter (or all weights) with its tokenizer, complete or not at all."""
    part = folder.with_name(folder.name + ".part")
    if part.exists():
        shutil.rmtree(part)
    model.save_pretrained(part, safe_serialization=True)
    config = part / "adapter_config.json"
    if config.exists():  # the base's absolute path belongs to this machine
        data = json.loads(config.read_text(encoding="utf-8"))
        data["base_model_name_or_path"] = student.base_model
        config.write_text(json.dumps(data, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    readme = part / "README.md"
    readme.unlink(missing_ok=True)
    tokenizer.save_pretrained(part)
    record = {"base_model": student.base_model, "weights": base_weights(student.base_model), "prompt": form()}
    write_json(part / RECORD, record)
    os.replace(part, folder)


class Renderer:
    """Rows to token ids, by the one prompt module and the tokenizer's chat template."""

    most_heads = 64

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self._heads: dict[str, list[int] | None] = {}
        self.end_ids = {tokenizer.convert_tokens_to_ids(END_OF_TURN)}
        if tokenizer.eos_token_id is not None:
            self.end_ids.add(tokenizer.eos_token_id)

    def prompt(self, messages: list[dict[str, str]]) -> list[int]:
        """Token ids up to where the answer begins; one BOS.

        What stands before the request is tokenized once for the rows that share it. Its first row is tokenized whole,
        too: where the two differ, the tokenizer merges over that place, and all rows are tokenized whole.
        """
        text = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        head, mark, own = text.rpartition(REQUEST)
        if head not in self._heads:
            if len(self._heads) == self.most_heads:
                self._heads.clear()
            whole, first = self._ids(text), self._ids(head)
            self._heads[head] = first if first + self._ids(mark + own) == whole else None
            return whole
        first = self._heads[head]
        return self._ids(text) if first is None else first + self._ids(mark + own)

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def request(self, schema: dict[str, Any], query: str, current_date: str) -> list[int]:
        """Token ids of the prompt for one request."""
        return self.prompt(render_prompt(schema, query, current_date))

    def answer(self, messages: list[dict[str, str]]) -> list[int]:
        """Token ids of a completion: the assistant's text and the end of its turn."""
        return [*self._ids(messages[0]["content"]), self.tokenizer.convert_tokens_to_ids(END_OF_TURN)]

    def ast(self, ast: dict[str, Any]) -> list[int]:
        """Token ids of an AST as a completion."""
        return self.answer(render_completion(ast))

    def text(self, tokens: list[int]) -> str:
        """The text of generated tokens."""
        return self.tokenizer.decode(tokens, skip_special_tokens=True)
