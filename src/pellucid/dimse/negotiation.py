"""What an acceptor answers to an A-ASSOCIATE-RQ (PS3.8 section 7.1, PS3.7 annex D.3)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)
from pynetdicom.presentation import PresentationContext

from pellucid.dimse.association import Negotiated
from pellucid.dimse.file_format import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from pellucid.dimse.messages import Context
from pellucid.dimse.services import (
    EXTENDED_CLASSES,
    MESSAGE_SYNTAXES,
    NATIVE_SYNTAXES,
    REFERENCED_SYNTAXES,
    SERVICE_CLASSES,
    STORAGE_CLASSES,
    STORAGE_COMMITMENT,
    STORAGE_SYNTAXES,
    is_private,
)

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
ACCEPTED, ABSTRACT_SYNTAX_NOT_SUPPORTED, TRANSFER_SYNTAXES_NOT_SUPPORTED = 0, 3, 4
RELATIONAL, DATE_TIME, FUZZY = 0, 1, 2
"""Bytes of the extended negotiation of the query SOP classes (PS3.4 table C.5.1.1.3-1); the third is for names."""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What a requestor asks for."""

    calling_title: str
    called_title: str
    application_context: str
    contexts: list[PresentationContext]
    most_bytes: int
    roles: Mapping[str, tuple[bool, bool]]
    extended: Mapping[str, bytes]
    identity: UserIdentityNegotiation | None = field(repr=False)


def proposal_of(pdu: A_ASSOCIATE_RQ) -> Proposal:
    """The content of an A-ASSOCIATE-RQ."""
    primitive = pdu.to_primitive()
    items = primitive.user_information
    return Proposal(
        calling_title=primitive.calling_ae_title.strip(),
        called_title=primitive.called_ae_title.strip(),
        application_context=str(primitive.application_context_name or ""),
        contexts=list(primitive.presentation_context_definition_list),
        most_bytes=primitive.maximum_length_received or 0,
        roles={
            str(item.sop_class_uid): (bool(item.scu_role), bool(item.scp_role))
            for item in items
            if isinstance(item, SCP_SCU_RoleSelectionNegotiation)
        },
        extended={
            str(item.sop_class_uid): item.service_class_application_information or b""
            for item in items
            if isinstance(item, SOPClassExtendedNegotiation)
        },
        identity=next((item for item in items if isinstance(item, UserIdentityNegotiation)), None),
    )


def negotiate(
    proposal: Proposal, *, private_storage: bool, by_reference: bool = False
) -> tuple[Negotiated, list[tuple[Context, int]]]:
    """What both agree on, and each proposed context with its result.

    `by_reference`: instances can be sent without their pixels, in the JPIP Referenced transfer syntaxes.
    """
    answers = [
        _context(item, proposal.roles, private_storage=private_storage, by_reference=by_reference)
        for item in proposal.contexts
    ]
    accepted = {context.id: context for context, result in answers if result == ACCEPTED}
    agreed = Negotiated(
        calling_title=proposal.calling_title,
        called_title=proposal.called_title,
        partner_title=proposal.calling_title,
        contexts=accepted,
        most_bytes=proposal.most_bytes,
        extended={uid: _extended(info) for uid, info in proposal.extended.items() if uid in EXTENDED_CLASSES},
    )
    return agreed, answers


def accepting(
    proposal: Proposal,
    agreed: Negotiated,
    answers: Iterable[tuple[Context, int]],
    *,
    pdu_bytes: int,
    server_response: bytes | None,
) -> bytes:
    """The A-ASSOCIATE-AC."""
    primitive = A_ASSOCIATE()
    primitive.application_context_name = APPLICATION_CONTEXT
    primitive.calling_ae_title = proposal.calling_title
    primitive.called_ae_title = proposal.called_title
    primitive.result = 0
    primitive.presentation_context_definition_results_list = [_answered(*answer) for answer in answers]
    items: list[Any] = [*about_this_side(pdu_bytes), *_role_items(proposal.roles, agreed.contexts.values())]
    for uid, information in agreed.extended.items():
        extended = SOPClassExtendedNegotiation()
        extended.sop_class_uid = uid
        extended.service_class_application_information = information
        items.append(extended)
    if server_response is not None:
        identity = UserIdentityNegotiation()
        identity.server_response = server_response
        items.append(identity)
    primitive.user_information = items
    return A_ASSOCIATE_AC(primitive).encode()


def rejecting(result: int, source: int, reason: int) -> bytes:
    """The A-ASSOCIATE-RJ (PS3.8 table 9-21)."""
    pdu = A_ASSOCIATE_RJ()
    pdu.result, pdu.source, pdu.reason_diagnostic = result, source, reason
    return pdu.encode()


def about_this_side(pdu_bytes: int) -> list[Any]:
    """The items that every A-ASSOCIATE carries."""
    length = MaximumLengthNotification()
    length.maximum_length_received = pdu_bytes
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    return [length, implementation, version]


def _context(
    item: PresentationContext, roles: Mapping[str, tuple[bool, bool]], *, private_storage: bool, by_reference: bool
) -> tuple[Context, int]:
    """One context's answer: (what it would be, the result)."""
    syntax = str(item.abstract_syntax or "")
    proposed = [str(uid) for uid in item.transfer_syntax]
    requestor_scu, requestor_scp = roles.get(syntax, (True, False))
    private = private_storage or (requestor_scp and not requestor_scu)  # what is only sent has been stored somehow
    is_storage = syntax in STORAGE_CLASSES or (private and is_private(syntax))
    if is_storage:
        sent_only = REFERENCED_SYNTAXES if by_reference and requestor_scp else ()
        chosen = _storage_syntax(proposed, private=private, sent_only=sent_only)
    else:
        chosen = next((uid for uid in MESSAGE_SYNTAXES if uid in proposed), None)
    result = ACCEPTED
    if not is_storage and syntax not in SERVICE_CLASSES:
        result = ABSTRACT_SYNTAX_NOT_SUPPORTED
    elif chosen is None:
        result = TRANSFER_SYNTAXES_NOT_SUPPORTED
    return (
        Context(
            id=int(item.context_id or 0),
            abstract_syntax=syntax,
            transfer_syntax=chosen or (proposed[0] if proposed else MESSAGE_SYNTAXES[0]),
            as_scu=(is_storage or syntax == STORAGE_COMMITMENT) and requestor_scp,
            as_scp=requestor_scu and chosen not in REFERENCED_SYNTAXES,
        ),
        result,
    )


def _storage_syntax(proposed: list[str], *, private: bool, sent_only: Collection[str]) -> str | None:
    """The requestor's first that can be kept; rather with explicit value representations than without.

    Where there is none, its first of those that can only be sent.
    """
    kept = [uid for uid in proposed if uid in STORAGE_SYNTAXES or (private and is_private(uid))]
    explicit, implicit = NATIVE_SYNTAXES
    if kept and kept[0] == implicit and explicit in kept:
        return explicit
    return next(iter(kept), None) or next((uid for uid in proposed if uid in sent_only), None)


def _extended(proposed: bytes) -> bytes:
    """Relational queries, combined date and time, and fuzzy names are there; no timezone adjustment, no new views."""
    return bytes(byte if place in (RELATIONAL, DATE_TIME, FUZZY) else 0 for place, byte in enumerate(proposed[:5]))


def _answered(context: Context, result: int) -> PresentationContext:
    answer = PresentationContext()
    answer.context_id = context.id
    answer.transfer_syntax = [context.transfer_syntax]
    answer.result = result
    return answer


def _role_items(
    roles: Mapping[str, tuple[bool, bool]], accepted: Iterable[Context]
) -> list[SCP_SCU_RoleSelectionNegotiation]:
    items = []
    contexts = {context.abstract_syntax: context for context in accepted}
    for uid, (scu, scp) in roles.items():
        if uid in contexts and (scu or scp):
            item = SCP_SCU_RoleSelectionNegotiation()
            item.sop_class_uid = uid
            item.scu_role = scu
            item.scp_role = scp and contexts[uid].as_scu
            if item.scu_role or item.scp_role:
                items.append(item)
    return items
