"""Run every comparison and write docs/validation.md; with arguments only those whose name contains one.

Each number is kept with its day as soon as it is there: the long ones can be run by themselves. Those few are printed;
with `--write` their rows also replace the written ones.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from pathlib import Path
from typing import Any

import pellucid
from validation import Check, NotAvailableError, all_checks

TARGET = Path(__file__).parents[1] / "docs" / "validation.md"
RECORD = Path(__file__).parent / "results.json"
WRITE = "--write"


def main() -> int:
    """Run the comparisons; 1 where one is not met."""
    words = [word for word in sys.argv[1:] if word != WRITE]
    writes = not words or WRITE in sys.argv
    record = written(RECORD)
    missed = measured = 0
    for item in all_checks():
        if words and not any(word in item.name for word in words):
            continue
        value, outcome = measure(item)
        measured, missed = measured + 1, missed + (outcome == "**not met**")
        print(f"{item.name}: {value} ({tolerance(item)}) {outcome}", flush=True)  # noqa: T201
        record["rows"][item.name] = {"number": value, "outcome": outcome, "date": time.strftime("%Y-%m-%d")}
        if "positivity" in item.name:
            record["positivity"] = positivity()
        if writes:
            write(record)
    if not measured:
        sys.exit(f"no comparison's name contains {' or '.join(words)}")
    return 1 if missed else 0


def written(file: Path) -> dict[str, Any]:
    """What was measured before; names of comparisons that are there no more are left out."""
    record: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {"rows": {}, "positivity": ""}
    names = {item.name for item in all_checks()}
    record["rows"] = {name: row for name, row in record["rows"].items() if name in names}
    return record


def write(record: dict[str, Any]) -> None:
    """The record, and the page that it makes."""
    RECORD.write_text(json.dumps(record, indent=1) + "\n")
    TARGET.write_text(page(record))


def measure(item: Check) -> tuple[str, str]:
    """The number as text, and whether it is met."""
    try:
        value = item.function()
    except NotAvailableError as reason:
        return "-", f"not run: {reason}"
    except AssertionError as broken:  # what holds for every case did not for one
        print(f"{item.name}: {broken}", flush=True)  # noqa: T201
        return "-", "**not met**"
    return f"{value:.4g}", "met" if item.met(value) else "**not met**"


def tolerance(item: Check) -> str:
    """The tolerance in words."""
    parts = [
        f">= {item.low:g}" if item.low > -float("inf") else "",
        f"<= {item.high:g}" if item.high < float("inf") else "",
    ]
    return " and ".join(part for part in parts if part) + (f" {item.unit}" if item.unit != "1" else "")


def page(record: dict[str, Any]) -> str:
    """The whole page."""
    lines = [
        "# Validation",
        "",
        "Written by `make validate`; nothing here is typed by hand.",
        f"Pellucid {pellucid.__version__}, Python {platform.python_version()}, {platform.machine()}.",
    ]
    for family in dict.fromkeys(item.family for item in all_checks()):
        lines += ["", f"## {family}", ""]
        lines += ["| what | against | number | tolerance | why this tolerance | outcome | measured |"]
        lines += ["|---|---|---|---|---|---|---|"]
        for item in all_checks():
            if item.family == family:
                row = record["rows"].get(item.name, {"number": "-", "outcome": "not run yet", "date": "-"})
                cells = (item.title, item.against, row["number"], tolerance(item), item.reason)
                lines.append("| " + " | ".join((*cells, row["outcome"], row["date"])) + " |")
    return "\n".join(lines) + "\n" + record["positivity"]


def positivity() -> str:
    """What the constraint of non-negativity is worth, in CT and PET, when data run short."""
    from validation.nuclear import positivity as nuclear
    from validation.xray import positivity as xray

    lines = [
        "",
        "## Positivity pays",
        "",
        "| what | data kept | RMSE without x >= 0 | with | ratio | of another method |",
        "|---|---|---|---|---|---|",
    ]
    for row in xray.table():
        part = f"1/{row['keep_every']:g} of the views"
        errors = row["without"], row["with"]
        lines.append(_positivity_row("CT, total variation [1/cm]", part, *errors, "FBP", row["fbp"]))
    for item in nuclear.table():
        name = "PET, weighted least squares [3 in the warm rim]"
        part = f"1/{1 / item.fraction:g} of the {item.what}" if item.fraction < 1 else f"all {item.what}"
        lines.append(_positivity_row(name, part, item.unconstrained, item.constrained, "MLEM", item.likelihood))
    return "\n".join(lines) + "\n"


def _positivity_row(name: str, kept: str, without: float, with_it: float, other: str, error: float) -> str:
    return f"| {name} | {kept} | {without:.4g} | {with_it:.4g} | {with_it / without:.2f} | {other} {error:.4g} |"


if __name__ == "__main__":
    sys.exit(main())
