"""Logging in and out: with a password, at an identity provider, or with a link."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from pellucid.access import Caller, Outcome
from pellucid.access.accounts import Accounts, LoginRefusedError
from pellucid.access.doorkeeper import NOBODY, Doorkeeper
from pellucid.access.login_attempts import TooManyAttemptsError
from pellucid.access.oidc import IdentityError, Provider
from pellucid.access.share_links import LinkRefusedError
from pellucid.dicomweb.problems import EVERYWHERE
from pellucid.server import access_answers as forms
from pellucid.server.answers import problems
from pellucid.server.authentication import session_cookie, session_of
from pellucid.server.callers import Anyone, is_own
from pellucid.server.request_limits import Throttle

_STATE_COOKIE = "pellucid_login"
_STATE_SECONDS = 600
_LOGOUT_BYTES = 20_000
_REFUSED = (401, 422, 429)


def session_api(keeper: Doorkeeper) -> APIRouter:
    """The routes of /api/session and /api/login."""
    router = APIRouter(responses=problems(*EVERYWHERE), tags=["access"])
    failures = Throttle(per_second=1 / 20, burst=30)
    """Of one address, whatever names it tries."""
    _add_session(router, keeper, failures)
    _add_password(router, keeper)
    _add_links(router, keeper, failures)
    _add_provider(router, keeper)
    return router


def _add_session(router: APIRouter, keeper: Doorkeeper, failures: Throttle) -> None:
    @router.get("/api/session", response_model=forms.SessionState)
    def state(caller: Anyone) -> dict[str, Any]:
        """Say who asks, and whether and how one must log in."""
        return _state(keeper, caller)

    @router.post("/api/session", response_model=forms.SessionState, responses=problems(*_REFUSED))
    def log_in(given: forms.Credentials, request: Request, response: Response, caller: Anyone) -> dict[str, Any]:
        """Log in with name and password; the answer sets a cookie."""
        who = given.name[:128]
        try:
            failures.require(caller.address)
            account = keeper.accounts.log_in(given.name, given.password)
        except (LoginRefusedError, TooManyAttemptsError) as error:
            failures.take(caller.address)
            keeper.note(caller, "User Authentication", "Login", outcome=Outcome.MINOR_FAILURE, subject=who)
            raise _refused(error) from error
        found = account.caller(caller.address)
        keeper.note(found, "User Authentication", "Login", subject=who)
        _begin(keeper, request, response, account=account.name, address=caller.address)
        return _state(keeper, found)

    @router.delete("/api/session", status_code=204, response_class=Response)
    def log_out(request: Request, caller: Anyone) -> Response:
        """End the session of this browser."""
        token = session_of(request.scope)
        if token:
            keeper.sessions.end(token)
            keeper.forget()
            keeper.note(caller, "User Authentication", "Logout")
        return _forgotten(request)

    @router.delete("/api/sessions", status_code=204, response_class=Response)
    def log_out_everywhere(request: Request, caller: Anyone) -> Response:
        """End all sessions of this person, here and elsewhere; tokens stay."""
        keeper.sessions.end_all(account=is_own(caller).name)
        keeper.forget()
        keeper.note(caller, "User Authentication", "Logout", subject="everywhere")
        return _forgotten(request)


def _add_password(router: APIRouter, keeper: Doorkeeper) -> None:
    @router.put("/api/session/password", response_model=forms.SessionState, responses=problems(*_REFUSED))
    def change(given: forms.NewPassword, request: Request, response: Response, caller: Anyone) -> dict[str, Any]:
        """Change one's own password; all other sessions end."""
        name = is_own(caller).name
        try:
            keeper.accounts.log_in(name, given.current)
        except (LoginRefusedError, TooManyAttemptsError) as error:
            raise _refused(error) from error
        keeper.accounts.set_password(name, given.password)
        keeper.forget()
        keeper.note(caller, "Security Alert", "User security Attributes Changed", subject=name)
        _begin(keeper, request, response, account=name, address=caller.address)
        return _state(keeper, caller)


def _add_links(router: APIRouter, keeper: Doorkeeper, failures: Throttle) -> None:
    @router.post("/api/shares/open", response_model=forms.OpenedLink, responses=problems(*_REFUSED))
    def open_link(given: forms.LinkSecret, request: Request, response: Response, caller: Anyone) -> dict[str, Any]:
        """Open a link: this browser then sees its studies, and nothing else."""
        try:
            failures.require(caller.address)
            link = keeper.links.open(given.token, given.passphrase)
        except (LinkRefusedError, TooManyAttemptsError) as error:
            failures.take(caller.address)
            keeper.note(caller, "User Authentication", "Login", outcome=Outcome.MINOR_FAILURE, subject="a link")
            raise _refused(error) from error
        keeper.note(link.caller(caller.address), "User Authentication", "Login", subject=f"link {link.id}")
        _begin(keeper, request, response, link=link.id, address=caller.address, ends=link.expires)
        return {"studies": sorted(link.studies)}


def _add_provider(router: APIRouter, keeper: Doorkeeper) -> None:
    @router.get("/api/login/oidc", include_in_schema=False)
    def begin(request: Request) -> Response:
        """Send the browser to the identity provider."""
        try:
            address, state = _provider(keeper).begin(_callback(request))
        except IdentityError as error:
            return _back(request, str(error))
        response = RedirectResponse(address, 303)
        # Lax: the provider's answer comes from another site.
        response.set_cookie(
            _STATE_COOKIE,
            state,
            max_age=_STATE_SECONDS,
            path="/api/login",
            secure=_is_secure(request),
            httponly=True,
            samesite="lax",
        )
        return response

    @router.get("/api/login/oidc/callback", include_in_schema=False)
    def finish(request: Request, caller: Anyone) -> Response:
        """Log in whom the identity provider sends back."""
        try:
            identity = _provider(keeper).finish(request.query_params, request.cookies.get(_STATE_COOKIE, ""))
            account = keeper.account_of(identity)
        except IdentityError as error:
            keeper.note(caller, "User Authentication", "Login", outcome=Outcome.MINOR_FAILURE, subject="provider")
            return _back(request, str(error))
        keeper.note(account.caller(caller.address), "User Authentication", "Login", subject=account.name)
        response = RedirectResponse("/", 303)
        _begin(keeper, request, response, account=account.name, address=caller.address, provider=identity.session)
        response.delete_cookie(_STATE_COOKIE, path="/api/login", secure=_is_secure(request), httponly=True)
        return response

    @router.post("/api/login/oidc/logout", include_in_schema=False)
    async def ended(request: Request) -> Response:
        """The identity provider says that somebody logged out there (Back-Channel Logout 1.0)."""
        body = await request.body()
        if len(body) > _LOGOUT_BYTES:
            raise HTTPException(413, "the logout token is too large")
        (token,) = parse_qs(body.decode("latin-1")).get("logout_token", [""])[:1]
        try:
            await run_in_threadpool(_end_of_provider, keeper, token)
        except IdentityError as error:
            raise HTTPException(400, str(error)) from error
        return JSONResponse({}, headers={"cache-control": "no-store"})


def _end_of_provider(keeper: Doorkeeper, token: str) -> None:
    provider = _provider(keeper)
    session, subject = provider.ended(token)
    if session:
        keeper.sessions.end_of_provider(session)
    else:
        account = keeper.accounts.find_subject(provider.settings.issuer, subject)
        if account is not None:
            keeper.sessions.end_all(account=account.name)
    keeper.forget()
    keeper.note(NOBODY, "User Authentication", "Logout", subject="by the identity provider")


def _state(keeper: Doorkeeper, caller: Caller) -> dict[str, Any]:
    provider = keeper.provider
    return {
        "login_required": keeper.login_required(),
        "caller": forms.caller_json(caller, is_local_account=_has_password(keeper.accounts, caller)),
        "provider": provider.settings.title if provider else None,
    }


def _has_password(accounts: Accounts, caller: Caller) -> bool:
    account = accounts.find(caller.name) if caller.kind == "account" else None
    return account is not None and not account.issuer


def _begin(
    keeper: Doorkeeper,
    request: Request,
    response: Response,
    *,
    address: str,
    account: str = "",
    link: str = "",
    provider: str = "",
    ends: float | None = None,
) -> None:
    """Begin a session, never going on with one that was there before the login."""
    before = session_of(request.scope)
    if before:
        keeper.sessions.end(before)
        keeper.forget()
    token = keeper.sessions.begin(account=account, link=link, address=address, provider_session=provider, ends=ends)
    secure = _is_secure(request)
    response.set_cookie(session_cookie(secure=secure), token, path="/", secure=secure, httponly=True, samesite="strict")


def _forgotten(request: Request) -> Response:
    response = Response(status_code=204)
    secure = _is_secure(request)
    response.delete_cookie(session_cookie(secure=secure), path="/", secure=secure, httponly=True, samesite="strict")
    return response


def _refused(error: Exception) -> HTTPException:
    if isinstance(error, TooManyAttemptsError):
        return HTTPException(429, str(error), {"retry-after": str(error.retry_after_s)})
    return HTTPException(401, str(error), {"www-authenticate": 'Bearer realm="pellucid"'})


def _provider(keeper: Doorkeeper) -> Provider:
    if keeper.provider is None:
        raise HTTPException(404, "there is no identity provider")
    return keeper.provider


def _callback(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}/api/login/oidc/callback"


def _back(request: Request, why: str) -> Response:
    """To the login page, which says what went wrong."""
    return RedirectResponse(
        str(request.url.replace(path="/login", query="", fragment="")) + f"?problem={_plain(why)}", 303
    )


def _plain(text: str) -> str:
    from urllib.parse import quote

    return quote(text[:200])


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https"
