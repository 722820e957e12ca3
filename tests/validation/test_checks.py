"""Every registered comparison is met."""

import pytest

from validation import Check, NotAvailableError, all_checks


def _parameters() -> list:
    found = []
    for item in all_checks():
        if item.tested_elsewhere:
            continue
        marks = [pytest.mark.slow] if item.slow else []
        found.append(pytest.param(item, id=item.name, marks=marks))
    return found


@pytest.mark.parametrize("item", _parameters())
def test_comparison_is_met(item: Check):
    try:
        value = item.function()
    except NotAvailableError as reason:
        pytest.skip(str(reason))
    assert item.met(value), f"{item.title}: {value:.6g} not in [{item.low:g}, {item.high:g}]: {item.reason}"
