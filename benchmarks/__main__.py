"""Run the tasks and write the results; with arguments only those whose name contains one.

Those few are printed; with `--write` their rows also replace the written ones, where these are of the same machine.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

import pellucid
from benchmarks import Target, Task
from benchmarks.server_task import ServerTask
from benchmarks.timing import measure

HERE = Path(__file__).parent
ROOT = HERE.parent
PEER_PYTHON = ROOT / ".bench" / "venv" / "bin" / "python"
RESULTS = HERE / "results.json"
SAME = ("processor", "cores", "python")
"""What makes a machine the same one: ours and peers are measured in one run, whatever the kernel."""

FAMILIES = ("xray", "mr", "nuclear", "archive", "archive_jpip", "start")
WRITE = "--write"


def main() -> int:
    words = [word for word in sys.argv[1:] if word != WRITE]
    others = written(RESULTS, machine()) if words and WRITE in sys.argv else []
    results = []
    for family in FAMILIES:
        for task in import_module(f"benchmarks.tasks.{family}").tasks():
            if not words or any(word in f"{family}.{task.name}" for word in words):
                results.append(run(family, task) | measured())
                print(line(results[-1]), flush=True)
    if not results:
        sys.exit(f"no task's name contains {' or '.join(words)}")
    if not words or WRITE in sys.argv:
        record = {"machine": machine(), "tasks": merged(others, results)}
        RESULTS.write_text(json.dumps(record, indent=1) + "\n")
        (ROOT / "docs" / "benchmarks.md").write_text(page(record))
    return 0


def written(file: Path, on: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows that are written, to stand beside new ones; refused where they are of another machine."""
    if not file.exists():
        return []
    record = json.loads(file.read_text())
    differing = [key for key in SAME if record["machine"].get(key) != on[key]]
    if differing:
        sys.exit(f"{file.name} is of another machine ({', '.join(differing)}); run all tasks, or do not write")
    rows: list[dict[str, Any]] = record["tasks"]
    return rows


def measured() -> dict[str, Any]:
    """When, of which state of the project, and under which kernel a row was measured."""
    command = ["git", "describe", "--always", "--dirty"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return {"date": time.strftime("%Y-%m-%d"), "commit": found.stdout.strip(), "system": platform.release()}


def merged(others: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All rows: the new ones where those of the same tasks were, the rest at the end."""
    fresh = {row["task"]: row for row in new}
    rows = [fresh.pop(row["task"], row) for row in others]
    return rows + list(fresh.values())


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    model = next(
        (
            text.split(":")[1].strip()
            for text in Path("/proc/cpuinfo").read_text().splitlines()
            if text.startswith("model name")
        ),
        platform.processor(),
    )
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "pellucid": pellucid.__version__,
    }


def run(family: str, task: Task | ServerTask) -> dict[str, Any]:
    """The figures of ours and every peer, and what they say of the targets."""
    codes = task.codes() if isinstance(task, ServerTask) else codes_of(task)
    accuracies = (
        [a.name for a in task.accuracies] if isinstance(task, Task) else list(codes["Pellucid"].get("accuracy", ()))
    )
    verdicts = [verdict(target, codes, accuracies) for target in task.targets]
    row = {"task": f"{family}.{task.name}", "title": task.title, "codes": codes, "targets": verdicts}
    return row | ({"note": task.note} if task.note else {})


def codes_of(task: Task) -> dict[str, dict[str, Any]]:
    """Ours and every peer in turn, twice, so that a drift of the machine's speed meets both."""
    codes: dict[str, dict[str, Any]] = {}
    for _ in range(2):
        result, walls, cpus = measure(task.run, task.repeats)
        add(codes, "Pellucid", task, result, walls, cpus, pellucid.__version__)
        for peer in task.peers:
            answer = peer_run(peer, task)
            if isinstance(answer, str):
                codes[peer] = {"missing": answer}
            else:
                add(codes, peer, task, *answer)
                if task.agreement:
                    codes[peer]["agreement"] = {task.agreement.name: task.agreement.function(result, answer[0])}
    for code in codes.values():
        if "walls" in code:
            code["wall"] = statistics.median(code.pop("walls")) / task.per
            code["cpu"] = statistics.median(code.pop("cpus")) / task.per
    return codes


def add(
    codes: dict[str, dict[str, Any]],
    name: str,
    task: Task,
    result: Any,
    walls: list[float],
    cpus: list[float],
    version: str,
) -> None:
    """Add the figures of one round."""
    code = codes.setdefault(name, {"version": version, "walls": [], "cpus": []})
    code["walls"] += walls
    code["cpus"] += cpus
    code["accuracy"] = {accuracy.name: accuracy.function(result) for accuracy in task.accuracies}


def peer_run(peer: str, task: Task) -> tuple[Any, list[float], list[float], str] | str:
    """Result, seconds and version of the peer, or why there is none."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.npz", Path(folder) / "out.npz"
        np.savez(source, **task.inputs)
        command = [
            str(PEER_PYTHON),
            "-m",
            "benchmarks.peers",
            f"{peer}_peer",
            task.name,
            str(source),
            str(target),
            str(task.repeats),
        ]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            return (done.stderr.strip().splitlines() or ["no message"])[-1]
        with np.load(target) as answer:
            report = json.loads(str(answer["report"]))
            return answer["result"], report["walls"], report["cpus"], report["version"]


def verdict(target: Target, codes: dict[str, dict[str, Any]], accuracies: list[str]) -> dict[str, Any]:
    """The target's figure and whether it is met."""
    ours = codes["Pellucid"]
    value: float | None
    if target.figure == "accuracy ratio":
        name = accuracies[0]
        theirs = codes.get(target.peer, {}).get("accuracy")
        value = ours["accuracy"][name] / theirs[name] if theirs else None
    elif target.figure.endswith("ratio"):
        key = target.figure.split()[0]
        peer = codes.get(target.peer, {})
        value = ours[key] / peer[key] if key in peer else None
    elif target.figure == "agreement":
        value = next(iter(codes.get(target.peer, {}).get("agreement", {}).values()), None)
    elif target.figure.endswith("seconds"):
        value = ours[target.figure.split()[0]]
    else:
        index = 0 if target.figure == "accuracy" else 1
        value = ours["accuracy"][accuracies[index]]
    met = None if value is None else (value >= target.limit if target.at_least else value <= target.limit)
    return {
        "figure": target.figure,
        "peer": target.peer,
        "limit": target.limit,
        "at_least": target.at_least,
        "value": value,
        "met": met,
    }


def line(result: dict[str, Any]) -> str:
    """One task as text."""
    parts = [result["task"]]
    for name, code in result["codes"].items():
        parts.append(
            f"  {name}: "
            + (
                f"not run ({code['missing']})"
                if "missing" in code
                else f"wall {code['wall']:.4f} s, CPU {code['cpu']:.4f} s, {code['accuracy']}"
            )
        )
    parts += [f"  target {words(t)}: {t['value']} -> {t['met']}" for t in result["targets"]]
    return "\n".join(parts)


def words(target: dict[str, Any]) -> str:
    """A target in words."""
    sign = ">=" if target["at_least"] else "<="
    to = f" to {target['peer']}" if target["peer"] else ""
    return f"{target['figure']}{to} {sign} {target['limit']:g}"


def page(record: dict[str, Any]) -> str:
    """The whole page."""
    on = record["machine"]
    days = sorted({row["date"] for row in record["tasks"]})
    rows = [
        "# Benchmarks",
        "",
        "Written by `make bench`; nothing here is typed by hand. Medians; ours and the peer in "
        f"the same run on {on['processor']}, {on['cores']} cores, Python {on['python']}, {' and '.join(days)}.",
        "",
        "| task | code | wall s | CPU s | accuracy |",
        "|---|---|---|---|---|",
    ]
    for result in record["tasks"]:
        for name, code in result["codes"].items():
            if "missing" in code:
                rows.append(f"| {result['title']} | {name} | not run: {code['missing']} | | |")
                continue
            figures = {**code["accuracy"], **code.get("agreement", {})}
            accuracy = "; ".join(f"{key} {value:.4g}" for key, value in figures.items())
            rows.append(
                f"| {result['title']} | {name} {code['version']} | {code['wall']:.3f} | {code['cpu']:.3f} "
                f"| {accuracy} |"
            )
    rows += ["", "| task | target | reached | met |", "|---|---|---|---|"]
    for result in record["tasks"]:
        for target in result["targets"]:
            value = "-" if target["value"] is None else f"{target['value']:.3g}"
            met = {True: "yes", False: "**no**", None: "not run"}[target["met"]]
            rows.append(f"| {result['title']} | {words(target)} | {value} | {met} |")
    notes = [f"- {result['title']}: {result['note']}" for result in record["tasks"] if result.get("note")]
    rows += ["", *notes] if notes else []
    states: dict[str, list[str]] = {}
    for result in record["tasks"]:
        commit = f"commit {result['commit']}" if result.get("commit") else "commit not noted"
        states.setdefault(f"{result['date']}, {commit}", []).append(result["title"])
    rows += ["", *(f"- Measured {state}: {'; '.join(titles)}" for state, titles in states.items())]
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.exit(main())
