"""The tissue table: data/tissues.csv, one value per row, and data/sources.csv, which its source keys point to."""

from __future__ import annotations

import csv
from collections import defaultdict
from functools import cache
from importlib.resources import files
from typing import Any

from pellucid.anatomy.tissue import Tissue
from pellucid.errors import UnknownOptionError

_RELAXATION = ("t1", "t2", "t2_star")


def tissue(name: str) -> Tissue:
    """The tissue called `name`; raises `UnknownOptionError` with the list of known ones."""
    table = all_tissues()
    if name not in table:
        raise UnknownOptionError("tissue", name, table)
    return table[name]


def tissues(*names: str) -> tuple[Tissue, ...]:
    """Several tissues, in the order given: the row of each label of an anatomy."""
    return tuple(tissue(name) for name in names)


@cache
def all_tissues() -> dict[str, Tissue]:
    """Every tissue and phantom material of the table by name."""
    rows: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in _rows("tissues.csv"):
        rows[row["tissue"]].append(row)
    references = sources()
    return {name: _tissue(name, of_tissue, references) for name, of_tissue in rows.items()}


@cache
def sources() -> dict[str, str]:
    """Every reference that the tissue table cites, by its key."""
    return {row["key"]: row["reference"] for row in _rows("sources.csv")}


def _rows(name: str) -> list[dict[str, str]]:
    text = files("pellucid.anatomy").joinpath("data", name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _tissue(name: str, rows: list[dict[str, str]], references: dict[str, str]) -> Tissue:
    values: dict[str, Any] = {"composition": {}, "uptake": {}, **{f"{key}_ms": {} for key in _RELAXATION}}
    cited: dict[str, str] = {}
    for row in rows:
        key, condition, value = row["property"], row["condition"], float(row["value"])
        if key in _RELAXATION:
            values[f"{key}_ms"][float(condition)] = value
        elif key in ("composition", "uptake"):
            values[key][condition] = value
        else:
            values[key] = value
        label = f"{key} {condition}".strip()
        cited[label] = references[row["source"]] + (f" ({row['note']})" if row["note"] else "")
    return Tissue(
        name=name,
        density_g_per_cm3=values.pop("density"),
        susceptibility_ppm=values.pop("susceptibility"),
        sources=cited,
        **values,
    )
