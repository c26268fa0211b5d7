"""Stages as processes: what they make, what they say, what they survive."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from ctypes.util import find_library
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from odd_server import Server, drops, fails, says
from tests_support import config_for, copied, ok, refused, rows_of, write_pairs

SCRIPTS = sorted(p.name for p in (ROOT / "scripts").glob("*.py"))


@pytest.fixture
def root(data, tmp_path) -> Path:
    """A copy of that root to spoil."""
    copied(data, tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_shows_the_manual_and_starts_fast_enough_to_read(name):
    out = ok(name, "--help")
    assert "uv run python scripts/" + name in out


def test_every_row_of_the_dataset_is_valid_and_no_domain_is_in_two_splits(data):
    from pipeline.schemas.asts import SchemaJudge

    schemas = {row["schema_id"]: row for row in rows_of(data / "out/d_02_final_schemas.jsonl")}
    domains: dict[str, set[str]] = {}
    for row in schemas.values():
        domains.setdefault(row["domain"], set()).add(row["split"])
    assert all(len(splits) == 1 for splits in domains.values())
    rows = rows_of(data / "out/d_03_dataset.jsonl")
    assert len({row["row_id"] for row in rows}) == len(rows)
    for row in rows:
        assert SchemaJudge(schemas[row["schema_id"]]["schema"]).is_valid(row["ast"])
        assert row["split"] == schemas[row["schema_id"]]["split"] or row["split"] == "test_seen"
    assert {row["split"] for row in rows} == {"train", "validation", "align", "test", "test_seen", "new_words"}


def test_the_corpus_holds_train_and_validation_only(data):
    ids = {row["row_id"]: row["split"] for row in rows_of(data / "out/d_03_dataset.jsonl")}
    for row in rows_of(data / "out/d_04_training_corpus.jsonl"):
        assert ids[row["row_id"]] == row["split"]
        assert row["split"] in ("train", "validation")
        assert [m["role"] for m in row["prompt"] + row["completion"]] == ["user", "assistant"]


def test_the_same_inputs_give_the_same_bytes(data, tmp_path, tiny_base):
    config = str(config_for(tmp_path, tiny_base))
    for name in ("generate_domain_specs.py", "build_schemas.py", "generate_dataset.py"):
        ok(name, "--config", config)
    for name in ("d_01_domain_specs", "d_02_final_schemas", "d_03_dataset", "d_03_rejected"):
        assert (tmp_path / f"out/{name}.jsonl").read_bytes() == (data / f"out/{name}.jsonl").read_bytes()


def test_one_changed_option_runs_its_stage_and_what_depends_on_it(root):
    config = str(root / "config.json")
    assert "up to date" in ok("build_schemas.py", "--config", config)
    assert "up to date" not in ok("generate_dataset.py", "--config", config, "--refusal-share", "0.3")
    assert "up to date" in ok("build_schemas.py", "--config", config)
    assert "kept in" in ok("build_training_corpus.py", "--config", config)


@pytest.mark.parametrize("words, made_again", [
    ("operators", {"generate_domain_specs", "build_schemas", "generate_dataset", "build_training_corpus"}),
    ("ast_template", {"build_schemas"}),
    ("language", {"generate_domain_specs", "build_schemas", "generate_dataset"}),
    ("schema_language", {"generate_domain_specs", "generate_dataset"}),
    ("reading", {"generate_domain_specs", "generate_dataset", "build_training_corpus"}),
    ("calendar", {"generate_domain_specs", "generate_dataset", "build_training_corpus"}),
    ("request_styles", set()),
])  # fmt: skip
def test_an_edit_of_words_is_noticed_by_the_stages_that_use_them(root, words, made_again):
    """The words say the same here, so that what a stage makes of them has the same bytes."""
    for folder in ("scripts", "config"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    with (root / "config" / f"{words}.json").open("a", encoding="utf-8") as file:
        file.write("\n")
    for stage in ("generate_domain_specs", "build_schemas", "generate_dataset", "build_training_corpus"):
        command = [sys.executable, str(root / f"scripts/{stage}.py"), "--config", str(root / "config.json")]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert ("up to date" in said) == (stage not in made_again), said


def test_a_target_counts_accepted_train_rows_whatever_their_number_a_schema(root):
    ok("generate_dataset.py", "--config", str(root / "config.json"), "--target-rows", "20")
    rows = [row for row in rows_of(root / "out/d_03_dataset.jsonl") if row["split"] == "train"]
    assert len(rows) == 20
    counts = {row["schema_id"]: 0 for row in rows}
    for row in rows:
        counts[row["schema_id"]] += 1
    assert sorted(counts.values()) == [3, 3, 3, 3, 4, 4]


def test_preview_shows_rows_and_writes_nothing(root):
    before = (root / "out/d_03_dataset.jsonl").read_bytes()
    out = ok("generate_dataset.py", "--config", str(root / "config.json"), "--preview", "1", "--seed", "9")
    assert '{"' in out
    assert (root / "out/d_03_dataset.jsonl").read_bytes() == before


def test_rows_that_do_not_fit_stop_the_corpus_with_their_length_and_the_flag(root):
    before = (root / "out/d_04_training_corpus.jsonl").read_bytes()
    said = refused("build_training_corpus.py", "--config", str(root / "config.json"), "--max-seq-length", "64")
    assert "--max-seq-length 64" in said
    assert (root / "out/d_04_training_corpus.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("stage", "artifact", "said"),
    [
        ("build_schemas.py", "d_01_domain_specs.jsonl", "d_01_domain_specs.jsonl line 2 is not JSON"),
        ("generate_dataset.py", "d_02_final_schemas.jsonl", "d_02_final_schemas.jsonl line 2 is not JSON"),
        ("build_training_corpus.py", "d_03_dataset.jsonl", "d_03_dataset.jsonl line 2 is not JSON"),
        ("train_student.py", "d_04_training_corpus.jsonl", "d_04_training_corpus.jsonl line 2 is not JSON"),
    ],
)
def test_a_spoiled_artifact_is_named_with_its_line(root, stage, artifact, said):
    path = root / "out" / artifact
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[1] = lines[1][:-5]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert said in refused(stage, "--config", str(root / "config.json"))


@pytest.mark.parametrize(
    ("stage", "args", "said"),
    [
        ("build_schemas.py", ["--config", "nowhere.json"], "nowhere.json does not exist"),
        ("build_schemas.py", ["--output-root", "{root}/empty"], "d_01_domain_specs.jsonl is missing"),
        ("build_training_corpus.py", ["--base-model", "{root}/nothing", "--force"], "does not exist"),
        ("train_student.py", ["--backend", "unsloth", "--force"], "needs a CUDA device"),
        ("train_student.py", ["--device", "cuda", "--force"], "not available"),
        ("evaluate_student.py", [], "./runTraining.sh makes an adapter"),
        ("evaluate_student.py", ["--adapter", "{root}/nothing"], "does not exist"),
        ("report_training.py", [], "./runEvals.sh makes one"),
        ("generate_domain_specs.py", ["--teacher-kind", "ollama", "--ollama-host", "http://127.0.0.1:9"], "no Ollama server answers at http://127.0.0.1:9"),
        ("check_setup.py", ["--teacher-kind", "ollama", "--ollama-host", "http://127.0.0.1:9"], "ollama serve"),
        ("check_setup.py", ["--base-model", "unsloth/gemma-3-270m-it"], "hf download unsloth/gemma-3-270m-it"),
        ("check_setup.py", ["--device", "cuda"], "--device cuda is not available"),
        ("check_setup.py", ["--backend", "unsloth"], "needs a CUDA device"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_and_exit_status_2(root, stage, args, said):
    filled = [arg.replace("{root}", str(root)) for arg in args]
    if "--config" not in filled:
        filled = ["--config", str(root / "config.json"), *filled]
    env = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(root / "hf")}
    assert said in refused(stage, *filled, env=env)


def test_the_preflight_says_where_a_student_is_trained_and_needs_no_torch_for_the_shipped_one(root):
    config = str(root / "config.json")
    assert ok("check_setup.py", "--config", config, "--device", "cpu").startswith("student: ")
    shipped = ok("check_setup.py", "--config", config, "--base-model", "assets/embedded_base")
    assert shipped == "" or find_library("cuda")


def run_all(*args: Any) -> subprocess.CompletedProcess:
    return subprocess.run([ROOT / "runAll.sh", *map(str, args)], capture_output=True, text=True, check=False)


def test_the_chain_hands_each_stage_its_own_flags(tmp_path, tiny_base):
    config = config_for(tmp_path, tiny_base)
    flags = ("--test-schemas", "3", "--rows-per-schema", "2", "--seen-schemas=0", "--no-judge", "--lora-rank", "8")
    made = run_all("--config", config, "--until", "dataset", *flags)
    assert made.returncode == 0, made.stderr
    splits = Counter(row["split"] for row in rows_of(tmp_path / "out/d_02_final_schemas.jsonl"))
    assert splits["test"] == 3
    rows = Counter(row["split"] for row in rows_of(tmp_path / "out/d_03_dataset.jsonl"))
    assert rows["train"] == 2 * splits["train"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--lora-rang", "8"], "there is no flag --lora-rang, but --lora-rank"),
        (["--lora-rank", "-8"], "--lora-rank is -8"),
        (["--adapter", "somewhere"], "leave out --adapter"),
        (["--model", "sft"], "leave out --adapter and --model"),
        (["--from=nowhere"], "there is no stage nowhere"),
    ],
)
def test_what_no_stage_takes_is_said_before_the_first(tmp_path, tiny_base, flags, said):
    made = run_all("--config", config_for(tmp_path, tiny_base), *flags)
    assert made.returncode == 2
    assert said in made.stderr
    assert "Traceback" not in made.stderr
    assert not list((tmp_path / "out").glob("d_*"))


def test_weights_that_are_no_safetensors_and_remote_code_are_refused(root, tiny_base, tmp_path):
    pickled, remote = tmp_path / "pickled", tmp_path / "remote"
    for folder in (pickled, remote):
        shutil.copytree(tiny_base, folder)
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    config = json.loads((remote / "config.json").read_text())
    (remote / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "evil.Model"}}))
    args = ("--config", str(root / "config.json"), "--force", "--base-model")
    assert "safetensors" in refused("build_training_corpus.py", *args, str(pickled))
    assert "auto_map" in refused("build_training_corpus.py", *args, str(remote))


def test_a_read_only_root_is_a_sentence(root):
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere; /dev/full stands for a full disk elsewhere")
    (root / "out").chmod(0o500)
    assert "cannot write" in refused("build_schemas.py", "--config", str(root / "config.json"), "--force")
    (root / "out").chmod(0o700)


def test_a_dataset_stage_killed_at_any_moment_ends_with_the_same_file(root):
    expected = (root / "out/d_03_dataset.jsonl").read_bytes()
    command = [
        sys.executable,
        str(ROOT / "scripts/generate_dataset.py"),
        "--config",
        str(root / "config.json"),
        "--force",
    ]
    for delay in (0.3, 0.8):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert (root / "out/d_03_dataset.jsonl").read_bytes() == expected
    ok("generate_dataset.py", "--config", str(root / "config.json"), "--force")
    assert (root / "out/d_03_dataset.jsonl").read_bytes() == expected


@pytest.fixture(scope="module")
def trained(data) -> Path:
    """That root with an SFT adapter of two steps."""
    ok("train_student.py", "--config", str(data / "config.json"), "--max-steps", "2")
    return data


def test_training_leaves_an_adapter_metrics_and_the_runs_config(trained):
    run = trained / "out/student_runs/embedded"
    assert (run / "checkpoint-final/adapter_model.safetensors").exists()
    assert json.loads((run / "checkpoint-final/adapter_config.json").read_text())["r"] == 2
    metrics = rows_of(run / "training_metrics.jsonl")
    assert any("loss" in row for row in metrics)
    assert any("eval_loss" in row for row in metrics)
    assert any("eval_exact_match" in row for row in metrics)
    assert json.loads((run / "run_config.json").read_text())["options"]["training"]["lora_rank"] == 2
    assert "up to date" in ok("train_student.py", "--config", str(trained / "config.json"), "--max-steps", "2")


def test_a_smoke_run_trains_on_as_many_rows_as_it_is_told(trained, tmp_path):
    config = str(copied(trained, tmp_path))
    assert " over 5 rows" in ok("train_student.py", "--config", config, "--max-steps", "2", "--max-samples", "5")


def test_both_ways_of_training_log_the_same_losses(trained, tmp_path):
    config = str(copied(trained, tmp_path))
    ok("train_student.py", "--config", config, "--max-steps", "2", "--no-shared-prefix")
    shared, plain = (
        [row["loss"] for row in rows_of(folder / "out/student_runs/embedded/training_metrics.jsonl") if "loss" in row]
        for folder in (trained, tmp_path)
    )
    assert shared == pytest.approx(plain, rel=1e-4)


def launched(*args: str, count: int = 2) -> subprocess.CompletedProcess:
    """A stage under `accelerate launch` with several processes on the CPU (its --cpu would start one)."""
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi-gpu", "--num-processes", str(count)]
    clean = {k: v for k, v in os.environ.items() if k != "DATASET_GENERATOR_CHAIN"} | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*launch, *args], capture_output=True, text=True, timeout=300, env=clean, cwd=ROOT, check=False
    )


def test_a_row_that_is_none_of_a_corpus_is_named_with_its_line(root):
    with (root / "out/d_04_training_corpus.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"row_id": "x", "split": "train"}\n')
    lines = len((root / "out/d_04_training_corpus.jsonl").read_text(encoding="utf-8").splitlines())
    said = refused("train_student.py", "--config", str(root / "config.json"))
    assert f"line {lines} is no row of a corpus" in said


def test_sft_holds_where_rows_stand_and_reads_each_row_of_a_group_when_asked(data, tiny_student):
    from pipeline.students.shared_prefix import IGNORE
    from train_student import corpus_places, grouped_rows, make_groups

    corpus, renderer = data / "out/d_04_training_corpus.jsonl", tiny_student.renderer
    places = corpus_places(corpus, None)["train"]
    groups = grouped_rows(corpus, make_groups(places, 4, seed=1), renderer, 4096)
    assert groups.data.nbytes < 40 * len(places)
    rows = {row["row_id"]: row for row in rows_of(corpus)}
    seen = []
    for number in range(len(groups)):
        group = groups[number]
        seen += group["row_ids"]
        assert len({rows[row_id]["schema_id"] for row_id in group["row_ids"]}) == 1
        for row_id, ids, labels in zip(group["row_ids"], group["rows"], group["labels"], strict=True):
            prompt, answer = renderer.prompt(rows[row_id]["prompt"]), renderer.answer(rows[row_id]["completion"])
            assert ids == prompt + answer
            assert labels == [IGNORE] * len(prompt) + answer
    assert sorted(seen) == sorted(row_id for row_id, row in rows.items() if row["split"] == "train")


def test_two_processes_log_the_losses_of_one(trained, tmp_path):
    config = str(copied(trained, tmp_path))
    shutil.rmtree(tmp_path / "out/student_runs")
    done = launched("scripts/train_student.py", "--config", config, "--max-steps", "2")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "2 processes" in done.stdout
    assert done.stdout.count("training: ") == 2  # the first line and the summary, once each
    found = [rows_of(root / "out/student_runs/embedded/training_metrics.jsonl") for root in (trained, tmp_path)]
    assert len(found[0]) == len(found[1])
    for one, two in zip(*found, strict=True):
        assert one.keys() == two.keys()
        for key in {"loss", "grad_norm", "eval_loss", "learning_rate"} & one.keys():
            assert one[key] == pytest.approx(two[key], rel=1e-4), (key, one, two)
    assert "up to date" in launched("scripts/train_student.py", "--config", config, "--max-steps", "2").stdout


def test_a_stage_that_runs_as_one_process_refuses_several(trained):
    done = launched("scripts/evaluate_student.py", "--config", str(trained / "config.json"), "--base")
    assert done.returncode != 0
    assert "evaluation runs as one process, and 2 were started" in done.stderr


def test_groups_that_processes_cannot_share_are_refused(trained):
    done = launched("scripts/train_student.py", "--config", str(trained / "config.json"), "--groups-per-step", "3")
    assert done.returncode != 0
    assert "--groups-per-step 3 cannot be shared by 2 processes" in done.stderr


def test_an_adapter_of_another_base_is_refused(trained, tiny_base, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(tiny_base, other)
    said = refused("evaluate_student.py", "--config", str(trained / "config.json"), "--base-model", str(other))
    assert "was trained on" in said


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ("prompt", "by another version of this project, which wrote prompts otherwise"),
        ("weights", "on other weights of"),
    ],
)
def test_an_adapter_of_another_prompt_or_of_replaced_weights_is_refused_and_one_that_records_neither_is_not(
    trained, tmp_path, changed, sentence
):
    from pipeline.students.student import RECORD

    adapter = tmp_path / "adapter"
    shutil.copytree(trained / "out/student_runs/embedded/checkpoint-final", adapter)
    record = json.loads((adapter / RECORD).read_text())
    assert record[changed]
    command = ("evaluate_student.py", "--config", str(trained / "config.json"), "--adapter", str(adapter))
    (adapter / RECORD).write_text(json.dumps(record | {changed: "another"}))
    assert f"{adapter} was trained {sentence}" in refused(*command)
    del record[changed]
    (adapter / RECORD).write_text(json.dumps(record))
    ok(*command, "--max-samples", "1", "--splits", "test")


def test_evaluation_without_an_adapter_says_which_and_ends_with_a_summary(trained):
    config = str(trained / "config.json")
    out = ok("evaluate_student.py", "--config", config, "--splits", "test,test_seen")
    assert "the newest finished one is" in out
    folder = trained / "out/student_runs/embedded/eval/sft"
    summary = json.loads((folder / "evaluation_summary.json").read_text())
    assert set(summary["splits"]) == {"test", "test_seen"}
    figures = summary["splits"]["test"]["constrained"]
    assert {
        "rows",
        "schemas",
        "parsed",
        "schema_valid",
        "exact_match",
        "semantic_match",
        "semantic_pass",
        "wrong_but_valid",
        "verdicts",
        "verdicts_missing",
        "semantic_pass_corrected",
    } == set(figures)
    rows = rows_of(folder / "evaluation_results.jsonl")
    assert len(rows) == 2 * (figures["rows"] + summary["splits"]["test_seen"]["free"]["rows"])
    assert "up to date" in ok("evaluate_student.py", "--config", config, "--splits", "test,test_seen")


@pytest.mark.parametrize("lost", ["one call", "the server"])
def test_a_judge_lost_midway_leaves_verdicts_out_and_every_figure_says_how_many(root, lost):
    server, asked = Server(), []

    def reply(handler: Any) -> None:
        if "correct" not in json.dumps(server.requests[-1].get("format")):
            return says({"refusal": {"reason": "r", "suggestion": "s"}})(handler)
        asked.append(handler)
        if len(asked) != 3:
            return says({"correct": True})(handler)
        if lost == "one call":
            return fails(500)(handler)
        drops(handler)
        return threading.Thread(target=server.stop).start()

    server.replies = [reply]
    flags = ("--config", str(root / "config.json"), "--ollama", "tiny", "--splits", "test,test_seen", "--modes", "free")
    judge = (
        "--teacher-kind",
        "ollama",
        "--ollama-host",
        server.host,
        "--teacher-model",
        "tiny",
        "--teacher-retries",
        "0",
    )
    out = ok("evaluate_student.py", *flags, *judge, "--teacher-concurrency", "1", "--judge-rows", "0")
    folder = root / "out/student_runs/embedded/eval/ollama-tiny"
    summary = json.loads((folder / "evaluation_summary.json").read_text())
    figures = [modes["free"] for modes in summary["splits"].values()]
    given, missing = (sum(f[key] for f in figures) for key in ("verdicts", "verdicts_missing"))
    assert given >= 2
    assert missing == 1 if lost == "one call" else missing > 1
    assert f"evaluation: {missing} verdicts are missing, the server at {server.host} failed a call" in out
    ok("report_training.py", "--config", str(root / "config.json"))
    report = (root / "out/reports/embedded/report.md").read_text()
    for figure in figures:
        assert (f"{figure['verdicts_missing']} verdicts missing" in report) == (figure["verdicts_missing"] > 0)
    rows = rows_of(folder / "evaluation_results.jsonl")
    assert len(rows) == sum(f["rows"] for f in figures)
    assert sum(row["teacher_verdict"] is True for row in rows) == given


def test_a_test_row_in_the_corpus_stops_the_evaluation(trained, tmp_path):
    config = str(copied(trained, tmp_path))
    leaked = next(r for r in rows_of(tmp_path / "out/d_03_dataset.jsonl") if r["split"] == "test")
    with (tmp_path / "out/d_04_training_corpus.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"row_id": leaked["row_id"], "schema_id": leaked["schema_id"], "split": "train"}) + "\n")
    assert "is in the training corpus" in refused("evaluate_student.py", "--config", config, "--base")


def test_dpo_starts_at_margin_zero_and_the_decision_is_written(trained):
    config, root = str(trained / "config.json"), trained / "out"
    ok("build_alignment_pairs.py", "--config", config, "--max-steps", "3")
    write_pairs(root)
    ok(
        "train_alignment.py",
        "--config",
        config,
        "--max-steps",
        "3",
        "--dpo-learning-rate",
        "0.01",
        "--dpo-epochs",
        "20",
    )
    metrics = [
        r for r in rows_of(root / "student_runs/embedded/alignment/alignment_metrics.jsonl") if "rewards/margins" in r
    ]
    assert metrics[0]["rewards/margins"] == pytest.approx(0, abs=1e-4)
    assert metrics[0]["chosen_change"] == pytest.approx(0, abs=1e-3)
    assert metrics[-1]["rewards/margins"] != 0
    result = json.loads((root / "student_runs/embedded/result.json").read_text())
    assert result["winner"] in ("sft", "dpo")
    assert "kept" in result["why"]


def test_the_report_stands_alone_and_holds_every_model(trained):
    config = str(trained / "config.json")
    ok("evaluate_student.py", "--config", config, "--splits", "test,test_seen", "--model", "sft")
    ok("evaluate_student.py", "--config", config, "--splits", "test,test_seen", "--base", "--modes", "free")
    out = ok("report_training.py", "--config", config)
    assert "exact match, 95 % intervals" in out
    folder = trained / "out/reports/embedded"
    summary = json.loads((folder / "summary.json").read_text())
    assert list(summary["models"])[:2] == ["base", "sft"]
    assert summary["cost"]["training"]["seconds"] > 0
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "embedded teacher" in page
    assert "data:image/png;base64," in page
    assert 'src="http' not in page


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_whole_chain_runs_and_then_is_up_to_date(tmp_path, tiny_base):
    config = str(config_for(tmp_path, tiny_base, run={"output_root": str(tmp_path / "out"), "max_steps": 2}))
    first = run_all("--config", config)
    assert first.returncode == 0, first.stderr[-3000:]
    assert "exact match, 95 % intervals" in first.stdout
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*.jsonl")}
    second = run_all("--config", config)
    assert second.returncode == 0
    assert second.stdout.count("up to date") == 11
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*.jsonl")}


def checkpoints_of(folder: Path) -> set[Path]:
    return set((folder / "out/student_runs/embedded").glob("checkpoint-[0-9]*/trainer_state.json"))


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_killed_training_goes_on_from_its_checkpoint(data, tmp_path):
    results = []
    for name, kill in (("whole", False), ("killed", True)):
        folder = tmp_path / name
        args = ("--config", str(copied(data, folder)), "--epochs", "4")
        if kill:
            before = checkpoints_of(folder)  # of another test's training
            process = subprocess.Popen(
                [sys.executable, str(ROOT / "scripts/train_student.py"), *args],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            deadline = time.monotonic() + 120
            while not checkpoints_of(folder) - before and time.monotonic() < deadline:
                time.sleep(0.05)
            process.kill()
            process.wait()
            said = ok("train_student.py", *args)
            assert "going on from" in said
            assert "is kept in" not in said
        else:
            ok("train_student.py", *args)
        results.append(rows_of(folder / "out/student_runs/embedded/training_metrics.jsonl"))
    whole, killed = ([row["loss"] for row in rows if "loss" in row] for rows in results)
    assert whole == pytest.approx(killed, rel=1e-5)


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize(
    ("stage", "args", "artifacts"),
    [
        ("evaluate_student.py", ("--splits", "test,test_seen,new_words", "--batch-rows", "2"), ("eval/sft/evaluation_results.jsonl", "eval/sft/evaluation_summary.json")),
        ("build_alignment_pairs.py", (), ("alignment/dpo_pairs.jsonl",)),
        ("train_alignment.py", ("--max-steps", "3"), ("alignment/alignment_metrics.jsonl", "alignment/checkpoint-final/adapter_model.safetensors", "result.json")),
    ],
    ids=["evaluation", "pairs", "alignment"],
)  # fmt: skip
def test_a_stage_killed_at_any_moment_ends_with_the_same_artifacts(
    trained, tmp_path, monkeypatch, stage, args, artifacts
):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")  # so that forks answer
    command = [stage, "--config", str(copied(trained, tmp_path)), *args, "--force"]
    run = tmp_path / "out/student_runs/embedded"
    if stage == "train_alignment.py":
        write_pairs(tmp_path / "out")
    started = time.monotonic()
    ok(*command)
    seconds = time.monotonic() - started
    made = lambda: [(run / name).read_bytes() for name in artifacts]
    expected = made()
    for share in (0.4, 0.7, 0.9, 0.97):
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "scripts" / stage), *command[1:]],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT,
        )  # fmt: skip
        time.sleep(share * seconds)
        process.kill()
        process.wait()
    ok(*command)
    assert made() == expected
