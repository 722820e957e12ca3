"""An index of very many studies, made without their objects: what searching costs does not depend on these."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from benchmarks.instances import ROOT, files
from pellucid.archive import Archive
from pellucid.archive.inserting import insert_new
from pellucid.archive.metadata import Parsed, parse

STUDIES = 100_000
_AT_ONCE = 1000


def fill(folder: Path, studies: int = STUDIES) -> None:
    """An archive whose index holds studies of one instance each, with names and texts drawn at random."""
    template = parse(files()[0], inflated_limit=0)
    chance = np.random.default_rng(1)
    with Archive(folder) as archive:
        for first in range(0, studies, _AT_ONCE):
            drawn = [_study(template, number, chance) for number in range(first, min(first + _AT_ONCE, studies))]
            with archive.writing() as session:
                insert_new(session.connection(), drawn, lambda _one, _other: True)


def _study(template: Parsed, number: int, chance: np.random.Generator) -> Parsed:
    def word(length: int) -> str:
        return chance.integers(ord("a"), ord("z") + 1, length, dtype=np.uint8).tobytes().decode()

    day = f"20{chance.integers(10, 26)}{chance.integers(1, 13):02}{chance.integers(1, 29):02}"
    of_study = {
        "patient_id": f"P{number}",
        "patient_name_folded": f"{word(6)}^{word(5)}",
        "referring_physician_name_folded": f"{word(7)}^{word(4)}",
        "study_date": day,
        "study_description": f"{word(5)} {word(7)}",
        "accession_number": f"A{number}",
    }
    study = f"{ROOT}.7.{number}"
    return dataclasses.replace(
        template,
        study_instance_uid=study,
        series_instance_uid=f"{study}.1",
        sop_instance_uid=f"{study}.1.1",
        study={**template.study, **of_study},
        instance={**template.instance, "object_sha256": f"{number:064x}", "object_size": 1},
    )
