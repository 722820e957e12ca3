"""Accounts, tokens and links: made, changed and taken away; every change is noted in the audit trail."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Request
from fastapi import Path as PathParameter
from fastapi.responses import Response

from pellucid.access import Caller, Permission
from pellucid.access.accounts import Account, name_of
from pellucid.access.doorkeeper import Doorkeeper
from pellucid.access.roles import Role
from pellucid.dicomweb.problems import EVERYWHERE
from pellucid.errors import InvalidInputError
from pellucid.server import access_answers as forms
from pellucid.server.answers import problems
from pellucid.server.callers import Administrator, Anyone, Sharer, is_own

Id = Annotated[str, PathParameter(pattern="^[0-9a-f]{16}$")]
Name = Annotated[str, PathParameter(max_length=128)]
_USER_CHANGED = "User security Attributes Changed"


def accounts_api(keeper: Doorkeeper) -> APIRouter:
    """The routes of /api/accounts, /api/tokens and /api/shares."""
    router = APIRouter(responses=problems(*EVERYWHERE), tags=["access"])
    _add_accounts(router, keeper)
    _add_tokens(router, keeper)
    _add_links(router, keeper)
    return router


def _add_accounts(router: APIRouter, keeper: Doorkeeper) -> None:
    @router.get("/api/accounts", response_model=forms.AccountList)
    def accounts(_caller: Administrator) -> dict[str, Any]:
        """Every account."""
        return {
            "accounts": [forms.account_json(account) for account in keeper.accounts.all()],
            "roles": list(Role),
            "projects": keeper.projects.names(),
        }

    @router.put("/api/accounts/{name}", response_model=forms.AccountDescription, responses=problems(422))
    def put(name: Name, given: forms.AccountForm, caller: Administrator) -> dict[str, Any]:
        """Add an account, or change the one of that name."""
        account = _as_given(keeper, name_of(name), given)
        _require_an_administrator(keeper, caller, account)
        if keeper.accounts.find(account.name) is None:
            keeper.accounts.add(account, given.password or "")
        else:
            keeper.accounts.change(account)
            if given.password is not None:
                keeper.accounts.set_password(account.name, given.password)
        _changed(keeper, caller, _USER_CHANGED, account.name, roles=" ".join(sorted(account.roles)))
        return forms.account_json(keeper.accounts.get(account.name))

    @router.delete("/api/accounts/{name}", status_code=204, response_class=Response, responses=problems(404, 422))
    def remove(name: Name, caller: Administrator) -> Response:
        """Remove an account with its sessions, tokens and links."""
        found = keeper.accounts.find(name)
        if found is None:
            raise HTTPException(404, "no such account")
        _require_an_administrator(keeper, caller, replace(found, active=False))
        keeper.accounts.remove(found.name)
        _changed(keeper, caller, _USER_CHANGED, found.name, what="removed")
        return Response(status_code=204)


def _add_tokens(router: APIRouter, keeper: Doorkeeper) -> None:
    @router.get("/api/tokens", response_model=forms.Tokens)
    def tokens(caller: Anyone) -> dict[str, Any]:
        """One's own tokens."""
        return {"tokens": [forms.token_json(token) for token in keeper.tokens.all(is_own(caller).name)]}

    @router.post("/api/tokens", status_code=201, response_model=forms.MadeToken, responses=problems(422))
    def make(given: forms.NewToken, caller: Anyone) -> dict[str, Any]:
        """Make a token for a program; it is shown this once."""
        account = keeper.accounts.find(is_own(caller).name)
        if account is None:
            raise HTTPException(403, "this is for people with an account here")
        # A token makes no token that may do more than itself.
        wanted = None if given.permissions is None else frozenset(given.permissions)
        chosen = caller.permissions - {Permission.ADMINISTER, Permission.AUDIT} if wanted is None else wanted
        if excess := chosen - caller.permissions:
            raise InvalidInputError(f"{caller.name} may not {', '.join(sorted(excess))}", field="permissions")
        token, secret = keeper.tokens.make(account, given.description, days=given.days, permissions=chosen)
        _changed(keeper, caller, _USER_CHANGED, account.name, token=token.id)
        return {"token": forms.token_json(token), "secret": secret}

    @router.delete("/api/tokens/{token_id}", status_code=204, response_class=Response, responses=problems(404, 422))
    def remove(token_id: Id, caller: Anyone) -> Response:
        """Remove one of one's own tokens."""
        if not keeper.tokens.remove(token_id, is_own(caller).name):
            raise HTTPException(404, "no such token")
        _changed(keeper, caller, _USER_CHANGED, caller.name, token=token_id, what="removed")
        return Response(status_code=204)


def _add_links(router: APIRouter, keeper: Doorkeeper) -> None:
    @router.get("/api/shares", response_model=forms.Links)
    def shares(caller: Sharer) -> dict[str, Any]:
        """One's own links; those of all where one administers."""
        return {"shares": [forms.link_json(link) for link in keeper.links.all(_maker(caller))]}

    @router.post("/api/shares", status_code=201, response_model=forms.MadeLink, responses=problems(422))
    def make(given: forms.NewLink, request: Request, caller: Sharer) -> dict[str, Any]:
        """Make a link to studies; its secret is in the address, which is shown this once."""
        link, secret = keeper.links.make(
            caller,
            given.studies,
            days=given.days,
            description=given.description,
            passphrase=given.passphrase,
            maximum_uses=given.maximum_uses,
        )
        studies = " ".join(sorted(link.studies))
        _changed(keeper, caller, "Object Security Attributes Changed", f"link {link.id}", studies=studies)
        # After the #: browsers send it to no server and no other page.
        url = f"{request.url.scheme}://{request.url.netloc}/shared#{secret}"
        return {"share": forms.link_json(link), "url": url}

    @router.delete("/api/shares/{share_id}", status_code=204, response_class=Response, responses=problems(404, 422))
    def revoke(share_id: Id, caller: Sharer) -> Response:
        """Let a link open no more, not even for those who have opened it."""
        if keeper.links.revoke(share_id, _maker(caller)) is None:
            raise HTTPException(404, "no such link")
        _changed(keeper, caller, "Object Security Attributes Changed", f"link {share_id}", what="revoked")
        return Response(status_code=204)


def _as_given(keeper: Doorkeeper, name: str, given: forms.AccountForm) -> Account:
    changes: dict[str, Any] = {
        "full_name": given.full_name,
        "roles": frozenset(given.roles),
        "projects": frozenset(given.projects),
        "studies": frozenset(given.studies),
        "active": given.active,
    }
    known = keeper.accounts.find(name)
    return replace(known, **changes) if known else Account(name=name, **changes)


def _require_an_administrator(keeper: Doorkeeper, caller: Caller, changed: Account) -> None:
    """Administrators do not lock themselves out, and there is always one left."""
    others = [account for account in keeper.accounts.all() if account.name != changed.name]
    if not any(_administers(account) for account in (*others, changed)):
        raise InvalidInputError("there must be an account with the role administrator", field="roles")
    if changed.name == caller.name and caller.kind == "account" and not _administers(changed):
        raise InvalidInputError("another administrator has to do that", field="roles")


def _administers(account: Account) -> bool:
    return account.active and Role.ADMINISTRATOR in account.roles


def _maker(caller: Caller) -> str | None:
    return None if caller.may(Permission.ADMINISTER) else caller.name


def _changed(keeper: Doorkeeper, caller: Caller, kind: str, subject: str, **detail: str) -> None:
    keeper.forget()
    keeper.note(caller, "Security Alert", kind, subject=subject, detail=detail)
