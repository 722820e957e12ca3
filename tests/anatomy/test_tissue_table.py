"""The tissue table's figures against what others publish: ICRU 44, NIST, CT numbers, water contents, relaxivity."""

import csv
import json
from importlib.resources import files

import numpy as np
import pytest

from pellucid import anatomy

ELEMENTS = {
    "H": 1, "C": 6, "N": 7, "O": 8, "F": 9, "Na": 11, "Mg": 12, "P": 15, "S": 16, "Cl": 17, "Ar": 18, "K": 19,
    "Ca": 20, "Fe": 26,
}  # fmt: skip

SPEKPY_MATERIALS = {
    "skin": "Skin (ICRU)",
    "adipose": "Adipose Tissue (ICRU)",
    "muscle": "Muscle Skeletal (ICRU)",
    "cortical_bone": "Bone, Cortical (ICRU)",
    "spongiosa": "Skeletal Spongiosa (ICRU)",
    "eye_lens": "Eye Lens (ICRU)",
    "lung": "Lung Inflated (ICRU)",
    "blood": "Blood, Whole (ICRU)",
    "liver": "Liver (ICRU)",
    "kidney": "Kidney (ICRU)",
    "spleen": "Spleen (ICRU)",
}

# NIST (10.18434/T4D01F), table 4: mass attenuation with coherent scattering [cm2/g] at 60, 100, 500 and 600 keV, and
# table 2's density [g/cm3]. Lung is inflated here, 0.26 g/cm3 of ICRU 44. Brain: table 3's elements in ICRU 44's brain.
NIST_KEV = (60.0, 100.0, 500.0, 600.0)
NIST = {
    "water": (0.998, (0.2059, 0.1707, 0.09687, 0.08956)),
    "cortical_bone": (1.92, (0.3148, 0.1855, 0.09022, 0.08332)),
    "adipose": (0.95, (0.1974, 0.1688, 0.09696, 0.08965)),
    "muscle": (1.05, (0.2048, 0.1693, 0.09598, 0.08874)),
    "lung": (0.26, (0.2053, 0.1695, 0.09607, 0.08882)),
    "brain": (1.04, (0.20576, 0.17003, 0.09641, 0.08913)),
}

# CT numbers usual in patients (radclass.mudr.org, Hounsfield units; it names Buzug 2008, page 475, and Prokop 2003).
CT_NUMBERS = {
    "air": (-1000, -1000),
    "adipose": (-100, -50),
    "white_matter": (20, 30),
    "grey_matter": (37, 45),
    "kidney": (20, 40),
    "spleen": (35, 55),
    "blood": (45, 65),
    "liver": (45, 65),
    "cortical_bone": (700, 3000),
}

# Concentrations of the system phantom's solutions [mmol/l], as NIST's PhantomViewer has them.
CONCENTRATIONS = {
    "nickel_chloride": (
        0.299, 0.623, 1.072, 1.72, 2.617, 3.912, 5.731, 8.297, 11.936, 17.07, 24.326, 34.59, 49.122, 69.68,
    ),
    "manganese_chloride": (
        0.013, 0.021, 0.031, 0.047, 0.069, 0.101, 0.145, 0.207, 0.296, 0.421, 0.599, 0.849, 1.203, 1.704,
    ),
}  # fmt: skip


def rows(name: str) -> list[dict[str, str]]:
    text = files("pellucid.anatomy").joinpath("data", name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@pytest.mark.parametrize("name", SPEKPY_MATERIALS)
def test_icru_44_tissues_are_those_of_spekpy(name):
    path = files("spekpy").joinpath("data", "matl_def", SPEKPY_MATERIALS[name] + ".comp")
    theirs = json.loads(path.read_text(encoding="utf-8"))["composition"]
    ours = anatomy.tissue(name)
    assert {ELEMENTS[z]: w for z, w in ours.composition.items()} == dict(theirs["elements"])
    assert ours.density_g_per_cm3 == pytest.approx(theirs["density"], rel=1e-6)  # theirs is single precision


def test_grey_and_white_matter_average_to_the_brain_of_icru_44():
    path = files("spekpy").joinpath("data", "matl_def", "Brain, Grey and White Matter (ICRU).comp")
    brain = dict(json.loads(path.read_text(encoding="utf-8"))["composition"]["elements"])
    parts = [anatomy.tissue(name).composition for name in ("grey_matter", "white_matter")]
    for element, z in ELEMENTS.items():
        mean = sum(part.get(element, 0.0) for part in parts) / 2
        # Three tables rounded to 0.1 %; oxygen takes up what the others lose.
        assert mean == pytest.approx(brain.get(z, 0.0), abs=0.0021 if element == "O" else 0.00101)


@pytest.mark.parametrize("name", NIST)
@pytest.mark.parametrize("energy", [60.0, 100.0, 511.0])
def test_linear_attenuation_is_that_of_nist(name, energy):
    density, published = NIST[name]
    expected = density * np.exp(np.interp(np.log(energy), np.log(NIST_KEV), np.log(published)))
    parts = ("grey_matter", "white_matter") if name == "brain" else (name,)
    found = np.mean([anatomy.tissue(part).attenuation_coefficient(energy)[0] for part in parts])
    # Four printed digits (0.05 %), and 0.02 % between the Elam and XCOM tables; a log-log line is exact to 0.01 %.
    assert found == pytest.approx(expected, rel=8e-4)


@pytest.mark.parametrize("name", CT_NUMBERS)
def test_ct_numbers_are_those_of_patients(name):
    low, high = CT_NUMBERS[name]
    water = anatomy.mass_attenuation(anatomy.tissue("water").composition, 70)[0] * 0.9982
    number = 1000 * (anatomy.tissue(name).attenuation_coefficient(70)[0] / water - 1)
    # A density printed to 0.01 g/cm3 is 5 HU, one energy in place of a spectrum another 5.
    assert low - 10 <= number <= high + 10


def test_lung_lies_between_deep_breath_in_and_out():
    water, lung = (anatomy.tissue(name).attenuation_coefficient(70)[0] for name in ("water", "lung"))
    assert -910 < 1000 * (lung / water - 1) < -550


@pytest.mark.parametrize("salt", CONCENTRATIONS)
@pytest.mark.parametrize("times", ["t1_ms", "t2_ms"])
@pytest.mark.parametrize("field", [1.5, 3.0])
def test_solutions_of_the_system_phantom_relax_by_their_concentration(salt, times, field):
    """1/T = 1/T(water) + r c: every solution against the straight line through all, by relative error."""
    rates = 1e3 / np.array([getattr(anatomy.tissue(f"{salt}_{n}"), times)[field] for n in range(1, 15)])
    design = np.stack([np.ones(14), CONCENTRATIONS[salt]], axis=1) / rates[:, None]
    line = np.linalg.lstsq(design, np.ones(14), rcond=None)[0]
    # NIST's own measurements scatter by 4 % (NiCl2) and 11 % (MnCl2 at 1.5 T) about the line.
    assert np.abs(design @ line - 1).max() < (0.04 if salt == "nickel_chloride" else 0.12)
    if times == "t1_ms":
        assert 1 / line[0] == pytest.approx(anatomy.tissue("water").t1_ms[field] / 1e3, rel=0.06)


def test_proton_density_is_the_water_per_volume_of_woodard_and_white():
    table_1 = {
        "muscle": 74.1, "cortical_bone": 12.2, "blood": 79.0, "myocardium": 75.9, "liver": 74.5, "kidney": 76.6,
        "spleen": 78.7,
    }  # fmt: skip
    for name, percent in table_1.items():
        tissue = anatomy.tissue(name)
        assert tissue.proton_density == pytest.approx(percent / 100 * tissue.density_g_per_cm3, abs=5.1e-4)


def test_mr_visible_protons_are_no_more_than_hydrogen():
    for tissue in anatomy.all_tissues().values():
        if tissue.proton_density > 0:
            hydrogen = tissue.density_g_per_cm3 * tissue.composition["H"] / 0.111894
            assert tissue.proton_density <= hydrogen * 1.003  # solutions: water at 20 degC is their reference


def test_every_reference_says_where_its_figures_were_seen():
    assert all(row["reference"] and row["seen"] for row in rows("sources.csv"))
    for row in rows("tissues.csv"):
        if row["source"] == "assumed":
            assert row["note"], row


def test_t2_star_by_derivation_is_that_of_its_formula():
    grey = anatomy.tissue("grey_matter")
    derived = [row for row in rows("tissues.csv") if "R2' of grey matter" in row["note"]]
    assert derived
    for row in derived:
        field = float(row["condition"])
        extra = 1 / grey.t2_star_ms[field] - 1 / grey.t2_ms[field]
        expected = 1 / (1 / anatomy.tissue(row["tissue"]).t2_ms[field] + extra)
        assert float(row["value"]) == pytest.approx(expected, abs=0.051)
