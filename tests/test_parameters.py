"""Parameters read from annotations, and the checks on their values."""

import inspect
from dataclasses import dataclass
from typing import Annotated, Literal

import pytest

from pellucid.errors import InvalidInputError, UnknownOptionError
from pellucid.parameters import About, changed, checked, flat, parameters_of
from pellucid.progress import Progress, no_progress


def method(
    raw: object,
    *,
    progress: Progress = no_progress,
    iterations: Annotated[int, About("Iterations", minimum=1, maximum=500)] = 10,
    width: Annotated[float, About("Full width", unit="mm", minimum=0)] = 2.5,
    window: Annotated[Literal["hann", "cosine"], About("Window")] = "hann",
    positive: Annotated[bool, About("Keep positive")] = True,
    size: Annotated[int | None, About("Matrix size", minimum=2)] = None,
) -> None: ...


KNOWN = parameters_of(method)


def test_every_parameter_is_found_with_its_kind():
    assert [(p.name, p.kind, p.default, p.optional) for p in KNOWN] == [
        ("iterations", "integer", 10, False),
        ("width", "number", 2.5, False),
        ("window", "string", "hann", False),
        ("positive", "boolean", True, False),
        ("size", "integer", None, True),
    ]
    assert KNOWN[2].choices == ("hann", "cosine")


def test_text_from_the_command_line_is_converted():
    given = {"iterations": "20", "width": "1e1", "window": "cosine", "positive": "no", "size": "none"}
    assert checked(KNOWN, given, "method") == {
        "iterations": 20,
        "width": 10.0,
        "window": "cosine",
        "positive": False,
        "size": None,
    }


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("iterations", 0, "iterations: is 0; expected an integer >= 1 and <= 500"),
        ("iterations", 501, ">= 1 and <= 500"),
        ("iterations", 2.5, "integer"),
        ("iterations", True, "integer"),
        ("iterations", "many", "'many'"),
        ("iterations", None, "is missing"),
        ("width", float("nan"), "nan"),
        ("width", "inf", "expected a number >= 0"),
        ("width", -1, r"\[mm\]"),
        ("window", "han", "did you mean 'hann'"),
        ("window", 3, "one of hann, cosine"),
        ("positive", "maybe", "true or false"),
        ("size", 1, ">= 2"),
    ],
)
def test_unusable_values_are_refused(name, value, words):
    with pytest.raises(InvalidInputError, match=words):
        checked(KNOWN, {name: value}, "method")


def test_unknown_names_list_the_known_ones():
    with pytest.raises(UnknownOptionError, match=r"did you mean 'iterations'.*positive, size, width, window"):
        checked(KNOWN, {"iteration": 3}, "method")


def test_a_parameter_without_meaning_is_a_programming_error():
    def bad(*, iterations: int = 3) -> None: ...

    with pytest.raises(TypeError, match="Annotated"):
        parameters_of(bad)


@dataclass(frozen=True)
class Settings:
    tube_voltage_kv: Annotated[float, About("Voltage", unit="kV", minimum=40, maximum=150)] = 120.0
    hidden: int = 3


def test_settings_change_only_where_annotated():
    assert changed(Settings(), {"tube_voltage_kv": "80"}, "head").tube_voltage_kv == 80.0
    with pytest.raises(InvalidInputError, match="<= 150"):
        changed(Settings(), {"tube_voltage_kv": 200}, "head")
    with pytest.raises(UnknownOptionError, match="known: tube_voltage_kv"):
        changed(Settings(), {"hidden": 4}, "head")


@dataclass(frozen=True, kw_only=True)
class Shared:
    matrix: Annotated[int, About("Matrix", minimum=2)] = 256
    width: Annotated[float | None, About("Width", unit="mm")] = None


@flat
def shared(
    raw: str,
    *,
    progress: Progress = no_progress,
    gain: Annotated[float, About("Gain")] = 2.0,
    image: Shared = Shared(matrix=64),
) -> tuple[str, float, Shared]:
    """One that shares."""
    progress(1.0)
    return raw, gain, image


def test_fields_of_a_shared_dataclass_are_parameters_of_their_own():
    assert [(p.name, p.kind, p.default, p.about.unit) for p in parameters_of(shared)] == [
        ("gain", "number", 2.0, "1"),
        ("matrix", "integer", 64, "1"),
        ("width", "number", None, "mm"),
    ]
    assert list(inspect.signature(shared).parameters) == ["raw", "progress", "gain", "matrix", "width"]
    assert (shared.__name__, shared.__doc__) == ("shared", "One that shares.")
    assert shared("raw") == ("raw", 2.0, Shared(matrix=64))
    assert shared("raw", width=3.5, gain=1.0) == ("raw", 1.0, Shared(matrix=64, width=3.5))


@pytest.mark.parametrize("wrong", [{"image": Shared()}, {"matirx": 3}])
def test_a_flat_function_refuses_what_it_does_not_know(wrong):
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        shared("raw", **wrong)
