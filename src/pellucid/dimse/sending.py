"""Instances sent by C-STORE: the presentation contexts they need, and each as it is, or converted where it must be."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from pellucid.dimse.association import Association
from pellucid.dimse.command_set import Command, Operation
from pellucid.dimse.content import Content
from pellucid.dimse.file_format import data_set_start
from pellucid.dimse.messages import Context
from pellucid.dimse.requestor import MOST_CONTEXTS, Wanted
from pellucid.dimse.services import NATIVE_SYNTAXES, REFERENCED_SYNTAXES
from pellucid.errors import PellucidError

_HEAD_BYTES = 4096
NO_CONTEXT = 0x0122
"""SOP class not supported: used for what the partner accepted no presentation context for."""

CANNOT_CONVERT = 0xA900


class Instance(Protocol):
    """Something that can be sent."""

    @property
    def sop_class_uid(self) -> str:
        """SOP Class UID."""

    @property
    def sop_instance_uid(self) -> str:
        """SOP Instance UID."""

    @property
    def transfer_syntax_uid(self) -> str:
        """Transfer Syntax UID."""


def contexts_needed(instances: Iterable[Instance], *, by_reference: Collection[str] = ()) -> list[list[Wanted]]:
    """Presentation contexts for instances, as many lists as associations are needed.

    Each SOP class is proposed once in every transfer syntax that its instances have, and once in those that any
    application can read; the SOP classes `by_reference` also in those whose pixels a JPIP service provides.
    """
    needed: dict[str, set[str]] = {}
    for instance in instances:
        needed.setdefault(instance.sop_class_uid, set()).add(instance.transfer_syntax_uid)
    groups: list[list[Wanted]] = [[]]
    for sop_class, syntaxes in needed.items():
        wanted = [Wanted(abstract_syntax=sop_class, transfer_syntaxes=(syntax,)) for syntax in sorted(syntaxes)]
        if not syntaxes <= set(NATIVE_SYNTAXES) or len(syntaxes) == 1:
            wanted.append(Wanted(abstract_syntax=sop_class, transfer_syntaxes=NATIVE_SYNTAXES))
        if sop_class in by_reference:
            wanted += [Wanted(abstract_syntax=sop_class, transfer_syntaxes=(syntax,)) for syntax in REFERENCED_SYNTAXES]
        if len(groups[-1]) + len(wanted) > MOST_CONTEXTS:
            groups.append([])
        groups[-1] += wanted
    return groups


def send(
    association: Association, instance: Instance, content: Content, *, originator: tuple[str, int] | None = None
) -> tuple[int, str]:
    """Send one instance; the status and comment that came back.

    `originator`: the title of the application that asked for it by C-MOVE, and the number of its request.
    """
    left = {
        context.transfer_syntax: context
        for context in association.negotiated.contexts.values()
        if context.abstract_syntax == instance.sop_class_uid and context.as_scu
    }
    refusal = NO_CONTEXT, "the partner does not take this kind of object"
    while (syntax := _best(left, instance.transfer_syntax_uid, content)) is not None:
        context = left.pop(syntax)
        if syntax == instance.transfer_syntax_uid:
            return _store(association, context, instance, content.data, originator)
        with ExitStack() as temporary:
            try:
                data = temporary.enter_context(content.in_syntax(syntax))
            except (PellucidError, OSError, ValueError) as error:
                refusal = CANNOT_CONVERT, f"cannot be converted ({type(error).__name__})"
                continue  # the partner may take another transfer syntax, which can hold it
            return _store(association, context, instance, data, originator)
    return refusal


def _best(left: Mapping[str, Context], stored: str, content: Content) -> str | None:
    """As stored; else one that loses nothing; and only then one that says where the pixels are."""
    from pellucid.codecs import choose_syntax

    with_pixels = [syntax for syntax in left if syntax not in REFERENCED_SYNTAXES]
    return choose_syntax(stored, with_pixels) or next((uid for uid in content.referring if uid in left), None)


def _store(
    association: Association,
    context: Context,
    instance: Instance,
    data: bytes | Path,
    originator: tuple[str, int] | None,
) -> tuple[int, str]:
    command: Command = {
        "CommandField": Operation.C_STORE,
        "AffectedSOPClassUID": instance.sop_class_uid,
        "AffectedSOPInstanceUID": instance.sop_instance_uid,
        "Priority": 0,
    }
    if originator is not None:
        command["MoveOriginatorApplicationEntityTitle"], command["MoveOriginatorMessageID"] = originator
    answer = association.request(context, command, data, start=data_set_start(_head(data)))
    return answer.command.get("Status", 0xC000), answer.command.get("ErrorComment", "")


def _head(data: bytes | Path) -> bytes:
    """The first bytes of a file."""
    if isinstance(data, bytes):
        return data[:_HEAD_BYTES]
    with data.open("rb") as file:
        return file.read(_HEAD_BYTES)


def is_warning(status: int) -> bool:
    """Whether a status says that the instance was stored, with a remark (PS3.7 annex C.1.3)."""
    return status in (0x0001, 0x0107, 0x0116) or status & 0xF000 == 0xB000
