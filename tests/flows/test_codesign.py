"""The whole job on a small network: what lands, what is proved, what a second run does."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from flows.cli import main
from flows.project import load_project
from flows.run_folder import folder_of

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "flows.cli", "codesign", "small.yaml"]
KILLS = 10
FILES = """
    config.resolved.yaml manifest.json events.jsonl time_per_step.json artifacts.json
    model/plan.json model/checkpoint.pt model/graph.json
    hw/overlay.v hw/overlay.ports.json hw/regmap.json hw/regmap.h hw/regmap.py
    program/program.bin program/program.txt images/index.json
    report/summary.json report/layers.json report/iterations.jsonl report/cost_table.json
    report/resources.json report/schedule.perfetto.json report/report.html
    verification/golden.json verification/harness.json verification/cocotb.json
""".split()
SUMMARY_KEYS = """
    name network board overlay plan accuracy bit_exact cycles resources iterations versions seconds
""".split()


def run_of(desk: Path) -> Path:
    return desk / folder_of(load_project(desk / "small.yaml"))


def facts(run: Path) -> dict[str, Any]:
    """Everything that must not depend on how often a run was killed."""
    lines = (run / "report/iterations.jsonl").read_text().splitlines()
    return {
        "summary": timeless(json.loads((run / "report/summary.json").read_text())),
        "iterations": [timeless(json.loads(line)) for line in lines],
        "graph": (run / "model/graph.json").read_bytes(),
        "verilog": (run / "hw/overlay.v").read_bytes(),
        "program": (run / "program/program.bin").read_bytes(),
    }


def timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if key != "seconds"}
    return [timeless(item) for item in value] if isinstance(value, list) else value


def start() -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        COMMAND, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def events(run: Path) -> int:
    place = run / "events.jsonl"
    return len(place.read_text().splitlines()) if place.exists() else 0


def kill_after(process: subprocess.Popen[str], run: Path, count: int, delay_s: float) -> None:
    """SIGKILL once `count` more events are written, a moment later; or it ends before."""
    target = events(run) + count
    while process.poll() is None and events(run) < target:
        time.sleep(0.01)
    time.sleep(delay_s)
    process.kill()
    process.communicate()


def test_the_whole_job(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["codesign", "small.yaml", "--json"]) == 0
    captured = capsys.readouterr()
    summary, run = json.loads(captured.out), run_of(desk)
    assert captured.err.startswith("[1/")
    assert [name for name in FILES if not (run / name).is_file()] == []
    assert json.loads((run / "report/summary.json").read_text()).items() <= summary.items()
    assert [key for key in SUMMARY_KEYS if key not in summary] == []
    check_summary(summary)
    check_proofs(run, summary)
    first = facts(run)

    # Again: every step is kept, the result is the same.
    assert main(["codesign", "small.yaml"]) == 0
    captured = capsys.readouterr()
    kept = [line for line in captured.err.splitlines() if line.endswith("kept)")]
    steps = [line for line in captured.err.splitlines() if line.startswith("[")]
    assert len(kept) == len(steps) - 1  # all but the report
    assert captured.out.splitlines()[-2:] == [
        str(folder_of(load_project(desk / "small.yaml")) / f"report/{name}")
        for name in ("report.html", "summary.json")
    ]
    assert facts(run) == first
    check_other_verbs(desk, run, capsys)


def check_summary(summary: dict[str, Any]) -> None:
    assert summary["bit_exact"] is True and len(summary["iterations"]) >= 2
    cycles = summary["cycles"]
    assert cycles["measured"] == cycles["predicted"] == sum(cycles["per_layer"])
    assert cycles["lower_bound"] <= cycles["measured"] <= summary["cycle_budget"]
    assert abs(summary["accuracy"]["quantized"] - summary["accuracy"]["integer"]) <= 0.01
    assert set(summary["overlay"]) >= {"style", "Dm", "Dk", "Dn", "p", "q"}
    for line in summary["iterations"]:
        assert line["cycles"]["measured"] == line["cycles"]["plan_cycles"]
        assert line["table_entries"] == {"measured": 2 * 3, "predicted": 0}
    first = summary["iterations"][0]["uniform_cycles"]
    budget = first["2"] + 0.3 * (first["8"] - first["2"])
    assert summary["cycle_budget"] == int(budget)
    best = summary["iterations"][summary["best_round"]]
    assert 0 < best["weight_bytes"] == summary["weight_bytes"] <= summary["byte_budget"] == 1000


def check_proofs(run: Path, summary: dict[str, Any]) -> None:
    proofs = {
        stage: json.loads((run / f"verification/{stage}.json").read_text())
        for stage in ("golden", "harness", "cocotb")
    }
    assert all(proof["ok"] for proof in proofs.values())
    assert proofs["golden"]["images"] == proofs["harness"]["images"] == 360
    assert proofs["cocotb"]["images"] >= 4
    measured = summary["cycles"]["measured"]
    assert proofs["cocotb"]["cycles"] == proofs["harness"]["cycles"] == measured


def check_other_verbs(desk: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The other verbs take what stands, notice what was damaged, refuse a changed checkpoint."""
    assert main(["quantize", "small.yaml"]) == 0
    assert main(["compile", "small.yaml"]) == 0
    assert "up to date, nothing to do" in capsys.readouterr().out
    verilog = (run / "hw/overlay.v").read_bytes()
    (run / "hw/overlay.v").write_bytes(verilog[:-100])
    assert main(["simulate", "small.yaml", "--json"]) == 0
    assert (run / "hw/overlay.v").read_bytes() == verilog
    assert json.loads(capsys.readouterr().out)["bit_exact"] is True

    (run / "report/report.html").unlink()
    assert main(["report", "small.yaml"]) == 0
    assert (run / "report/report.html").is_file()
    summary = run / "report/summary.json"
    text = summary.read_text()
    summary.write_text(text.replace('"bit_exact": true', '"bit_exact": false'))
    assert main(["report", "small.yaml"]) == 2
    assert "are not those that the run wrote" in capsys.readouterr().err
    summary.write_text(text)

    checkpoint = run / "model/checkpoint.pt"
    weights = checkpoint.read_bytes()
    checkpoint.write_bytes(weights[:-7])
    for verb in ("quantize", "compile", "simulate", "codesign"):
        assert main([verb, "small.yaml"]) == 2
        assert f"checkpoint {checkpoint.relative_to(desk)} is corrupt" in capsys.readouterr().err
    checkpoint.unlink()
    assert main(["quantize", "small.yaml"]) == 0
    assert checkpoint.read_bytes() == weights

    # The training's own checkpoint: refused, not retrained behind the user's back.
    (trained,) = (run / "steps").glob("float-*.pt")
    trained.write_bytes(trained.read_bytes()[:-7])
    assert main(["codesign", "small.yaml"]) == 2
    assert "is corrupt" in capsys.readouterr().err


def test_killed_at_ten_points_it_ends_with_the_same_result(desk: Path) -> None:
    run = run_of(desk)
    assert start().wait() == 0
    undisturbed = facts(run)
    run.rename(desk / "undisturbed")
    dice = random.Random(20261121)
    for _ in range(KILLS):
        kill_after(start(), run, dice.randint(1, 5), dice.random() * 0.4)
    process = start()
    output, log = process.communicate()
    assert process.returncode == 0, log
    assert facts(run) == undisturbed
    assert list(run.rglob("*.tmp")) == []


def test_two_at_once_end_with_the_same_result(desk: Path) -> None:
    first, second = start(), start()
    logs = [process.communicate()[1] for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), logs
    assert sum("waiting for it" in log for log in logs) == 1
    assert facts(run_of(desk))["summary"]["bit_exact"] is True


def test_ctrl_c_ends_it_with_a_word_and_no_child(desk: Path) -> None:
    process = start()
    while process.poll() is None and events(run_of(desk)) < 4:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, log = process.communicate(timeout=60)
    assert process.returncode == 130, log
    assert "interrupted; the same command resumes" in log
    assert start().wait() == 0
