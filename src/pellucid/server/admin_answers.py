"""What /api/admin takes and answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from pellucid.access import Permission
from pellucid.server.answers import JobState, ReadinessCheck


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid")


class StorageAmounts(_Form):
    """What is stored, and the room for it; sizes in bytes. `quota_bytes` 0: no limit."""

    studies: int
    series: int
    instances: int
    acquisitions: int
    object_bytes: int
    index_bytes: int
    free_bytes: int
    total_bytes: int
    quota_bytes: int


class Overview(_Form):
    """The server at a glance."""

    version: str
    storage: StorageAmounts
    checks: list[ReadinessCheck]
    jobs_unfinished: int
    associations: int
    deliveries_waiting: int
    deliveries_failed: int


class OwnedJob(JobState):
    """A job and who started it; empty: who uses the machine without accounts."""

    owner: str


class OwnedJobs(_Form):
    """The jobs of all, the newest first."""

    jobs: list[OwnedJob]


class EntityForm(_Form):
    """An application entity: where it is reached, from where it may call, for what, and what it sees."""

    host: str = ""
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    tls: bool = False
    addresses: list[str] = []
    called_titles: list[str] = []
    permissions: list[Permission] = []
    projects: list[str] = []
    description: str = ""


class Entity(EntityForm):
    """An application entity by its title."""

    title: str


class Entities(_Form):
    """Application entities, by title; `permissions`: those that one may have."""

    entities: list[Entity]
    permissions: list[Permission]


class RouteForm(_Form):
    """A rule: new instances that match are sent to the destination."""

    destination: str
    match: dict[str, str] = {}
    enabled: bool = True


class RouteRule(RouteForm):
    """A rule by its name."""

    name: str


class RouteRules(_Form):
    """The rules, by name."""

    routes: list[RouteRule]


class QueuedDelivery(_Form):
    """Something that waits to be delivered, or has failed; times are UTC, ISO 8601."""

    id: int
    kind: Literal["store", "notify", "commit", "begin_step", "end_step"]
    destination: str
    subject: str
    state: Literal["waiting", "failed"]
    attempts: int
    error: str
    created: str
    next_attempt: str


class QueuedDeliveries(_Form):
    """The queue, the oldest first; at most a thousand of `total`."""

    deliveries: list[QueuedDelivery]
    total: int


class Changed(_Form):
    """How many were changed."""

    changed: int
