"""Parameters as data: read once from annotations, used by Python, command line, HTTP and viewer alike."""

from __future__ import annotations

import functools
import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from typing import Any, Literal, TypeVar

from pellucid.errors import InvalidInputError, UnknownOptionError

D = TypeVar("D")
Refuses = Callable[[Any, Mapping[str, Any]], str]
R = TypeVar("R")
_KINDS: dict[type, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}


@dataclass(frozen=True)
class When:
    """A mode: the parameter called `name` has one of `values`."""

    name: str
    values: tuple[Any, ...]

    def __str__(self) -> str:
        return f"{self.name}={' or '.join(_word(value) for value in self.values)}"


def _refuses_nothing(_raw: Any, _values: Mapping[str, Any]) -> str:
    return ""


@dataclass(frozen=True)
class About:
    """What an annotation says of a parameter: `Annotated[float, About("Noise", unit="ms", minimum=0)]`.

    `step` is a sensible slider step; `maximum` is the largest value that makes sense, refused beyond. `applies`: the
    modes, all needed, in which the parameter counts; given in another one it is refused unless it is `otherwise`, what
    the parameter amounts to there (by default no value but none).

    `refuses(raw, values)`, of a method's parameter: why its value, beside the method's other ones, does nothing on a
    signal, and what is expected ("it has one coil; expected …"); "" where it counts. The default is not asked.
    """

    description: str
    unit: str = "1"
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    applies: tuple[When, ...] = ()
    otherwise: Any = None
    refuses: Refuses = _refuses_nothing


@dataclass(frozen=True)
class Parameter:
    """One named parameter: kind, default, allowed values and meaning."""

    name: str
    kind: str
    default: Any
    about: About
    choices: tuple[str, ...] = ()
    optional: bool = False

    def check(self, value: Any) -> Any:
        """`value` converted to the parameter's kind; raises `InvalidInputError` where it cannot be used."""
        if value is None or (self.optional and value == "none"):
            if self.optional:
                return None
            raise InvalidInputError("is missing; expected " + self.expected(), field=self.name)
        if self.kind == "string":
            return self._checked_choice(value)
        if self.kind == "boolean":
            return self._checked_boolean(value)
        return self._checked_number(value)

    def expected(self) -> str:
        """What a value must be, in words."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.kind == "boolean":
            return "true or false"
        low, high = self.about.minimum, self.about.maximum
        limits = [f">= {low:g}" if low is not None else "", f"<= {high:g}" if high is not None else ""]
        article = "an" if self.kind == "integer" else "a"
        words = f"{article} {self.kind} " + " and ".join(part for part in limits if part)
        return words.strip() + (f" [{self.about.unit}]" if self.about.unit != "1" else "")

    def require_effect(self, value: Any, settings: Any) -> None:
        """Raise where the mode that `settings` (a dataclass) have ignores `value`."""
        others = [mode for mode in self.about.applies if getattr(settings, mode.name) not in mode.values]
        if others and value != self.about.otherwise:
            here = " and ".join(f"{mode.name}={_word(getattr(settings, mode.name))}" for mode in others)
            raise InvalidInputError(
                f"is {_word(value)}, which does nothing with {here}; it applies to {self._modes()}", field=self.name
            )

    def require_use(self, raw: Any, values: Mapping[str, Any]) -> None:
        """Raise where this one of all `values` of a method, if it is not the default, does nothing on `raw`."""
        value = values[self.name]
        reason = "" if value == self.default else self.about.refuses(raw, values)
        if reason:
            raise InvalidInputError(f"is {_word(value)}, but {reason}", field=self.name)

    def has_use(self, raw: Any, values: Mapping[str, Any]) -> bool:
        """Whether any value but the default counts on `raw`, beside a method's `values`; for numbers, either limit."""
        limits = [limit for limit in (self.about.minimum, self.about.maximum) if limit is not None]
        known: Sequence[Any] = self.choices or ((True, False) if self.kind == "boolean" else limits)
        others = [value for value in known if value != self.default]
        return not others or any(not self.about.refuses(raw, {**values, self.name: value}) for value in others)

    def _modes(self) -> str:
        return " and ".join(str(mode) for mode in self.about.applies)

    def _described(self) -> str:
        return self.about.description + (f"; only with {self._modes()}" if self.about.applies else "")

    def _checked_choice(self, value: Any) -> str:
        if not isinstance(value, str):
            raise InvalidInputError(f"is {value!r}; expected {self.expected()}", field=self.name)
        if self.choices and value not in self.choices:
            raise UnknownOptionError(f"value of {self.name}", value, self.choices)
        return value

    def _checked_boolean(self, value: Any) -> bool:
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        result = value if isinstance(value, bool) else words.get(str(value).lower())
        if result is None:
            raise InvalidInputError(f"is {value!r}; expected {self.expected()}", field=self.name)
        return result

    def _checked_number(self, value: Any) -> int | float:
        problem = InvalidInputError(f"is {value!r}; expected {self.expected()}", field=self.name)
        if isinstance(value, bool):
            raise problem
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise problem from None
        low, high = self.about.minimum, self.about.maximum
        if not math.isfinite(number) or (low is not None and number < low) or (high is not None and number > high):
            raise problem
        if self.kind == "integer":
            if number != int(number):
                raise problem
            return int(number)
        return number

    def to_json(self) -> dict[str, Any]:
        """The parameter for a web page."""
        return {
            "name": self.name,
            "kind": self.kind,
            "default": self.default,
            "choices": list(self.choices),
            "optional": self.optional,
            "description": self._described(),
            "unit": self.about.unit,
            "minimum": self.about.minimum,
            "maximum": self.about.maximum,
            "step": self.about.step,
        }


def parameters_of(function: Callable[..., Any]) -> tuple[Parameter, ...]:
    """The annotated keyword-only parameters of `function`, except `progress`."""
    hints = typing.get_type_hints(function, include_extras=True)
    signature = inspect.signature(function)
    found = [p for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY and p.name != "progress"]
    return tuple(_parameter(p.name, hints[p.name], p.default) for p in found)


def fields_of(cls: type) -> tuple[Parameter, ...]:
    """The annotated fields (those with `About`) of a dataclass."""
    if not is_dataclass(cls):
        raise TypeError(f"{cls.__name__} is not a dataclass")
    hints = typing.get_type_hints(cls, include_extras=True)
    annotated = [f for f in fields(cls) if typing.get_origin(hints[f.name]) is typing.Annotated]
    return tuple(_parameter(f.name, hints[f.name], None if f.default is MISSING else f.default) for f in annotated)


def flat(function: Callable[..., R]) -> Callable[..., R]:
    """`function` with the fields of its dataclass parameters as keyword parameters of its own.

    A parameter `shared: Shared = Shared(...)` gives way to the annotated fields of `Shared`, that instance's values
    being their defaults: what several functions take alike is written once. Raises `TypeError` for unknown names.
    """
    signature = inspect.signature(function)
    groups: dict[str, Any] = {p.name: p.default for p in signature.parameters.values() if is_dataclass(p.default)}
    hints = typing.get_type_hints(function, include_extras=True)
    own = [p.replace(annotation=hints[p.name]) for p in signature.parameters.values() if p.name not in groups]
    members: dict[str, list[inspect.Parameter]] = {}
    for name, group in groups.items():
        kinds = typing.get_type_hints(type(group), include_extras=True)
        members[name] = [
            inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=getattr(group, f.name), annotation=kind)
            for f in fields(group)
            for kind in [kinds[f.name]]
        ]
    whole = signature.replace(parameters=own + [member for group in members.values() for member in group])

    @functools.wraps(function)
    def called(*args: Any, **values: Any) -> R:
        whole.bind(*args, **values)
        for name, group in groups.items():
            given = {member.name: values.pop(member.name) for member in members[name] if member.name in values}
            values[name] = replace(group, **given)
        return function(*args, **values)

    called.__signature__ = whole  # type: ignore[attr-defined]
    called.__annotations__ = {p.name: p.annotation for p in whole.parameters.values()} | {"return": hints["return"]}
    return called


def checked(known: tuple[Parameter, ...], given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """`given` checked against `known`; unknown names are refused with the list of `where`'s parameters."""
    by_name = {parameter.name: parameter for parameter in known}
    for name in given:
        if name not in by_name:
            raise UnknownOptionError(f"parameter of {where}", name, by_name)
    return {name: by_name[name].check(value) for name, value in given.items()}


def changed(instance: D, changes: Mapping[str, Any], where: str) -> D:
    """A dataclass instance with checked `changes` to its annotated fields.

    A change that the mode of the result ignores is refused; what the instance itself holds is not asked.
    """
    known = fields_of(type(instance))
    new = checked(known, changes, where)
    result: D = replace(instance, **new)  # type: ignore[type-var]
    for parameter in known:
        if parameter.name in new:
            parameter.require_effect(new[parameter.name], result)
    return result


def _word(value: Any) -> str:
    """A value as `--set` takes it."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _parameter(name: str, hint: Any, default: Any) -> Parameter:
    if typing.get_origin(hint) is not typing.Annotated:
        raise TypeError(f"parameter {name!r} needs Annotated[type, About(...)]")
    kind, *extras = typing.get_args(hint)
    about = next((extra for extra in extras if isinstance(extra, About)), None)
    if about is None:
        raise TypeError(f"parameter {name!r} needs an About(...) in its annotation")
    optional = False
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        options = [option for option in typing.get_args(kind) if option is not type(None)]
        optional = len(options) < len(typing.get_args(kind))
        (kind,) = options
    if typing.get_origin(kind) is Literal:
        return Parameter(name, "string", default, about, tuple(typing.get_args(kind)), optional)
    if kind not in _KINDS:
        raise TypeError(f"parameter {name!r} has type {kind!r}; expected bool, int, float, str or Literal")
    return Parameter(name, _KINDS[kind], default, about, (), optional)
