"""Instances sent by C-STORE: the presentation contexts they need, and each as it is, or converted where it must be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pellucid.dimse.association import Association
from pellucid.dimse.command_set import Command, Operation
from pellucid.dimse.file_format import data_set_start
from pellucid.dimse.messages import Context
from pellucid.dimse.requestor import MOST_CONTEXTS, Wanted
from pellucid.dimse.services import NATIVE_SYNTAXES
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


@dataclass(frozen=True, kw_only=True)
class Content:
    """The DICOM file of an instance, as bytes or as a file on disk."""

    data: bytes | Path

    def head(self) -> bytes:
        """Its first bytes."""
        if isinstance(self.data, bytes):
            return self.data[:_HEAD_BYTES]
        with self.data.open("rb") as file:
            return file.read(_HEAD_BYTES)


def contexts_needed(instances: Iterable[Instance]) -> list[list[Wanted]]:
    """Presentation contexts for instances, as many lists as associations are needed.

    Each SOP class is proposed once in every transfer syntax that its instances have, and once in those that any
    application can read.
    """
    needed: dict[str, set[str]] = {}
    for instance in instances:
        needed.setdefault(instance.sop_class_uid, set()).add(instance.transfer_syntax_uid)
    groups: list[list[Wanted]] = [[]]
    for sop_class, syntaxes in needed.items():
        wanted = [Wanted(abstract_syntax=sop_class, transfer_syntaxes=(syntax,)) for syntax in sorted(syntaxes)]
        if not syntaxes <= set(NATIVE_SYNTAXES) or len(syntaxes) == 1:
            wanted.append(Wanted(abstract_syntax=sop_class, transfer_syntaxes=NATIVE_SYNTAXES))
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
    contexts = [
        context
        for context in association.negotiated.contexts.values()
        if context.abstract_syntax == instance.sop_class_uid and context.as_scu
    ]
    chosen = _best(contexts, instance.transfer_syntax_uid)
    if chosen is None:
        return NO_CONTEXT, "the partner does not take this kind of object"
    if chosen.transfer_syntax != instance.transfer_syntax_uid:
        try:
            content = Content(data=converted(content, chosen.transfer_syntax))
        except (PellucidError, OSError, ValueError) as error:
            return CANNOT_CONVERT, f"cannot be converted ({type(error).__name__})"
    command: Command = {
        "CommandField": Operation.C_STORE,
        "AffectedSOPClassUID": instance.sop_class_uid,
        "AffectedSOPInstanceUID": instance.sop_instance_uid,
        "Priority": 0,
    }
    if originator is not None:
        command["MoveOriginatorApplicationEntityTitle"], command["MoveOriginatorMessageID"] = originator
    answer = association.request(chosen, command, content.data, start=data_set_start(content.head()))
    return answer.command.get("Status", 0xC000), answer.command.get("ErrorComment", "")


def converted(content: Content, transfer_syntax: str) -> bytes:
    """A DICOM file in another transfer syntax, its pixels the same."""
    from pellucid.codecs import transcode

    data = content.data if isinstance(content.data, bytes) else content.data.read_bytes()
    return transcode(data, transfer_syntax)


def _best(contexts: Sequence[Context], stored: str) -> Context | None:
    """As stored; else one that loses nothing."""
    from pellucid.codecs import choose_syntax

    by_syntax = {context.transfer_syntax: context for context in contexts}
    chosen = choose_syntax(stored, by_syntax)
    return by_syntax[chosen] if chosen else None


def is_warning(status: int) -> bool:
    """Whether a status says that the instance was stored, with a remark (PS3.7 annex C.1.3)."""
    return status in (0x0001, 0x0107, 0x0116) or status & 0xF000 == 0xB000
