"""What of an Ollama server both its users need: is it there, on which machine, which model is it, and several calls at a
time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from pipeline.errors import UserError


def no_server(host: str, error: BaseException) -> UserError:
    """The sentence for an address where no server answers."""
    return UserError(
        f"no Ollama server answers at {host} ({type(error).__name__}); start one with `ollama serve`, give its address "
        "with --ollama-host, or use --config config/offline.json"
    )


def is_there(client: Any) -> bool:
    """Whether an Ollama server answers."""
    import httpx
    from ollama import ResponseError

    try:
        client.list()
    except (ConnectionError, httpx.HTTPError, ResponseError, ValueError):
        return False
    return True


def is_here(host: str) -> bool:
    """Whether an address is one of this machine alone, "" and "http://localhost:11434" say."""
    name = urlsplit(host if "//" in host else f"//{host}").hostname or "localhost"
    try:
        address = ip_address(name)
    except ValueError:
        return name == "localhost"
    return address.is_loopback or address.is_unspecified


def unload(client: Any, name: str) -> None:
    """Have the server give a model's memory back; one that does not answer is left alone."""
    import httpx
    from ollama import ResponseError

    with suppress(ConnectionError, httpx.HTTPError, ResponseError, ValueError):
        client.generate(name, keep_alive=0)


def full_name(name: str) -> str:
    """A model's name as servers list it, with its tag."""
    return name if ":" in name else f"{name}:latest"


def thinks(client: Any, name: str) -> bool:
    """Whether a model can be told how long to think; servers refuse to tell others. True where the server says too
    little."""
    import httpx
    from ollama import ResponseError

    try:
        capabilities = client.show(name).capabilities
    except (ConnectionError, httpx.HTTPError, ResponseError, ValueError):
        return True
    return capabilities is None or "thinking" in capabilities


def memory_of(client: Any, name: str, context: int, calls: int) -> str | None:
    """A sentence about the memory that a model takes for so many calls at a time, or None where the server says too
    little.

    Keys and values of a full context in 16 bits; models with sliding windows take less.
    """
    import httpx
    from ollama import ResponseError

    try:
        about = client.show(name).modelinfo or {}
        weights = next((model.size for model in client.list().models if model.model == full_name(name)), None)
    except (ConnectionError, httpx.HTTPError, ResponseError, ValueError):
        return None
    of = lambda key: about.get(f"{about.get('general.architecture')}.{key}")
    layers, heads, width = of("block_count"), of("attention.head_count_kv"), of("attention.key_length")
    if not width and of("embedding_length") and of("attention.head_count"):
        width = of("embedding_length") // of("attention.head_count")
    if not layers or not heads or not width or not weights:
        return None
    heads = max(heads) if isinstance(heads, list | tuple) else heads
    size = 2 * layers * heads * (width + (of("attention.value_length") or width)) * context * calls
    return (
        f"{name} takes {weights / 2**30:.1f} GiB of weights and at most {size / 2**30:.1f} GiB for {calls} calls at a "
        f"time of {context} tokens (start the server with OLLAMA_NUM_PARALLEL={calls})"
    )


def model_digest(client: Any, host: str, name: str) -> str:
    """The digest of a model. Raises UserError naming the address, or the models that are there."""
    import httpx

    try:
        models = client.list().models
    except (ConnectionError, httpx.HTTPError, ValueError) as error:
        raise no_server(host, error) from None
    except Exception as error:  # the client's own ResponseError, and garbage that it could not read
        raise UserError(f"what answers at {host} is no Ollama server: {str(error)[:120]}") from None
    wanted = full_name(name)
    for model in models:
        if model.model == wanted:
            return model.digest or wanted
    there = ", ".join(sorted(str(model.model) for model in models)) or "none"
    raise UserError(
        f"the server at {host} has no model {name}; run `ollama pull {name}` (or export_student.py for a student), or "
        f"name one that is there: {there}"
    )


def side_by_side[Job, Made](work: Callable[[Job], Made], jobs: Sequence[Job], calls: int) -> Iterator[Made]:
    """`work(job)` of each job, in their order, so many at a time.

    Where fewer are taken than there are, what has begun is waited for and no more is begun. After an error or Ctrl-C it
    is not waited for, either: a job may be many calls, and a call minutes. `errors.run` ends the process all the same.
    """
    if calls == 1:
        yield from map(work, jobs)
        return
    pool, failed = ThreadPoolExecutor(calls), True
    try:
        yield from pool.map(work, jobs)
        failed = False
    except GeneratorExit:
        failed = False
        raise
    finally:
        pool.shutdown(wait=not failed, cancel_futures=True)
