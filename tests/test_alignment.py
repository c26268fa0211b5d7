"""Pairs from samples, and the losses of alignment on a real tiny Gemma 3."""

from __future__ import annotations

import copy
import math

import pytest
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from test_shared_prefix import plain_loss, rows_with_prefix
from tests_support import make_schemas

from build_alignment_pairs import pairs_of_query
from pipeline.schemas.asts import SchemaJudges
from pipeline.schemas.dsl import conditions_of, program, refusal, refusal_of
from pipeline.schemas.json_text import minify
from pipeline.students.student import LORA_TARGETS, causal_lm
from train_alignment import add_reference


def trainer_of(student, method, folder, sft_weight=0.5):
    from pipeline.students.trainers import GroupDPOTrainer, dpo_config

    rows, labels = rows_with_prefix(60, [20, 9, 15, 30])
    groups = [{"rows": rows, "labels": labels, "row_ids": ["a", "b"]}]
    model = get_peft_model(copy.deepcopy(student.model), LoraConfig(r=4, target_modules=LORA_TARGETS))
    add_reference(groups, causal_lm(model), student.renderer.tokenizer.pad_token_id)
    config = dpo_config(
        folder, max_steps=4, logging_steps=1, learning_rate=0.01, beta=0.1, use_cpu=True, bf16=False, save_strategy="no"
    )
    trainer = GroupDPOTrainer(
        model=model, args=config, train_dataset=Dataset.from_list(groups), processing_class=student.renderer.tokenizer,
        method=method, sft_weight=sft_weight, max_chosen_drop=1e9,
    )  # fmt: skip
    likelihood = [
        plain_loss(student.model, [row], [wanted]).item() / sum(label >= 0 for label in wanted)
        for row, wanted in zip(rows[0::2], labels[0::2], strict=True)
    ]
    return trainer, sum(likelihood) / len(likelihood)


@pytest.mark.parametrize("method", ["dpo", "rft"])
def test_the_first_loss_is_that_of_the_sft_policy(tiny_student, tmp_path, method):
    trainer, likelihood = trainer_of(tiny_student, method, tmp_path)
    batch = trainer.data_collator([trainer.train_dataset[0]])
    loss = trainer.compute_loss(trainer.model.eval(), batch).item()
    expected = {"dpo": math.log(2) + 0.5 * likelihood, "rft": likelihood}[method]
    assert loss == pytest.approx(expected, rel=1e-4)
    assert trainer.seen["rewards/margins"] == pytest.approx([0, 0], abs=1e-4)


def test_fine_tuning_on_chosen_answers_makes_them_likelier(tiny_student, tmp_path):
    trainer, _ = trainer_of(tiny_student, "rft", tmp_path)
    trainer.train()
    changes = [entry["chosen_change"] for entry in trainer.state.log_history if "chosen_change" in entry]
    assert changes[0] == pytest.approx(0, abs=1e-3)
    assert changes[-1] > 0.1


def pairs_of(ast, sampled, schema_row):
    """(chosen text, where from, why rejected) of each pair of a request for this AST; every sample ended."""
    row = {"row_id": "r", "schema_id": "s", "query": "q", "current_date": "2024-01-31", "ast": ast}
    samples = [{"text": minify(answer), "ended": True} for answer in sampled]
    pairs = pairs_of_query(row, schema_row, samples, SchemaJudges().of(schema_row), 2)
    return [(p["chosen"][0]["content"], p["chosen_from"], p["rejected_failure"]) for p in pairs]


def test_refusals_in_other_words_than_the_teachers_are_rejected_and_other_labels_of_programs_are_not():
    schema_row = make_schemas(1, 5)[0]
    wanted, other = refusal_of("field", ["a", "b"]), refusal("unknown value of a", "b")
    assert pairs_of(wanted, [other, other], schema_row) == [(minify(wanted), "teacher", "other_refusal")]
    assert pairs_of(wanted, [other, wanted], schema_row) == [(minify(wanted), "sample", "other_refusal")]
    assert pairs_of(wanted, [wanted], schema_row) == []
    parts = next(c["properties"] for c in conditions_of(schema_row["schema"]) if "enum" in c["properties"]["value"])
    ask = {
        "field": parts["field"]["const"],
        "operator": parts["operator"]["enum"][0],
        "value": parts["value"]["enum"][0],
    }
    said = program([[ask]])
    renamed = {"steps": [said["steps"][0] | {"name": "first"}]}
    assert pairs_of(said, [renamed], schema_row) == []
    assert pairs_of(said, [wanted], schema_row) == [(minify(said), "teacher", "refused_when_it_should_answer")]
