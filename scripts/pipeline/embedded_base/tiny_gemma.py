"""The embedded base's tokenizer and model: a byte-level BPE and a Gemma 3 in the layout that Ollama runs as it is."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.embedded_base import pretraining_data as data
from pipeline.errors import UserError

PAD, EOS, BOS, UNK, START, END = "<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"
CHAT_TEMPLATE = (  # Gemma's own: a system message stands before the first user's text
    "{{ bos_token }}{% set system = '' %}"
    "{% if messages[0]['role'] == 'system' %}"
    "{% set system = messages[0]['content'] + '\n\n' %}{% set messages = messages[1:] %}{% endif %}"
    "{% for message in messages %}"
    "<start_of_turn>{{ 'model' if message['role'] == 'assistant' else message['role'] }}\n"
    "{{ (system if loop.first else '') + message['content'] | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
# Split as Ollama does (GPT-2's pattern), then finer: a word has the same tokens after a space, a quote or a dot.
GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
FINE_PATTERN = r"\p{L}+|\p{N}+|\s|[^\s\p{L}\p{N}]+"
CENTURIES = ("20", "19")


def train_tokenizer(options: dict[str, Any], folder: Path) -> None:
    """Train the byte-level BPE on procedural documents and write the tokenizer's files to `folder`.

    `vocab_size` counts what is learned; two digits are a token each beside it.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(GPT2_PATTERN), "isolated"),
            pre_tokenizers.Split(Regex(FINE_PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), split])
    tokenizer.decoder = decoders.ByteLevel()
    specials = [PAD, EOS, BOS, UNK, START, END]
    trainer = trainers.BpeTrainer(
        vocab_size=options["vocab_size"],
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_tokenizer_texts(options), trainer)
    tokenizer.pre_tokenizer = split
    tokenizer = _with_digit_pairs(tokenizer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=END, bos_token=BOS, unk_token=UNK,
        additional_special_tokens=[START], padding_side="left",
        model_max_length=options["model"]["max_position_embeddings"], clean_up_tokenization_spaces=False,
    )  # fmt: skip
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(folder)
    # transformers 5 does not write it, and Ollama then serves the model without its BOS.
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["add_bos_token"] = True
    path.write_text(json.dumps(config, indent=2, ensure_ascii=True) + "\n", encoding="utf-8")


def _with_digit_pairs(tokenizer: Any) -> Any:
    """The tokenizer with a token for every two digits, those of a century before others, so that a date is
    20|24|-|02|-|29.

    Where each digit was a token, the base did not learn to tell the dates of a prompt apart.
    """
    from tokenizers import Tokenizer

    content = json.loads(tokenizer.to_str())
    pairs = [*CENTURIES, *(pair for pair in (f"{n:02d}" for n in range(100)) if pair not in CENTURIES)]
    content["model"]["vocab"] |= {pair: tokenizer.get_vocab_size() + number for number, pair in enumerate(pairs)}
    content["model"]["merges"] += [list(pair) for pair in pairs]
    return Tokenizer.from_str(json.dumps(content))


def _tokenizer_texts(options: dict[str, Any]) -> Iterator[str]:
    for number in range(options["tokenizer_documents"]):
        rng = random.Random(f"{options['seed']}-tokenizer-{number}")
        document = data.schema_document(rng, 4) if number % 3 else data.recall_document(rng, 4, (10, 30))
        yield document.rows[0][0]
        for prompt, completion in document.rows[1:]:
            yield prompt.rpartition("\n")[2] + "\n" + completion


def build_model(options: dict[str, Any], tokenizer: Any, seed: int) -> Any:
    """A Gemma 3 with random weights in the layout that Ollama runs: every sixth layer full, Gemma's rope values."""
    import torch
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    layers = options["model"]["num_hidden_layers"]
    config = Gemma3TextConfig(
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        query_pre_attn_scalar=options["model"]["head_dim"],
        layer_types=["full_attention" if (i + 1) % 6 == 0 else "sliding_attention" for i in range(layers)],
        rope_parameters={
            "full_attention": {"rope_type": "default", "rope_theta": 1e6},
            "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
        },
        tie_word_embeddings=True,
        **options["model"],
    )
    torch.manual_seed(seed)
    return Gemma3ForCausalLM(config)


def deepened(model: Any, options: dict[str, Any], tokenizer: Any) -> Any:
    """The model with as many layers as the recipe has: those added at its end change nothing until they are trained.

    They are copies of trained layers with a sliding window whose norms at the end of each part give zeros (stacking: Du
    et al. 2024, arXiv 2405.15319). Added before them they would move the full layer to another place than Ollama's.
    """
    import torch

    own, layers = model.config.num_hidden_layers, options["model"]["num_hidden_layers"]
    for name, size in options["model"].items():
        if (had := getattr(model.config, name)) != size and (name != "num_hidden_layers" or had > size):
            raise UserError(
                f"{name} is {size} in the recipe and {had} in the model to go on from; only layers are added"
            )
    if own == layers:
        return model
    deep = build_model(options, tokenizer, options["seed"])
    if "full_attention" in deep.config.layer_types[own:]:
        raise UserError(
            f"num_hidden_layers {layers} would add a full layer to {own}; layers before the next full one are added"
        )
    deep.load_state_dict(model.state_dict(), strict=False)
    like = [at for at, kind in enumerate(deep.config.layer_types[:own]) if kind == "sliding_attention"][own - layers :]
    with torch.no_grad():
        for layer, source in zip(deep.model.layers[own:], like, strict=True):
            layer.load_state_dict(deep.model.layers[source].state_dict())
            for norm in (layer.post_attention_layernorm, layer.post_feedforward_layernorm):
                norm.weight.fill_(-1.0)  # Gemma scales by 1 + weight
    return deep
