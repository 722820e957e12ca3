"""What every request is served with: the archive as the caller sees it, and the doors that lead elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pellucid.access import AuditEvent, AuditSink, Caller, Outcome, Permission
from pellucid.archive import Archive, InstanceRecord, View
from pellucid.dimse.association import Association
from pellucid.dimse.content import Content
from pellucid.dimse.limits import NetworkLimits
from pellucid.dimse.messages import Message
from pellucid.dimse.partners import ApplicationEntity, Partners
from pellucid.dimse.requestor import Peer
from pellucid.dimse.tls import TlsFiles

log = logging.getLogger("pellucid.dimse")

Authenticate = Callable[[str, str | None], Caller | None]
"""Name and password (None: the name alone was sent) → who that is, or None where it cannot be believed."""

SUCCESS, CANCELLED, PENDING, PENDING_UNSUPPORTED_KEYS = 0x0000, 0xFE00, 0xFF00, 0xFF01
NOT_AUTHORIZED, PROCESSING_FAILURE, UNRECOGNIZED_OPERATION = 0x0124, 0x0110, 0x0211
NO_SUCH_SOP_CLASS, NO_SUCH_INSTANCE, DUPLICATE_INSTANCE = 0x0118, 0x0112, 0x0111
INVALID_ATTRIBUTE, MISSING_ATTRIBUTE, INVALID_INSTANCE = 0x0106, 0x0120, 0x0117
NO_SUCH_ACTION, INVALID_ARGUMENT = 0x0123, 0x0115
MAY_NO_LONGER_BE_UPDATED = 0xA710
"""Error ID of a procedure step in a final state (PS3.4 section F.7.2.2.2)."""


def no_audit(_event: AuditEvent) -> None:
    """Where no trail is kept."""


@dataclass(frozen=True, kw_only=True)
class Doors:
    """What the listener needs: the archive, this side's AE titles (the first is used for calling), rules and limits.

    `private_storage`: private SOP classes and transfer syntaxes are taken for storage. `open_to_loopback`:
    programs on this machine need no rule. `calling_files`: for calls to partners whose connections are encrypted.
    `jpip`: the address of the service that provides pixels to partners that ask for them by JPIP (empty: none).
    """

    archive: Archive
    titles: tuple[str, ...] = ("PELLUCID",)
    audit: AuditSink = no_audit
    authenticate: Authenticate | None = None
    limits: NetworkLimits = field(default_factory=NetworkLimits)
    private_storage: bool = False
    open_to_loopback: bool = True
    calling_files: TlsFiles = field(default_factory=TlsFiles)
    jpip: str = ""

    def peer(self, entity: ApplicationEntity) -> Peer:
        """How that application is called from here; raises `InvalidInputError` where its TLS needs unfit files."""
        return Peer(
            title=entity.title,
            host=entity.host,
            port=entity.port,
            calling_title=self.titles[0],
            tls=self.calling_files.for_calling() if entity.tls else None,
        )

    def content(self, view: View, record: InstanceRecord) -> Content:
        """What is sent of a stored instance."""
        return Content.of_record(view, record, folder=self.archive.incoming, jpip=self.jpip)

    @property
    def partners(self) -> Partners:
        """The application entities that are known."""
        return Partners(self.archive)


@dataclass(kw_only=True)
class Session:
    """One association being served."""

    doors: Doors
    association: Association
    caller: Caller
    noted_studies: set[str] = field(default_factory=set)

    @property
    def view(self) -> View:
        """The archive as the caller sees it."""
        return self.doors.archive.seen_by(self.caller.visible)

    def answer(
        self, message: Message, status: int, comment: str = "", data: bytes | None = None, **more: object
    ) -> None:
        """Send the response to a request."""
        extra = {"ErrorComment": comment, **more} if comment else more
        self.association.send(message.context, message.answer(status, **extra), data)

    def allowed(self, message: Message, permission: Permission) -> bool:
        """Whether the caller may; where not, the refusal is sent and noted."""
        if self.caller.may(permission):
            return True
        self.note("Security Alert", "E", outcome=Outcome.MINOR_FAILURE, detail={"refused": str(permission)})
        self.answer(message, NOT_AUTHORIZED, f"may not {permission}")
        return False

    def note(
        self,
        event: str,
        action: str,
        *,
        outcome: Outcome = Outcome.SUCCESS,
        studies: Mapping[str, str] | None = None,
        detail: Mapping[str, str] | None = None,
    ) -> None:
        """Write an event into the audit trail."""
        self.doors.audit(
            AuditEvent(
                event=event,
                action=action,
                caller=self.caller,
                outcome=outcome,
                studies=studies or {},
                detail=detail or {},
            )
        )


Serve = Callable[[Session, Message], None]
"""Serves one request of an operation, answers included."""


def place_of(error: BaseException) -> str:
    """Where in the code, for a log that must not quote values."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}" if trace is not None else "?"
