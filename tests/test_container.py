"""Acquisitions come back from their file exactly as they went in."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar

import h5py
import numpy as np
import pytest

import pellucid.container as container
from pellucid.acquisition import Acquisition, SignalView, require_finite, require_shape
from pellucid.errors import InvalidInputError
from pellucid.image import Provenance


@dataclass(frozen=True)
class Ring:
    radius_mm: float
    centres_mm: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Signal(Acquisition):
    modality: ClassVar[str] = "none"
    samples: np.ndarray
    weights: np.ndarray | None = None
    ring: Ring = Ring(10.0)
    rings: tuple[Ring, ...] = ()
    note: str | None = None

    def validate(self):
        require_shape(self.samples, (None, 3), "samples", "(views, bins)")
        require_finite(self.samples, "samples")

    def summary(self):
        return {}

    def signal_views(self):
        return [SignalView("x", self.samples.real, "a", "b")]


@pytest.fixture(autouse=True)
def _known(monkeypatch):
    """A modality of this test's own, found under the name of this module."""
    monkeypatch.setattr(container, "known_modalities", lambda: ["mr"])
    monkeypatch.setattr(container, "modality", lambda key: SimpleNamespace(acquisitions=(Signal,)))
    reference = container._reference
    monkeypatch.setattr(
        container,
        "_reference",
        lambda cls: f"pellucid.modalities.mr.test:{cls.__qualname__}" if cls is Signal else reference(cls),
    )


def test_everything_comes_back(tmp_path):
    raw = Signal(
        samples=np.array([[1 + 2j, 3, -4]], np.complex64),
        ring=Ring(12.5, ((1.0, 2.0), (3.0, 4.0))),
        rings=(Ring(1.0), Ring(2.0, ((0.0,),))),
        description="a signal",
        attributes={"KVP": 120.0, "Sequence": [{"CodeValue": "x"}]},
        provenance=Provenance(operation="scan", parents=(Provenance(operation="draw", parameters={"seed": 3}),)),
    )
    path = tmp_path / "a.pellucid.h5"
    container.write(raw, path)
    back = container.read(path)
    assert back.samples.dtype == np.complex64
    assert np.array_equal(back.samples, raw.samples)
    for name in ("ring", "rings", "note", "weights", "description", "attributes", "provenance", "study"):
        assert getattr(back, name) == getattr(raw, name), name
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("keep", [0, 100, 0.5])
def test_a_damaged_file_is_refused_by_name(tmp_path, keep):
    path = tmp_path / "a.pellucid.h5"
    container.write(Signal(samples=np.ones((200, 3))), path)
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data)) if keep < 1 else keep])
    with pytest.raises(InvalidInputError, match=r"a\.pellucid\.h5"):
        container.read(path)


def test_a_newer_version_is_refused(tmp_path):
    path = tmp_path / "a.pellucid.h5"
    container.write(Signal(samples=np.ones((2, 3))), path)
    with h5py.File(path, "r+") as file:
        file.attrs["version"] = 99
    with pytest.raises(InvalidInputError, match="newer"):
        container.read(path)


@pytest.mark.parametrize("foreign", ["os:system", "pellucid.verbs:save", "pellucid.server.run:serve", "nonsense"])
@pytest.mark.parametrize("where", ["acquisition", "acquisition/ring"])
def test_a_foreign_class_is_not_loaded(foreign, where, tmp_path):
    path = tmp_path / "a.pellucid.h5"
    container.write(Signal(samples=np.ones((2, 3))), path)
    with h5py.File(path, "r+") as file:
        file[where].attrs["class"] = foreign
    with pytest.raises(InvalidInputError, match=r"a\.pellucid\.h5: class: is"):
        container.read(path)


def test_a_claimed_size_is_not_believed(tmp_path):
    path = tmp_path / "a.pellucid.h5"
    container.write(Signal(samples=np.ones((2, 3))), path)
    with h5py.File(path, "r+") as file:
        del file["acquisition/samples"]
        file["acquisition"].create_dataset("samples", (10**6, 10**6), np.float32)
    with pytest.raises(InvalidInputError, match="claims 4000000000000 bytes"):
        container.read(path)


def test_shape_and_finiteness_are_checked():
    with pytest.raises(InvalidInputError, match="Reversed axes"):
        Signal(samples=np.zeros((3, 4)))
    with pytest.raises(InvalidInputError, match=r"1 values that are not finite, the first at index \(1, 2\)"):
        Signal(samples=np.array([[0, 0, 0], [0, 0, np.nan]]))


def test_a_file_whose_contents_contradict_each_other_is_named(tmp_path):
    path = tmp_path / "a.pellucid.h5"
    container.write(Signal(samples=np.ones((2, 3))), path)
    with h5py.File(path, "r+") as file:
        file["acquisition/samples"][0, 0] = np.nan
    with pytest.raises(InvalidInputError, match=r"a\.pellucid\.h5: samples: holds 1 values"):
        container.read(path)


def test_what_lies_in_another_file_is_not_read(tmp_path):
    path = tmp_path / "a.pellucid.h5"
    container.write(Signal(samples=np.ones((2, 3))), path)
    (tmp_path / "secret").write_bytes(bytes(48))
    with h5py.File(path, "r+") as file:
        del file["acquisition/samples"]
        file["acquisition"].create_dataset("samples", (2, 3), "f8", external=[(str(tmp_path / "secret"), 0, 48)])
    with pytest.raises(InvalidInputError, match=r"acquisition/samples: is stored in another file"):
        container.read(path)
