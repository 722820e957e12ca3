"""The standard's tables: what attributes an object must and may have (DICOM PS3.3, as highdicom carries them)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pellucid.errors import UnsupportedError

_STRENGTH = ("1", "1C", "2", "2C", "3")
"""Attribute types (PS3.5 section 7.4), the strictest first."""

AttributePath = tuple[str, ...]


@dataclass(frozen=True)
class Iod:
    """One information object definition.

    `mandatory`: path of sequences → keyword → attribute type, over the modules of usage M. `allowed`: path →
    keywords, over all modules.
    """

    key: str
    mandatory: dict[AttributePath, dict[str, str]]
    allowed: dict[AttributePath, frozenset[str]]

    def has(self, keyword: str, path: AttributePath = ()) -> bool:
        """Whether the object may have `keyword`, inside the sequences `path`."""
        return keyword in self.allowed.get(path, frozenset())

    def required(self, kind: str, path: AttributePath = ()) -> Iterator[str]:
        """Keywords of type `kind` ("1" or "2") that the mandatory modules ask for at `path`."""
        return (word for word, found in self.mandatory.get(path, {}).items() if found == kind)


@cache
def iod_of(sop_class_uid: str) -> Iod:
    """The definition behind a SOP class; raises `UnsupportedError` where the tables have none."""
    keys = _table("sop_class_iod_map")
    if sop_class_uid not in keys:
        raise UnsupportedError(f"is {sop_class_uid!r}; not a SOP class of the standard's tables", field="SOPClassUID")
    key = keys[sop_class_uid]
    modules = _table("iod_module_map")[key]
    attributes = _attributes(module["key"] for module in modules)
    mandatory: dict[AttributePath, dict[str, str]] = {}
    allowed: dict[AttributePath, set[str]] = {}
    for module in modules:
        for row in attributes[module["key"]]:
            path, word = tuple(row["path"]), row["keyword"]
            allowed.setdefault(path, set()).add(word)
            if module["usage"] == "M":
                level = mandatory.setdefault(path, {})
                level[word] = min(level.get(word, "3"), row["type"], key=_STRENGTH.index)
    return Iod(key, mandatory, {path: frozenset(words) for path, words in allowed.items()})


def _attributes(modules: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """The attributes of some modules: their places are looked up, as reading all 22 MB takes ten times as long."""
    text = _text("module_attribute_map")
    starts = {found[1]: found.end() - 1 for found in re.finditer(r'\n  "([^"]+)": \[', text)}
    read = json.JSONDecoder().raw_decode
    wanted = list(modules)
    if missing := [module for module in wanted if module not in starts]:
        raise UnsupportedError(f"has the module {missing[0]}, which the standard's tables lack", field="SOPClassUID")
    return {module: read(text, starts[module])[0] for module in wanted}


def _table(name: str) -> Any:
    return json.loads(_text(name))


def _text(name: str) -> str:
    """One of highdicom's tables, read without importing highdicom (which takes seconds)."""
    spec = find_spec("highdicom")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("highdicom is not installed; it carries the standard's tables: pip install highdicom")
    return (Path(spec.submodule_search_locations[0]) / "_standard" / f"{name}.json").read_text()
