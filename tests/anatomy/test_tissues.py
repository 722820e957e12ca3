"""The tissue table is whole, sourced and physically consistent; attenuation agrees with published values."""

import csv
from importlib.resources import files

import numpy as np
import pytest

from pellucid import anatomy
from pellucid.errors import InvalidInputError, UnknownOptionError

PROPERTIES = {
    "density": {""},
    "t1": {"1.5", "3"},
    "t2": {"1.5", "3"},
    "t2_star": {"1.5", "3"},
    "proton_density": {""},
    "susceptibility": {""},
    "uptake": {"fdg"},
}
NAMES = sorted(anatomy.all_tissues())


def rows(name: str) -> list[dict[str, str]]:
    text = files("pellucid.anatomy").joinpath("data", name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@pytest.mark.parametrize("name", NAMES)
def test_a_tissue_has_every_property_with_its_source(name):
    mine = [row for row in rows("tissues.csv") if row["tissue"] == name]
    for key, conditions in PROPERTIES.items():
        assert {row["condition"] for row in mine if row["property"] == key} == conditions
    known = {row["key"] for row in rows("sources.csv")}
    for row in mine:
        assert row["source"] in known
        assert row["unit"]
        assert row["note"] or row["source"] not in ("assumed", "derived")
    assert len({(row["property"], row["condition"]) for row in mine}) == len(mine)
    assert anatomy.tissue(name).sources["density"]


def test_no_source_is_unused():
    assert {row["key"] for row in rows("sources.csv")} == {row["source"] for row in rows("tissues.csv")}


@pytest.mark.parametrize("name", NAMES)
def test_a_tissue_is_physically_possible(name):
    tissue = anatomy.tissue(name)
    # Published fractions are rounded so that they add up; NIST's six digits may miss by one in the last.
    assert sum(tissue.composition.values()) == pytest.approx(1, abs=2e-6)
    assert 0 <= tissue.proton_density <= 1
    assert -12 < tissue.susceptibility_ppm < 25
    assert all(value >= 0 for value in tissue.uptake.values())
    for field in (1.5, 3.0):
        assert 0 < tissue.t2_star_ms[field] <= tissue.t2_ms[field] <= tissue.t1_ms[field]


def test_relaxation_is_exact_at_the_table_and_between_it_beside():
    grey = anatomy.tissue("grey_matter")
    assert grey.relaxation_ms("t1", 1.5) == pytest.approx(1124)
    assert grey.relaxation_ms("t1", 3.0) == pytest.approx(1820)
    assert 1124 < grey.relaxation_ms("t1", 2.0) < 1820
    assert grey.relaxation_ms("t2_star", 2.89) == pytest.approx(66, rel=0.02)


@pytest.mark.parametrize("field", [0.0, 0.5, 7.0, float("nan")])
def test_a_field_without_values_is_refused(field):
    with pytest.raises(InvalidInputError, match=r"field_t: is .* 1\.0 to 3\.5 T"):
        anatomy.tissue("liver").relaxation_ms("t1", field)


@pytest.mark.parametrize("energies", [[0.0], [60.0, np.nan], [5000.0], [[60.0]]])
def test_energies_without_values_are_refused(energies):
    with pytest.raises(InvalidInputError, match="energies_kev"):
        anatomy.tissue("liver").attenuation_coefficient(energies)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(UnknownOptionError, match="did you mean 'grey_matter'"):
        anatomy.tissue("gray_matter")
    with pytest.raises(UnknownOptionError, match="fdg"):
        anatomy.tissue("liver").uptake_of("psma")


def test_attenuation_of_a_mixture_is_the_sum_over_its_elements():
    water = anatomy.tissue("water")
    energies = [30.0, 60.0, 511.0]
    parts = [w * anatomy.mass_attenuation({z: 1.0}, energies) for z, w in water.composition.items()]
    np.testing.assert_allclose(water.attenuation_coefficient(energies), water.density_g_per_cm3 * sum(parts))
    assert water.attenuation_coefficient(60).shape == (1,)


def test_materials_line_up_as_on_a_scanner():
    water = anatomy.tissue("water").attenuation_coefficient(70)
    order = ["air", "pmp", "ldpe", "polystyrene", "water", "pmma", "delrin", "teflon", "cortical_bone", "aluminium"]
    values = [float(anatomy.tissue(name).attenuation_coefficient(70)[0] / water[0]) for name in order]
    assert values == sorted(values)
