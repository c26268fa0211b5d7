"""Students: loading, training with shared prefixes, decoding, evaluation."""

import os

# Unsloth has torch plan memory in what it compiles. The pool's buffers alias each other, of which torch warns, and where
# CI is set it stops. Torch reads this when it is imported: after this package, which every module here is in.
os.environ.setdefault("TORCHINDUCTOR_ERROR_ON_CUSTOM_OP_ALIASING", "0")
