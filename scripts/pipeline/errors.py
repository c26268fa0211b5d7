"""What a user can mend: one sentence with the value, the place and the way out."""

from __future__ import annotations

import errno
import os
import re
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress

NO_MEMORY = re.compile(r"[^\n.]*(?:out of memory|allocate memory|ALLOC_FAILED)[^\n.]*")
"""What torch says where a GPU's or this machine's memory does not do."""


class UserError(Exception):
    """Something that the user can mend. Its message names the value, the place and what to do."""


def leave(status: int) -> None:
    """Exit, without waiting for threads whose calls a server has still to answer."""
    if any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
        for stream in (sys.stdout, sys.stderr):
            with suppress(AttributeError, OSError):  # closed before, or read by nobody
                stream.flush()
        os._exit(status)
    sys.exit(status)


def run(main: Callable[[], int]) -> None:
    """Run a script's main and exit: 2 with one sentence for what a user can mend, 130 for Ctrl-C, 141 where nobody
    reads its output any more."""
    if sys.stdout is not None:  # as it is where it was closed before
        sys.stdout.reconfigure(line_buffering=True)  # a log shows each line when it is said
    # What Python's `re` may read otherwise one day ("[[a-z]") is no matter of whoever wrote a schema's pattern.
    warnings.filterwarnings("ignore", "Possible (nested set|set )", FutureWarning)
    try:
        sys.exit(main())
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        status = 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to be flushed at the end
        status = 141
    except RuntimeError as error:
        said = NO_MEMORY.search(str(error))
        if said is None:
            raise
        print(f"error: {said[0].strip()}; free what other programs hold (nvidia-smi and `ollama ps` say it), or lower "
              "--rows-per-group (SFT), --pairs-per-group (DPO) or --batch-rows (all else)", file=sys.stderr)  # fmt: skip
        status = 2
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT, errno.EPERM):
            raise
        print(f"error: cannot write {error.filename or 'the output'}: {error.strerror}; make room there or choose "
              "another folder with --output-root", file=sys.stderr)  # fmt: skip
        status = 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        status = 130
    leave(status)
