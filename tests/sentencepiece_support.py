"""A base with Gemma's kind of tokenizer: SentencePiece (`tokenizer.model`) with byte fallback, and its chat
template."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

VOCABULARY = 1200


def make_sentencepiece_base(folder: Path, tiny: dict[str, Any]) -> None:
    """Write a Gemma 3 with random weights, `tokenizer.model` and the fast tokenizer's files to `folder`."""
    import sentencepiece
    from transformers import GemmaTokenizer

    from pipeline.embedded_base import pretraining_data as data
    from pipeline.embedded_base import tiny_gemma

    documents = [data.schema_document(random.Random(number), 3) for number in range(60)]
    texts = [text for document in documents for row in document.rows for text in row]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_prefix=str(folder / "tokenizer"), vocab_size=VOCABULARY, model_type="bpe",
        byte_fallback=True, add_dummy_prefix=False, remove_extra_whitespaces=False, split_digits=True,
        normalization_rule_name="identity", pad_id=0, eos_id=1, bos_id=2, unk_id=3, pad_piece="<pad>",
        eos_piece="<eos>", bos_piece="<bos>", unk_piece="<unk>", max_sentence_length=20000,
        user_defined_symbols=["<mask>", "<start_of_turn>", "<end_of_turn>", "\n", "\n\n"], minloglevel=2,
    )  # fmt: skip
    (folder / "tokenizer.vocab").unlink()
    tokenizer = GemmaTokenizer.from_pretrained(folder, padding_side="left")
    tokenizer.chat_template = tiny_gemma.CHAT_TEMPLATE
    tokenizer.save_pretrained(folder)
    options = tiny | {"vocab_size": len(tokenizer)}
    tiny_gemma.build_model(options, tokenizer, seed=3).save_pretrained(folder)
