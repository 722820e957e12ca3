"""Run every comparison and write docs/validation.md."""

from __future__ import annotations

import platform
import sys
import time
from pathlib import Path

import pellucid
from validation import Check, NotAvailableError, all_checks

TARGET = Path(__file__).parents[1] / "docs" / "validation.md"


def main() -> int:
    """Run all comparisons (or those whose name contains an argument); 1 where one is not met."""
    words = sys.argv[1:]
    rows, missed = [], 0
    for item in all_checks():
        if words and not any(word in item.name for word in words):
            continue
        value, outcome = measure(item)
        missed += outcome == "**not met**"
        print(f"{item.name}: {value} ({tolerance(item)}) {outcome}", flush=True)  # noqa: T201
        rows.append((item, value, outcome))
    if not words:
        TARGET.write_text(page(rows) + positivity())
    return 1 if missed else 0


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


def page(rows: list[tuple[Check, str, str]]) -> str:
    """The whole page."""
    lines = [
        "# Validation",
        "",
        "Written by `make validate`; nothing here is typed by hand.",
        f"Pellucid {pellucid.__version__}, {time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, "
        f"{platform.machine()}.",
    ]
    for family in dict.fromkeys(item.family for item, _, _ in rows):
        lines += ["", f"## {family}", "", "| what | against | number | tolerance | why this tolerance | outcome |"]
        lines += ["|---|---|---|---|---|---|"]
        for item, value, outcome in rows:
            if item.family == family:
                cells = (item.title, item.against, value, tolerance(item), item.reason, outcome)
                lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def positivity() -> str:
    """What the constraint of non-negativity is worth, in CT and PET, when data run short."""
    from validation.nuclear import positivity as nuclear
    from validation.xray import positivity as xray

    lines = [
        "",
        "## Positivity pays",
        "",
        "| what | data kept | error without x >= 0 | with | ratio |",
        "|---|---|---|---|---|",
    ]
    for row in xray.table():
        name = "CT, total variation, RMSE [1/cm]"
        cells = (f"1/{row['keep_every']:g} of the views", row["without"], row["with"])
        lines.append(_positivity_row(name, *cells))
    for item in nuclear.table():
        name = "PET, weighted least squares, relative error"
        part = f"1/{1 / item.fraction:g} of the {item.what}" if item.fraction < 1 else f"all {item.what}"
        lines.append(_positivity_row(name, part, item.unconstrained, item.constrained))
    return "\n".join(lines) + "\n"


def _positivity_row(name: str, kept: str, without: float, with_it: float) -> str:
    return f"| {name} | {kept} | {without:.4g} | {with_it:.4g} | {with_it / without:.2f} |"


if __name__ == "__main__":
    sys.exit(main())
