"""Quantities: what an image's numbers measure, with a UCUM unit and a DICOM coded concept."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.errors import UnknownOptionError


@dataclass(frozen=True)
class Code:
    """A coded concept (DICOM PS3.3 section 8): value, coding scheme designator, meaning."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True)
class Quantity:
    """What numbers measure.

    `name` is the key in `QUANTITIES`; `unit` is the unit as UCUM writes it; `code` names the quantity and
    `unit_code` the unit in DICOM's coding schemes.
    """

    name: str
    unit: str
    meaning: str
    code: Code | None = None

    @property
    def unit_code(self) -> Code:
        """The unit as a UCUM coded concept (DICOM PS3.16 CID 82)."""
        return Code(self.unit, "UCUM", _UNIT_MEANINGS.get(self.unit, unit_symbol(self.unit)))

    @property
    def unit_symbol(self) -> str:
        """The unit as people write it; empty where there is none."""
        return unit_symbol(self.unit)


_UNIT_MEANINGS = {"1": "no units", "[hnsf'U]": "Hounsfield unit"}
_SYMBOLS = {
    "1": "",
    "[hnsf'U]": "HU",
    "[ppm]": "ppm",
    "{counts}": "counts",
    "cm-1": "1/cm",
    "g/ml{SUVbw}": "SUV g/ml",
}


def unit_symbol(unit: str) -> str:
    """A UCUM unit as people write it; empty for the unit 1."""
    return _SYMBOLS.get(unit, unit)


def _quantity(name: str, unit: str, meaning: str, code: tuple[str, str] | None = None) -> tuple[str, Quantity]:
    return name, Quantity(name, unit, meaning, Code(code[0], "DCM", code[1]) if code else None)


# Codes with their meanings as in DICOM PS3.16 annex D; where the standard has no code for a quantity, none is given.
QUANTITIES: dict[str, Quantity] = dict(
    [
        _quantity("ct_number", "[hnsf'U]", "CT number", ("112031", "Attenuation Coefficient")),
        _quantity(
            "attenuation_coefficient", "cm-1", "Attenuation coefficient", ("110851", "X-Ray Attenuation Coefficient")
        ),
        _quantity("line_integral", "1", "Line integral of attenuation"),
        _quantity("activity_concentration", "Bq/ml", "Activity concentration"),
        _quantity("suv_body_weight", "g/ml{SUVbw}", "Standardized uptake value, body weight", ("126401", "SUVbw")),
        _quantity("mr_signal", "1", "MR signal intensity, arbitrary units"),
        _quantity("t1", "ms", "T1", ("113063", "T1")),
        _quantity("t2", "ms", "T2", ("113065", "T2")),
        _quantity("t2_star", "ms", "T2*", ("113064", "T2*")),
        _quantity("proton_density", "1", "Proton density relative to water", ("113058", "Proton Density")),
        _quantity("susceptibility", "[ppm]", "Magnetic susceptibility"),
        _quantity("magnetic_field", "T", "Magnetic flux density"),
        _quantity("density", "g/cm3", "Mass density"),
        _quantity("counts", "{counts}", "Counts"),
        _quantity("label", "1", "Tissue label"),
        _quantity("fraction", "1", "Fraction"),
        _quantity("arbitrary", "1", "Arbitrary units"),
    ]
)


def quantity(name: str) -> Quantity:
    """The quantity called `name`; raises `UnknownOptionError` with the list of known ones."""
    if name not in QUANTITIES:
        raise UnknownOptionError("quantity", name, QUANTITIES)
    return QUANTITIES[name]
