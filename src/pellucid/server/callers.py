"""Who sent a request, and what a route needs them to be allowed."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request

from pellucid.access import LOCAL, Caller, Permission

CALLER = "pellucid.caller"
"""Where the layer that finds out who asks notes it in the scope."""


def caller_of(request: Request) -> Caller:
    """Who sent the request."""
    caller: Caller = request.scope.get(CALLER, LOCAL)
    return caller


def needs(permission: Permission) -> Any:
    """A dependency: the caller, who must be allowed this."""

    def check(request: Request) -> Caller:
        caller = caller_of(request)
        if not caller.may(permission):
            raise HTTPException(403, f"{caller.name} may not {permission}")
        return caller

    return Depends(check)


Anyone = Annotated[Caller, Depends(caller_of)]
"""A route for whoever is logged in, or for those who log in just now."""

Finder = Annotated[Caller, needs(Permission.FIND)]
Reader = Annotated[Caller, needs(Permission.READ)]
Storer = Annotated[Caller, needs(Permission.STORE)]
Sharer = Annotated[Caller, needs(Permission.SHARE)]
Administrator = Annotated[Caller, needs(Permission.ADMINISTER)]
Auditor = Annotated[Caller, needs(Permission.AUDIT)]


def is_own(caller: Caller) -> Caller:
    """The caller, who must be a person with an account; not a link, nor who uses the machine without accounts."""
    if caller.kind != "account":
        raise HTTPException(403, "this is for people with an account")
    return caller
