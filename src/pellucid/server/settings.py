"""Settings: arguments, then `PELLUCID_…` environment variables, then `pellucid.toml`, then defaults."""

from __future__ import annotations

import socket
from pathlib import Path
from tomllib import TOMLDecodeError
from typing import Annotated, Any

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from pellucid.archive.places import Places
from pellucid.archive.policies import Policies
from pellucid.archive.transcoding_rules import TranscodingRule
from pellucid.errors import InvalidInputError, UnknownOptionError
from pellucid.server.access_settings import AccessSettings
from pellucid.server.logs import LogFormat, LogLevel

_FILE = "pellucid.toml"
Bytes = Annotated[int, Field(gt=0)]


class Settings(BaseSettings, AccessSettings):
    """How the server runs; who may come in: see `AccessSettings`.

    `data`: folder of the archive; everything the server writes is in it. `database`: a PostgreSQL URL for the index
    (none: SQLite in the folder). `objects`: s3://bucket/prefix for the objects (none: the folder); `copies_bytes`:
    how much of what lies in a bucket is kept in the folder too. `policies`: of storing (`archive.Policies`).
    `host`, `port`: where it listens; `web_address`: where others reach it (https://pacs.example; none: made from host,
    `names` and port), for addresses given to them.
    `upload_bytes`: largest upload, and what a zip file may expand to [byte]; `upload_files`: most files of one
    upload, those in zip files counted. `instance_bytes`: largest DICOM file [byte]. `job_workers`: long jobs
    at the same time. `job_history`: ended jobs that are remembered. `minimum_free_bytes`: with less room left for
    objects the server is not ready [byte]. `log_format`: text or json lines on standard error; `log_level`: from
    which level on; info logs every request. `grace_seconds`: how long requests and jobs may go on when it stops.
    `transcode`: rules that give what arrives another transfer syntax, without loss (docs/codecs.md).
    `derived_bytes`: how much of what was made from objects (frames in other transfer syntaxes, pictures) is kept.
    `dimse_port`: where DICOM associations are served (none: nowhere), at `dimse_host`; `aet`: AE titles, separated
    by commas; `dimse_processes`: that share the work (0: in the server's own); `dimse_associations`: at a time in
    each; `dimse_private_storage`: private SOP classes and transfer syntaxes are stored too. `dimse_certificate`,
    `dimse_key`, `dimse_authorities`: PEM files for TLS; `dimse_require_certificate`: only partners with one are served.
    `procedure_steps_to`: AE title of the partner that is told what captures make of scheduled steps (none: nobody).
    """

    model_config = SettingsConfigDict(
        env_prefix="PELLUCID_", env_nested_delimiter="__", toml_file=_FILE, extra="forbid", frozen=True
    )

    data: Path = Path("pellucid-data")
    database: str = ""
    objects: str = ""
    copies_bytes: Bytes = 8 << 30
    policies: Policies = Policies()
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8470
    web_address: Annotated[str, Field(pattern=r"^(https?://[^\s?#]+)?$")] = ""
    upload_bytes: Bytes = 16 << 30
    upload_files: Annotated[int, Field(gt=0)] = 20_000
    instance_bytes: Bytes = 4 << 30
    job_workers: Annotated[int, Field(ge=1, le=64)] = 1
    job_history: Annotated[int, Field(ge=1)] = 200
    minimum_free_bytes: Bytes = 1 << 30
    log_format: LogFormat = "text"
    log_level: LogLevel = "warning"
    grace_seconds: Annotated[int, Field(ge=0, le=3600)] = 10
    transcode: tuple[TranscodingRule, ...] = ()
    derived_bytes: Bytes = 4 << 30
    dimse_host: str = "127.0.0.1"
    dimse_port: Annotated[int, Field(ge=0, le=65535)] | None = None
    aet: str = "PELLUCID"
    dimse_processes: Annotated[int, Field(ge=0, le=64)] = 1
    dimse_associations: Annotated[int, Field(ge=1, le=1000)] = 64
    dimse_private_storage: bool = False
    dimse_certificate: Path | None = None
    dimse_key: Path | None = None
    dimse_authorities: Path | None = None
    dimse_require_certificate: bool = False
    procedure_steps_to: str = ""

    def reached_at(self, port: int) -> str:
        """The address that others reach the server at; `port`: the one that it listens on."""
        if self.web_address:
            return self.web_address.rstrip("/")
        everywhere = self.host in ("0.0.0.0", "::")  # noqa: S104 (compared, not listened on)
        host = self.names[0] if self.names else socket.getfqdn() if everywhere else self.host
        return f"{'https' if self.tls_certificate else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"

    def places(self) -> Places:
        """Where the archive keeps its index and its objects."""
        return Places(database=self.database, objects=self.objects, copies_bytes=self.copies_bytes)

    def __init__(self, **values: Any) -> None:
        """Raises `InvalidInputError` naming the setting that is unknown or cannot be used, or the unreadable file."""
        try:
            super().__init__(**values)
        except ValidationError as error:
            first = error.errors()[0]
            if first["type"] == "extra_forbidden" and len(first["loc"]) == 1:
                raise UnknownOptionError("setting", str(first["loc"][0]), type(self).model_fields) from None
            name = ".".join(str(part) for part in first["loc"])
            raise InvalidInputError(f"is {first['input']!r}: {first['msg']}", field=f"setting {name}") from None
        except (TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            raise InvalidInputError(f"cannot be read ({error})", file=_FILE) from error

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (the base class names it)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, the file last."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)
