"""What the interfaces of accounts, tokens, links and the audit trail take and answer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pellucid.access import Caller, Permission
from pellucid.access.access_tokens import AccessToken
from pellucid.access.accounts import Account
from pellucid.access.audit_record import AuditRecord
from pellucid.access.roles import Role
from pellucid.access.share_links import ShareLink

Secret = Annotated[str, Field(max_length=1024)]
Name = Annotated[str, Field(max_length=256)]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Credentials(_Form):
    """Who logs in."""

    name: Name
    password: Secret


class NewPassword(_Form):
    """A password that takes the place of the one that is known."""

    current: Secret
    password: Secret


class LinkSecret(_Form):
    """What opens a link."""

    token: Secret
    passphrase: Secret = ""


class NewToken(_Form):
    """A token to be made; without `permissions` it has those of its maker, but administration and audit."""

    description: Annotated[str, Field(min_length=1, max_length=200)]
    days: Annotated[int, Field(ge=1, le=366)] = 90
    permissions: list[Permission] | None = None


class NewLink(_Form):
    """A link to be made; `maximum_uses` 0: any number."""

    studies: Annotated[list[Annotated[str, Field(max_length=64)]], Field(min_length=1, max_length=50)]
    days: Annotated[int, Field(ge=1, le=90)] = 7
    description: Annotated[str, Field(max_length=200)] = ""
    passphrase: Secret = ""
    maximum_uses: Annotated[int, Field(ge=0, le=1_000_000)] = 0


class AccountForm(_Form):
    """An account as it should be; a password only where it should be another one."""

    full_name: Annotated[str, Field(max_length=200)] = ""
    roles: list[Role]
    projects: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=1000)]
    studies: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=10_000)] = []
    active: bool = True
    password: Secret | None = None


class LoggedIn(_Form):
    """Who asks; `kind` is local where there are no accounts, nobody before a login."""

    name: str
    kind: Literal["local", "account", "ae", "link", "nobody"]
    permissions: list[str]
    studies: list[str]
    is_local_account: bool


class SessionState(_Form):
    """Who asks, and how one logs in; `provider`: what the button for the identity provider says, or null."""

    login_required: bool
    caller: LoggedIn
    provider: str | None


class TokenDescription(_Form):
    """A token; times are Unix seconds."""

    id: str
    account: str
    description: str
    permissions: list[str]
    created: float
    used: float
    expires: float


class Tokens(_Form):
    """Tokens, the newest first."""

    tokens: list[TokenDescription]


class MadeToken(_Form):
    """A token that was made; `secret` is shown this once."""

    token: TokenDescription
    secret: str


class LinkDescription(_Form):
    """A link; times are Unix seconds."""

    id: str
    made_by: str
    studies: list[str]
    description: str
    has_passphrase: bool
    maximum_uses: int
    uses: int
    revoked: bool
    created: float
    expires: float


class Links(_Form):
    """Links, the newest first."""

    shares: list[LinkDescription]


class MadeLink(_Form):
    """A link that was made; `url` holds its secret and is shown this once."""

    share: LinkDescription
    url: str


class OpenedLink(_Form):
    """The studies that a link shows."""

    studies: list[str]


class AccountDescription(_Form):
    """An account; times are Unix seconds."""

    name: str
    full_name: str
    roles: list[str]
    projects: list[str]
    studies: list[str]
    active: bool
    provider: bool
    created: float
    last_login: float


class AccountList(_Form):
    """Accounts by name, and what can be chosen for them."""

    accounts: list[AccountDescription]
    roles: list[str]
    projects: list[str]


class RecordDescription(_Form):
    """A record of the audit trail."""

    sequence: int
    time: str
    event: str
    action: str
    outcome: int
    caller: str
    kind: str
    address: str
    studies: dict[str, str]
    detail: dict[str, str]


class Records(_Form):
    """Records, the newest first; `more`: whether there are older ones."""

    records: list[RecordDescription]
    more: bool


def token_json(token: AccessToken) -> dict[str, Any]:
    """For `TokenDescription`."""
    return {**vars(token), "permissions": sorted(token.permissions)}


def link_json(link: ShareLink) -> dict[str, Any]:
    """For `LinkDescription`."""
    return {**vars(link), "studies": sorted(link.studies)}


def account_json(account: Account) -> dict[str, Any]:
    """For `AccountDescription`."""
    return {
        "name": account.name,
        "full_name": account.full_name,
        "roles": sorted(account.roles),
        "projects": sorted(account.projects),
        "studies": sorted(account.studies),
        "active": account.active,
        "provider": bool(account.issuer),
        "created": account.created,
        "last_login": account.last_login,
    }


def record_json(record: AuditRecord) -> dict[str, Any]:
    """For `RecordDescription`."""
    return {
        name: dict(value) if name in ("studies", "detail") else value
        for name, value in vars(record).items()
        if name not in ("previous", "digest")
    }


def caller_json(caller: Caller, *, is_local_account: bool) -> dict[str, Any]:
    """For `LoggedIn`."""
    return {
        "name": caller.name,
        "kind": caller.kind,
        "permissions": sorted(caller.permissions),
        "studies": sorted(caller.visible.studies) if caller.kind == "link" else [],
        "is_local_account": is_local_account,
    }
