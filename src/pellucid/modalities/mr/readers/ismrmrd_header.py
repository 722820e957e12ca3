"""The XML header of ISMRMRD files, read leniently: simulated files leave out what the schema asks for."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from pellucid.errors import InvalidInputError


class Header:
    """An element of the header; children are found by their names without namespaces, `a/b/c`."""

    def __init__(self, element: ET.Element) -> None:
        self._element = element

    @classmethod
    def parsed(cls, text: bytes, path: Path) -> Header:
        """The header's root; raises `InvalidInputError` for what is not such a header."""
        if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
            raise InvalidInputError("declares entities; expected a plain header", file=path, field="xml")
        try:
            root = ET.fromstring(text)  # noqa: S314 (no entities: checked above)
        except ET.ParseError as error:
            line, column = error.position
            raise InvalidInputError(
                f"is not XML: it breaks off or breaks the rules at line {line}, column {column + 1}; "
                "expected an ismrmrdHeader",
                file=path,
                field="xml",
            ) from error
        if _name(root) != "ismrmrdHeader":
            raise InvalidInputError(f"begins with {_name(root)!r}; expected ismrmrdHeader", file=path, field="xml")
        return cls(root)

    def all(self, place: str) -> list[Header]:
        """Every element at `place`."""
        found = [self._element]
        for name in place.split("/"):
            found = [child for parent in found for child in parent if _name(child) == name]
        return [Header(element) for element in found]

    def text(self, place: str) -> str:
        """The text of the first element at `place`, "" where there is none."""
        found = self.all(place)
        return (found[0]._element.text or "").strip() if found else ""

    def numbers(self, place: str) -> list[float]:
        """The numbers of all elements at `place`; what is no number is left out."""
        values = []
        for found in self.all(place):
            try:
                values.append(float(found._element.text or ""))
            except ValueError:
                continue
        return values

    def number(self, place: str, default: float = 0.0) -> float:
        """The first number at `place`, or `default`."""
        return next(iter(self.numbers(place)), default)

    def sizes(self, place: str) -> tuple[float, float, float]:
        """The numbers z, y, x of the element at `place`, 0 where absent."""
        z, y, x = (self.number(f"{place}/{axis}") for axis in "zyx")
        return z, y, x


def _name(element: ET.Element) -> str:
    return str(element.tag).rpartition("}")[2]
