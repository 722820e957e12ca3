"""What those ask who run the server: does it live, can it work, how much does it do."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from pellucid.access import Permission
from pellucid.dicomweb.problems import EVERYWHERE
from pellucid.dicomweb.service import caller_of
from pellucid.server import answers
from pellucid.server.answers import Problem, problems
from pellucid.server.health import readiness
from pellucid.server.metrics import MEDIA_TYPE, Metrics
from pellucid.server.platform import Platform

_NUMBERS: dict[str, Any] = {
    "description": "Prometheus' text format",
    "content": {"text/plain": {"schema": {"type": "string"}}},
}
_NOT_READY: dict[int | str, dict[str, Any]] = {503: {"model": Problem, "description": "The server cannot take work"}}


def operations_api(platform: Platform, metrics: Metrics) -> APIRouter:
    """The routes /health, /ready and /metrics."""
    router = APIRouter(responses=problems(*EVERYWHERE))

    @router.get("/health", response_model=answers.Health)
    async def health() -> dict[str, str]:
        """Say that the server answers."""
        return {"status": "ok"}

    @router.get("/ready", response_model=answers.Ready, responses=_NOT_READY)
    def ready() -> dict[str, Any]:
        """Say whether the server can take work: index, objects, room on the disk, and queue of jobs."""
        checks = readiness(platform)
        wrong = [f"{check.name}: {check.detail}" for check in checks if not check.ok]
        if wrong:
            raise HTTPException(503, "; ".join(wrong))
        return {"status": "ready", "checks": [asdict(check) for check in checks]}

    @router.get("/metrics", response_class=Response, responses={200: _NUMBERS})
    def numbers(request: Request) -> Response:
        """Numbers for Prometheus; where there are accounts, for those who may administer."""
        caller_of(request).require(Permission.ADMINISTER)
        return Response(metrics.text(), media_type=MEDIA_TYPE)

    return router
