"""Where the position in the patient is assumed, the viewer names no side, says so, and fuses with nothing."""

import time
from dataclasses import replace

import numpy as np

import pellucid
from pellucid.dicom import write_series
from pellucid.modalities.mr.writers import write_cfl

from .signals import kspace

SIDES = set("LRAPSIHF")
WHY = "do not say how the subject lay in the scanner"


def test_a_raw_file_without_geometry_shows_no_sides(viewer, tmp_path) -> None:
    """A BART pair: no letters in any plane, the notice with its explanation, and the raw data panel says it too."""
    raw = kspace("unused", slices=6, size=48)
    write_cfl(raw, tmp_path / "lonely")
    viewer.open("/")
    viewer.add(tmp_path / "lonely.cfl", tmp_path / "lonely.hdr")
    viewer.open(f"/study/{_study_of(viewer, 'lonely (voxels taken as 1 mm)')}")
    viewer.drawn()
    assert viewer.text("series").endswith("(position assumed)")
    _names_no_side(viewer, "acquired", "xy z")
    viewer.page.click("button:text-is('Three planes')")
    for plane, axes in (("axial", "xy z"), ("coronal", "xz y"), ("sagittal", "yz x")):
        viewer.drawn(plane)
        _names_no_side(viewer, plane, axes)
        label = viewer.page.get_attribute(f".viewport[data-plane={plane}]", "aria-label")
        assert label.startswith(f"{axes.split()[0]}: ")
    viewer.page.click("button:text-is('Raw data')")
    viewer.page.wait_for_selector(".summary")
    summary = viewer.page.inner_text(".summary")
    assert "Position" in summary
    assert WHY in summary


def _study_of(viewer, description: str) -> str:
    """The study that a signal was stored in, once it is."""
    end = time.monotonic() + 90
    while time.monotonic() < end:
        listed = viewer.page.request.get(f"{viewer.address}/api/acquisitions").json()["acquisitions"]
        for found in listed:
            if found["description"] == description and found["series_instance_uids"]:
                return found["study_instance_uid"]
        time.sleep(0.3)
    raise TimeoutError(description)


def _names_no_side(viewer, plane: str, position: str) -> None:
    assert viewer.letters(plane) == {}
    note = viewer.page.locator(f".viewport[data-plane={plane}] [data-text=assumed]")
    assert note.inner_text() == "position assumed"
    assert WHY in note.get_attribute("title")
    assert viewer.text("position", plane).startswith(position)
    height, width = viewer.picture(plane).shape[:2]
    viewer.hover(plane, width / 2, height / 2)
    probe = viewer.text("probe", plane).splitlines()[-1]
    assert not SIDES & set(probe), probe
    assert probe.startswith("x ")


def test_an_assumed_position_is_not_laid_over_a_known_one(viewer, tmp_path) -> None:
    """Two series of one study, the same frame of reference in the files: fusion is not offered, and says why."""
    name = "Known and assumed"
    known = pellucid.reconstruct(kspace(name, slices=6, size=48))
    study = replace(known.study, position_assumed=True, patient_position="")
    assumed = replace(known, study=study, array=np.flip(known.array, 1).copy(), description="Somewhere")
    files = write_series(replace(known, description="Somewhere known"), tmp_path, series_number=1)
    files += write_series(assumed, tmp_path, series_number=2)
    viewer.open("/")
    viewer.add(*files)
    viewer.read_study(name)
    viewer.page.wait_for_selector("[data-text=no-fusion]")
    assert viewer.letters("acquired") == {"left": "R", "right": "L", "top": "A", "bottom": "P"}
    assert viewer.page.query_selector(".viewport [data-text=assumed]") is None
    assert viewer.page.query_selector("select[name=overlay]") is None
    assert "position is assumed" in viewer.page.get_attribute("[data-text=no-fusion]", "title")


def test_two_pictures_of_one_signal_may_be_fused(viewer, tmp_path) -> None:
    """Places within one assumed frame of reference can be compared; the notice stays."""
    name = "Twice assumed"
    raw = kspace(name, slices=6, size=48)
    raw = replace(raw, study=raw.study.with_assumed_position())
    image = pellucid.reconstruct(raw)
    files = write_series(image, tmp_path, series_number=1) + write_series(image, tmp_path, series_number=2)
    viewer.open("/")
    viewer.add(*files)
    viewer.read_study(name)
    viewer.page.wait_for_selector("select[name=overlay]")
    assert viewer.page.query_selector("[data-text=no-fusion]") is None
    viewer.page.select_option("select[name=overlay]", index=1)
    viewer.settled()
    assert viewer.letters("acquired") == {}
    assert viewer.text("assumed") == "position assumed"
