"""Every coded quantity carries the standard's own value and meaning."""

import pytest
from pydicom.sr.codedict import codes

from pellucid.units import QUANTITIES

CODED = [q for q in QUANTITIES.values() if q.code]
STANDARD = {code.value: code.meaning for code in (getattr(codes.DCM, name) for name in codes.DCM.dir())}


@pytest.mark.parametrize("quantity", CODED, ids=lambda q: q.name)
def test_code_means_what_the_standard_says(quantity):
    assert quantity.code.scheme == "DCM"
    assert STANDARD[quantity.code.value] == quantity.code.meaning


def test_unit_codes_are_ucum():
    assert QUANTITIES["ct_number"].unit_code.scheme == "UCUM"
    assert QUANTITIES["ct_number"].unit_code.meaning == "Hounsfield unit"
    assert QUANTITIES["mr_signal"].unit_code.meaning == "no units"


def test_people_read_units_without_the_marks_of_ucum():
    assert QUANTITIES["ct_number"].unit_symbol == "HU"
    assert QUANTITIES["attenuation_coefficient"].unit_symbol == "1/cm"
    assert QUANTITIES["mr_signal"].unit_symbol == ""
    assert QUANTITIES["t1"].unit_symbol == "ms"
    for quantity in QUANTITIES.values():
        assert not set(quantity.unit_symbol) & set("[]{}'"), quantity.name
