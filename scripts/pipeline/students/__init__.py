"""Students: loading, training with shared prefixes, decoding, evaluation."""
