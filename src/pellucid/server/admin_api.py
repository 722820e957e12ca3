"""What an administrator sees and changes: storage, jobs of all, application entities, routing rules and the queue."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException
from fastapi import Path as PathParameter
from fastapi.responses import Response
from sqlalchemy import func, select

from pellucid import __version__
from pellucid.access import Caller, Permission
from pellucid.dicomweb.problems import EVERYWHERE
from pellucid.dimse.deliveries import Deliveries, Delivery
from pellucid.dimse.partners import ApplicationEntity, Partners
from pellucid.dimse.routing import Route, Routes
from pellucid.dimse.tables import DeliveryRow
from pellucid.server import admin_answers as forms
from pellucid.server.answers import problems
from pellucid.server.callers import Administrator
from pellucid.server.health import readiness
from pellucid.server.job import Job
from pellucid.server.platform import Platform

_JobId = Annotated[str, PathParameter(pattern="^[0-9a-f]{32}$")]
_Title = Annotated[str, PathParameter(max_length=64)]
_Number = Annotated[int, PathParameter(ge=1, le=1 << 62)]
_OF_ENTITIES = (Permission.FIND, Permission.READ, Permission.STORE, Permission.SCHEDULE)


def admin_api(platform: Platform) -> APIRouter:
    """The routes below /api/admin."""
    router = APIRouter(responses=problems(*EVERYWHERE), tags=["administration"])
    _add_overview(router, platform)
    _add_jobs(router, platform)
    _add_entities(router, platform)
    _add_routes(router, platform)
    _add_deliveries(router, platform)
    return router


def _add_overview(router: APIRouter, platform: Platform) -> None:
    @router.get("/api/admin/overview", response_model=forms.Overview)
    def overview(_caller: Administrator) -> dict[str, Any]:
        """The server at a glance: storage, readiness, and what is at work."""
        states = _delivery_states(platform)
        return {
            "version": __version__,
            "storage": {
                **asdict(platform.storage.amounts()),
                "free_bytes": platform.storage.free_bytes(),
                "total_bytes": platform.storage.total_bytes(),
                "quota_bytes": platform.settings.policies.quota_bytes,
            },
            "checks": [asdict(check) for check in readiness(platform)],
            "jobs_unfinished": platform.jobs.unfinished(),
            "associations": platform.open_associations(),
            "deliveries_waiting": states.get("waiting", 0),
            "deliveries_failed": states.get("failed", 0),
        }


def _add_jobs(router: APIRouter, platform: Platform) -> None:
    @router.get("/api/admin/jobs", response_model=forms.OwnedJobs)
    def jobs(_caller: Administrator) -> dict[str, Any]:
        """The jobs of all, the newest first."""
        return {"jobs": [_owned(job) for job in platform.jobs.all()]}

    @router.delete(
        "/api/admin/jobs/{job_id}", status_code=202, response_model=forms.OwnedJob, responses=problems(404, 422)
    )
    def cancel(job_id: _JobId, caller: Administrator) -> dict[str, Any]:
        """Ask anybody's job to stop."""
        job = platform.jobs.cancel(job_id)
        if job is None:
            raise HTTPException(404, "no such job")
        _note(platform, caller, f"job of {job.owner or 'local'} cancelled")
        return _owned(job)


def _add_entities(router: APIRouter, platform: Platform) -> None:
    partners = Partners(platform.archive)

    @router.get("/api/admin/entities", response_model=forms.Entities)
    def entities(_caller: Administrator) -> dict[str, Any]:
        """Application entities that may call, or that are called."""
        return {"entities": [_entity(one) for one in partners.all()], "permissions": list(_OF_ENTITIES)}

    @router.put("/api/admin/entities/{title}", response_model=forms.Entity, responses=problems(422))
    def put(title: _Title, given: forms.EntityForm, caller: Administrator) -> dict[str, Any]:
        """Add an application entity, or change the one of that title."""
        entity = ApplicationEntity(
            title=title,
            host=given.host,
            port=given.port,
            tls=given.tls,
            addresses=tuple(given.addresses),
            called_titles=tuple(given.called_titles),
            permissions=frozenset(given.permissions),
            projects=frozenset(given.projects),
            description=given.description,
        )
        partners.put(entity)
        _note(platform, caller, f"application entity {title}")
        return _entity(entity)

    @router.delete(
        "/api/admin/entities/{title}", status_code=204, response_class=Response, responses=problems(404, 422)
    )
    def remove(title: _Title, caller: Administrator) -> Response:
        """Remove an application entity."""
        return _removed(platform, caller, f"application entity {title}", there=partners.remove(title))


def _add_routes(router: APIRouter, platform: Platform) -> None:
    rules = Routes(platform.archive)

    @router.get("/api/admin/routes", response_model=forms.RouteRules)
    def routes(_caller: Administrator) -> dict[str, Any]:
        """The rules that send new instances on."""
        return {"routes": [_route(rule) for rule in rules.all()]}

    @router.put("/api/admin/routes/{name}", response_model=forms.RouteRule, responses=problems(422))
    def put(name: _Title, given: forms.RouteForm, caller: Administrator) -> dict[str, Any]:
        """Add a rule, or change the one of that name."""
        rule = Route(name=name, destination=given.destination, match=given.match, enabled=given.enabled)
        rules.put(rule)
        _note(platform, caller, f"route {name}")
        return _route(rule)

    @router.delete("/api/admin/routes/{name}", status_code=204, response_class=Response, responses=problems(404, 422))
    def remove(name: _Title, caller: Administrator) -> Response:
        """Remove a rule; what it has put into the queue stays there."""
        return _removed(platform, caller, f"route {name}", there=rules.remove(name))


def _add_deliveries(router: APIRouter, platform: Platform) -> None:
    queue = Deliveries(platform.archive)

    @router.get("/api/admin/deliveries", response_model=forms.QueuedDeliveries)
    def deliveries(_caller: Administrator) -> dict[str, Any]:
        """What waits to be delivered, or has failed."""
        return {
            "deliveries": [_delivery(one) for one in queue.all()],
            "total": sum(_delivery_states(platform).values()),
        }

    @router.post("/api/admin/deliveries/retry", response_model=forms.Changed)
    def retry_all(caller: Administrator) -> dict[str, int]:
        """Try everything in the queue again at once."""
        _note(platform, caller, "all deliveries tried again")
        return {"changed": queue.retry()}

    @router.post("/api/admin/deliveries/{number}/retry", response_model=forms.Changed, responses=problems(404, 422))
    def retry(number: _Number, caller: Administrator) -> dict[str, int]:
        """Try one again at once."""
        changed = queue.retry([number])
        if not changed:
            raise HTTPException(404, "no such delivery")
        _note(platform, caller, "delivery tried again")
        return {"changed": changed}

    @router.delete(
        "/api/admin/deliveries/{number}", status_code=204, response_class=Response, responses=problems(404, 422)
    )
    def cancel(number: _Number, caller: Administrator) -> Response:
        """Give one up."""
        return _removed(platform, caller, "delivery cancelled", there=bool(queue.cancel([number])))


def _removed(platform: Platform, caller: Caller, what: str, *, there: bool) -> Response:
    if not there:
        raise HTTPException(404, "there is no such thing")
    _note(platform, caller, f"{what} removed")
    return Response(status_code=204)


def _note(platform: Platform, caller: Caller, subject: str) -> None:
    platform.keeper.note(caller, "Security Alert", "Network Configuration", subject=subject)


def _delivery_states(platform: Platform) -> dict[str, int]:
    with platform.archive.reading() as session:
        rows = session.execute(select(DeliveryRow.state, func.count()).group_by(DeliveryRow.state)).all()
    return {state: count for state, count in rows}  # noqa: C416 (rows are not pairs to the type checker)


def _owned(job: Job) -> dict[str, Any]:
    return {**job.to_json(), "owner": job.owner}


def _entity(entity: ApplicationEntity) -> dict[str, Any]:
    return {
        "title": entity.title,
        "host": entity.host,
        "port": entity.port,
        "tls": entity.tls,
        "addresses": list(entity.addresses),
        "called_titles": list(entity.called_titles),
        "permissions": sorted(entity.permissions),
        "projects": sorted(entity.projects),
        "description": entity.description,
    }


def _route(rule: Route) -> dict[str, Any]:
    return {
        "name": rule.name,
        "destination": rule.destination,
        "match": dict(rule.match),
        "enabled": rule.enabled,
    }


def _delivery(one: Delivery) -> dict[str, Any]:
    return {
        "id": one.id,
        "kind": one.kind,
        "destination": one.destination,
        "subject": one.subject,
        "state": one.state,
        "attempts": one.attempts,
        "error": one.error,
        "created": _time(one.created),
        "next_attempt": _time(one.next_attempt),
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
