"""The documentation's table of resources is the service's own."""

from pathlib import Path

from pellucid.dicomweb.conformance import BEGIN, END, conformance_table

PAGE = Path(__file__).parents[2] / "docs" / "dicomweb.md"


def test_the_table_in_the_guide_is_made_from_the_routes():
    stands = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].strip()
    assert stands == conformance_table(), f"put this between the marks of {PAGE.name}:\n{conformance_table()}"
