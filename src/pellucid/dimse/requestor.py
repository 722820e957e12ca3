"""Asking for an association (PS3.8 section 7.1), as a client."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    SCP_SCU_RoleSelectionNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)
from pynetdicom.presentation import PresentationContext

from pellucid.dimse.association import Association, Negotiated
from pellucid.dimse.connection import Connection, Pdu
from pellucid.dimse.limits import NetworkLimits
from pellucid.dimse.messages import Context
from pellucid.dimse.negotiation import ACCEPTED, APPLICATION_CONTEXT, about_this_side
from pellucid.dimse.problems import AssociationEndedError, AssociationRefusedError, NetworkError

_FOR_NOW = 2
MOST_CONTEXTS = 128
"""Presentation contexts of one association: odd numbers up to 255."""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Where an application is and how it is called; `tls`: the connection is encrypted with this context."""

    title: str
    host: str
    port: int
    calling_title: str = "PELLUCID"
    tls: ssl.SSLContext | None = None
    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A presentation context to be proposed; `extended`: its SOP Class Extended Negotiation.

    `as_scp`: this side is to be the provider (instances come in by C-GET; reports of storage commitment).
    """

    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]
    as_scp: bool = False
    extended: bytes = b""


@contextmanager
def associated(
    peer: Peer, wanted: Sequence[Wanted], *, limits: NetworkLimits | None = None, folder: Path | None = None
) -> Iterator[Association]:
    """An association for the time of the block, released at its end; raises `NetworkError` where there is none."""
    association = associate(peer, wanted, limits=limits, folder=folder)
    try:
        yield association
    except BaseException:
        association.abort()
        raise
    association.release()


def associate(
    peer: Peer, wanted: Sequence[Wanted], *, limits: NetworkLimits | None = None, folder: Path | None = None
) -> Association:
    """Ask for an association; `folder`: for received instances too large to be held in memory."""
    limits = limits or NetworkLimits()
    connection = Connection(_connected(peer, limits), limits)
    try:
        connection.write(_request(peer, wanted, limits))
        kind, content = connection.read(limits.message_s)
        if kind is Pdu.ASSOCIATE_RJ:
            raise _refusal(peer, content)
        if kind is not Pdu.ASSOCIATE_AC:
            raise AssociationEndedError(f"{peer.title} at {peer.host}:{peer.port} broke the association off")
        return Association(connection, _negotiated(peer, wanted, content), limits, folder)
    except BaseException:
        connection.close()
        raise


def contexts_for(association: Association, abstract_syntax: str) -> list[Context]:
    """The accepted contexts of a SOP class."""
    return [c for c in association.negotiated.contexts.values() if c.abstract_syntax == abstract_syntax]


def context_for(association: Association, abstract_syntax: str) -> Context:
    """The accepted context of a SOP class; raises `NetworkError` where there is none."""
    found = contexts_for(association, abstract_syntax)
    if not found:
        from pydicom.uid import UID

        raise NetworkError(f"{association.negotiated.called_title} does not provide {UID(abstract_syntax).name}")
    return found[0]


def _connected(peer: Peer, limits: NetworkLimits) -> socket.socket:
    try:
        link = socket.create_connection((peer.host, peer.port), timeout=limits.association_request_s)
        if peer.tls is not None:
            link = peer.tls.wrap_socket(link, server_hostname=peer.host)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise NetworkError(f"{peer.title} at {peer.host}:{peer.port} cannot be reached ({reason})") from error
    return link


def _request(peer: Peer, wanted: Iterable[Wanted], limits: NetworkLimits) -> bytes:
    primitive = A_ASSOCIATE()
    primitive.application_context_name = APPLICATION_CONTEXT
    primitive.calling_ae_title, primitive.called_ae_title = peer.calling_title, peer.title
    contexts, items, roles = [], about_this_side(limits.pdu_bytes), set()
    for number, item in enumerate(wanted):
        context = PresentationContext()
        context.context_id = 2 * number + 1
        context.abstract_syntax = item.abstract_syntax
        context.transfer_syntax = list(item.transfer_syntaxes)
        contexts.append(context)
        if item.as_scp and item.abstract_syntax not in roles:
            roles.add(item.abstract_syntax)
            items.append(_role(item.abstract_syntax))
        if item.extended:
            items.append(_extended(item))
    if peer.user:
        items.append(_identity(peer))
    primitive.presentation_context_definition_list = contexts
    primitive.user_information = items
    return A_ASSOCIATE_RQ(primitive).encode()


def _role(uid: str) -> Any:
    role = SCP_SCU_RoleSelectionNegotiation()
    role.sop_class_uid, role.scu_role, role.scp_role = uid, False, True
    return role


def _extended(item: Wanted) -> Any:
    extended = SOPClassExtendedNegotiation()
    extended.sop_class_uid = item.abstract_syntax
    extended.service_class_application_information = item.extended
    return extended


def _identity(peer: Peer) -> Any:
    identity = UserIdentityNegotiation()
    identity.user_identity_type = 2 if peer.password else 1
    identity.positive_response_requested = True
    identity.primary_field = peer.user.encode()
    if peer.password:
        identity.secondary_field = peer.password.encode()
    return identity


def _negotiated(peer: Peer, wanted: Sequence[Wanted], content: memoryview) -> Negotiated:
    pdu = A_ASSOCIATE_AC()
    try:
        pdu.decode(b"\x02\0" + len(content).to_bytes(4, "big") + bytes(content))
        primitive = pdu.to_primitive()
        answers = {
            item.context_id: str(item.transfer_syntax[0])
            for item in primitive.presentation_context_definition_results_list
            if item.result == ACCEPTED
        }
        extended = {
            str(item.sop_class_uid): item.service_class_application_information or b""
            for item in primitive.user_information
            if isinstance(item, SOPClassExtendedNegotiation)
        }
    except Exception as error:
        raise NetworkError(f"{peer.title} answered with an A-ASSOCIATE-AC that cannot be read") from error
    contexts = {
        number: Context(
            id=number,
            abstract_syntax=wanted[place].abstract_syntax,
            transfer_syntax=answers[number],
            as_scp=wanted[place].as_scp,
            as_scu=not wanted[place].as_scp,
        )
        for place in range(len(wanted))
        if (number := 2 * place + 1) in answers and answers[number] in wanted[place].transfer_syntaxes
    }
    return Negotiated(
        calling_title=peer.calling_title,
        called_title=peer.title,
        partner_title=peer.title,
        contexts=contexts,
        most_bytes=primitive.maximum_length_received or 0,
        extended=extended,
    )


def _refusal(peer: Peer, content: memoryview) -> AssociationRefusedError:
    pdu = A_ASSOCIATE_RJ()
    pdu.result, pdu.source, pdu.reason_diagnostic = content[1], content[2], content[3]
    try:
        reason = pdu.reason_str
    except ValueError:
        reason = "no known reason"
    return AssociationRefusedError(
        f"{peer.title} at {peer.host}:{peer.port} refused the association: {reason}", transient=content[1] == _FOR_NOW
    )
