"""Anatomy: a digital patient that every scanner can scan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pellucid.anatomy.tissue import Tissue
from pellucid.errors import InvalidInputError, UnknownOptionError
from pellucid.image import Image, Provenance
from pellucid.study import StudyContext
from pellucid.units import quantity

_QUANTITIES = {
    "density": "density",
    "attenuation_coefficient": "attenuation_coefficient",
    "t1": "t1",
    "t2": "t2",
    "t2_star": "t2_star",
    "proton_density": "proton_density",
    "susceptibility": "susceptibility",
    "uptake": "suv_body_weight",
}
"""Property → the quantity of its image."""


@dataclass(frozen=True, kw_only=True)
class Fiducial:
    """A marker ball on the skin that every modality sees; `position_lps_mm` is its centre."""

    name: str
    position_lps_mm: tuple[float, float, float]
    radius_mm: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Anatomy:
    """A labelled volume and what its labels are made of: ground truth for every modality, in one frame of reference.

    `labels`: `[slice, row, column]`, the value is an index into `tissues`; 0 is the air outside. `affine` maps the
    index of a voxel's centre to patient LPS millimetres. `motion(time_s)`, where there is one, gives the labels and
    fiducials at a time; the grid stays.
    """

    name: str
    labels: NDArray[np.uint8]
    affine: NDArray[np.float64]
    tissues: tuple[Tissue, ...]
    fiducials: tuple[Fiducial, ...] = ()
    study: StudyContext = field(default_factory=StudyContext)
    motion: Callable[[float], tuple[NDArray[np.uint8], tuple[Fiducial, ...]]] | None = None

    def __post_init__(self) -> None:
        if self.labels.ndim != 3 or self.labels.dtype != np.uint8:
            raise InvalidInputError(
                f"is {self.labels.dtype} {self.labels.shape}; expected uint8 in 3-D", field="labels"
            )
        if self.labels.size and int(self.labels.max()) >= len(self.tissues):
            raise InvalidInputError(
                f"has label {self.labels.max()}, but there are {len(self.tissues)} tissues", field="labels"
            )

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between voxel centres along slice, row and column index."""
        slice_, row, column = (float(v) for v in np.linalg.norm(self.affine[:3, :3], axis=0))
        return slice_, row, column

    def label_of(self, tissue: str) -> int:
        """The label of the tissue of this name; raises `UnknownOptionError` with the list of known ones."""
        names = [item.name for item in self.tissues]
        if tissue not in names:
            raise UnknownOptionError("tissue", tissue, names)
        return names.index(tissue)

    def mask(self, *tissues: str) -> NDArray[np.bool_]:
        """Where any of the named tissues is."""
        return np.isin(self.labels, [self.label_of(name) for name in tissues])

    def volume_ml(self, *tissues: str) -> float:
        """Volume of the named tissues together."""
        voxel_mm3 = abs(float(np.linalg.det(self.affine[:3, :3])))
        return float(np.count_nonzero(self.mask(*tissues))) * voxel_mm3 / 1000

    def at(self, time_s: float) -> Anatomy:
        """The patient at a time; one that does not move is always the same."""
        if self.motion is None:
            return self
        labels, fiducials = self.motion(time_s)
        return replace(self, labels=labels, fiducials=fiducials)

    def values(
        self,
        name: str,
        *,
        field_t: float | None = None,
        energies_kev: ArrayLike | None = None,
        tracer: str | None = None,
    ) -> NDArray[np.float32]:
        """A property of each label, shape (labels,); with `energies_kev`, shape (labels, energies).

        `name`: density [g/cm3], attenuation_coefficient [1/cm] (needs `energies_kev`), t1, t2, t2_star [ms] (need
        `field_t`), proton_density [water = 1], susceptibility [ppm], uptake [SUV, g/ml] (needs `tracer`).
        """
        if name not in _QUANTITIES:
            raise UnknownOptionError("property", name, _QUANTITIES)
        return np.array([_value(tissue, name, field_t, energies_kev, tracer) for tissue in self.tissues], np.float32)

    def property(
        self,
        name: str,
        *,
        field_t: float | None = None,
        energy_kev: float | None = None,
        tracer: str | None = None,
    ) -> Image:
        """A property as an image on the anatomy's grid (names and needs as in `values`)."""
        energies = None if energy_kev is None else [energy_kev]
        values = self.values(name, field_t=field_t, energies_kev=energies, tracer=tracer).reshape(len(self.tissues))
        given = {"field_t": field_t, "energy_kev": energy_kev, "tracer": tracer}
        return Image(
            array=values[self.labels],
            affine=self.affine,
            quantity=quantity(_QUANTITIES[name]),
            study=self.study,
            description=f"{self.name} {name}",
            provenance=Provenance(
                operation="anatomy",
                method=name,
                parameters={key: value for key, value in given.items() if value is not None},
                sources=(self.name,),
            ),
        )


def _value(
    tissue: Tissue, name: str, field_t: float | None, energies_kev: ArrayLike | None, tracer: str | None
) -> float | NDArray[np.float64]:
    if name == "density":
        return tissue.density_g_per_cm3
    if name == "proton_density":
        return tissue.proton_density
    if name == "susceptibility":
        return tissue.susceptibility_ppm
    if name == "attenuation_coefficient":
        if energies_kev is None:
            raise InvalidInputError("is needed for attenuation_coefficient", field="energies_kev")
        return tissue.attenuation_coefficient(energies_kev)
    if name == "uptake":
        if tracer is None:
            raise InvalidInputError("is needed for uptake", field="tracer")
        return tissue.uptake_of(tracer)
    if field_t is None:
        raise InvalidInputError(f"is needed for {name}", field="field_t")
    return tissue.relaxation_ms(name, field_t)
