"""Who somebody is, by whatever they bring: a browser's session, a token, a link; and what is noted of it."""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from sqlalchemy import select

from pellucid.access.access_tokens import PREFIX, AccessTokens, narrowed
from pellucid.access.accounts import Account, Accounts, name_of
from pellucid.access.audit_event import AuditEvent, AuditSink, Outcome
from pellucid.access.caller import Caller
from pellucid.access.oidc import Identity, IdentityError, Provider
from pellucid.access.projects import Projects
from pellucid.access.secret import digest_of
from pellucid.access.sessions import Sessions
from pellucid.access.share_links import ShareLinks
from pellucid.access.trail import AuditTrail
from pellucid.archive import NOTHING, Archive
from pellucid.archive.schema import StudyRow
from pellucid.errors import InvalidInputError

TRAIL = "audit.sqlite"
_REMEMBERED_S = 2.0
_MOST_REMEMBERED = 4096

NOBODY = Caller(name="nobody", kind="nobody", permissions=frozenset(), visible=NOTHING)
"""Who has not logged in."""


class Doorkeeper:
    """The accounts, sessions, tokens, links, rules and audit trail of one archive.

    `always`: everybody must log in, even where there is no account yet. Who somebody is is remembered for two
    seconds; what is changed here counts at once, what another process changes counts after that.
    """

    def __init__(
        self,
        archive: Archive,
        *,
        always: bool = False,
        idle_s: float = 3600.0,
        longest_s: float = 12 * 3600.0,
        provider: Provider | None = None,
    ) -> None:
        self.accounts = Accounts(archive)
        self.sessions = Sessions(archive, idle_s=idle_s, longest_s=longest_s)
        self.tokens = AccessTokens(archive)
        self.links = ShareLinks(archive)
        self.projects = Projects(archive)
        self.provider = provider
        self.trail = AuditTrail(trail_file(archive))
        self._archive = archive
        self._always = always or provider is not None
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[float, Caller | None]] = OrderedDict()
        self._required: tuple[float, bool] = (0.0, False)
        archive.on_store.append(self.projects.on_store)

    def login_required(self) -> bool:
        """Whether those who have not logged in may do nothing: as soon as there is an account."""
        known = self.login_known_required()
        if known is None:
            known = self.accounts.exist()
            self._required = time.monotonic() + _REMEMBERED_S, known
        return known

    def login_known_required(self) -> bool | None:
        """The same where it is remembered, without waiting for the database; else None."""
        if self._always:
            return True
        until, required = self._required
        return required if time.monotonic() < until else None

    def forget(self) -> None:
        """After a change: who somebody is must be looked up again."""
        with self._lock:
            self._known.clear()
        self._required = 0.0, False

    def caller_of_session(self, token: str, address: str) -> Caller | None:
        """Who a browser's session belongs to."""
        return self._remembered(token, address, self._of_session)

    def caller_of_token(self, token: str, address: str) -> Caller | None:
        """Whose program sends a bearer token."""
        return self._remembered(token, address, self._of_token)

    def account_of(self, identity: Identity) -> Account:
        """The account of somebody whom the identity provider knows, with the roles that they have now.

        Raises `IdentityError` where the account was switched off, or somebody else has the name.
        """
        if self.provider is None:
            raise IdentityError("there is no identity provider")
        issuer = self.provider.settings.issuer
        known = self.accounts.find_subject(issuer, identity.subject)
        if known is not None and not known.active:
            raise IdentityError("the account is switched off")
        changes = {"full_name": identity.full_name, "roles": identity.roles, "projects": identity.projects}
        try:
            if known is not None:
                account = replace(known, **changes)  # type: ignore[arg-type]
                self.accounts.change(account)
            else:
                name = name_of(re.sub(r"[^\w.@+-]", "_", identity.name)[:128])
                account = Account(name=name, issuer=issuer, subject=identity.subject, **changes)  # type: ignore[arg-type]
                self.accounts.add(account)
        except InvalidInputError as error:
            raise IdentityError(f"the account cannot be used: {error}") from error
        self.accounts.note_login(account.name)
        self.forget()
        return account

    def audit(self, event: AuditEvent) -> None:
        """Write an event into the trail, with the patients of its studies; raises `AuditTrailError`."""
        self.trail.write(event, self._with_patients)

    def note(
        self,
        caller: Caller,
        event: str,
        kind: str,
        *,
        subject: str = "",
        outcome: Outcome = Outcome.SUCCESS,
        detail: Mapping[str, str] | None = None,
    ) -> None:
        """Write what somebody did to the accounts, or to get in; `kind`: an event type (CID 401)."""
        values = {"type": kind, **({"subject": subject} if subject else {}), **(detail or {})}
        self.audit(AuditEvent(event=event, action="E", caller=caller, outcome=outcome, detail=values))

    def close(self) -> None:
        """Write what waits, and stop."""
        self.trail.close()
        if self.provider is not None:
            self.provider.close()

    def _with_patients(self, event: AuditEvent) -> AuditEvent:
        unknown = [study for study, patient in event.studies.items() if not patient][:500]
        if not unknown:
            return event
        chosen = select(StudyRow.study_instance_uid, StudyRow.patient_id).where(
            StudyRow.study_instance_uid.in_(unknown)
        )
        with self._archive.reading() as session:
            patients = {row.study_instance_uid: row.patient_id for row in session.execute(chosen)}
        return replace(event, studies={**event.studies, **patients})

    def _remembered(self, token: str, address: str, find: Callable[[str], Caller | None]) -> Caller | None:
        key, now = digest_of(token), time.monotonic()
        with self._lock:
            until, caller = self._known.get(key, (0.0, None))
        if now >= until:
            caller = find(token)
            with self._lock:
                self._known[key] = now + _REMEMBERED_S, caller
                if len(self._known) > _MOST_REMEMBERED:
                    self._known.popitem(last=False)
        return replace(caller, address=address) if caller else None

    def _of_session(self, token: str) -> Caller | None:
        session = self.sessions.find(token)
        if session is None:
            return None
        if session.account:
            return self._of_account(session.account)
        link = self.links.find(session.link)
        if link is None or not link.is_open:
            return None
        maker = self.accounts.find(link.made_by)
        # A link shows nothing that its maker could not show now.
        return link.caller() if maker is None or maker.active else None

    def _of_token(self, token: str) -> Caller | None:
        if token.startswith(PREFIX):
            found = self.tokens.find(token)
            owner = self._of_account(found.account) if found else None
            return narrowed(owner, found) if owner and found else None
        if self.provider is None or token.count(".") != 2:
            return None
        try:
            identity = self.provider.identity_of_token(token)
        except IdentityError:
            return None
        known = self.accounts.find_subject(self.provider.settings.issuer, identity.subject)
        if known is not None and not known.active:
            return None
        name = known.name if known else identity.name
        return Account(
            name=name_of(re.sub(r"[^\w.@+-]", "_", name)[:128]), roles=identity.roles, projects=identity.projects
        ).caller()

    def _of_account(self, name: str) -> Caller | None:
        account = self.accounts.find(name)
        return account.caller() if account and account.active else None


def audit_sink(archive: Archive) -> AuditSink:
    """For a process that serves an archive by itself: its door to the audit trail; the rules of projects hold in it."""
    return Doorkeeper(archive).audit


def authenticator(archive: Archive) -> Callable[[str, str | None], Caller | None]:
    """For such a process: who somebody is by name and password."""
    return Accounts(archive).authenticate


def trail_file(archive: Archive) -> Path:
    """The file of an archive's audit trail."""
    return archive.folder / TRAIL
