"""The commands; heavy packages are imported inside them so that `--help` is quick."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from pellucid import __version__
from pellucid.cli import access, archive, archive_care, archive_policy, capture, dimse
from pellucid.errors import CancelledError, InvalidInputError, PellucidError

if TYPE_CHECKING:
    from pellucid.server import Settings as ServerSettings

app = typer.Typer(
    name="pellucid",
    help="Medical imaging from the detector's signal to the reader's picture.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_ANATOMIES = ("brain", "torso")

_SIGNAL_FORMATS = (
    "Data Exchange HDF5 (CT); ISMRMRD, Siemens twix .dat, BART .cfl with .hdr, array .npy (MR); Interfile, "
    "list mode (PET); .pellucid.h5 (all)"
)
File = Annotated[
    Path, Argument(help="A raw signal, an image (DICOM, NIfTI) or a folder with them.", show_default=False)
]
SignalFile = Annotated[
    Path,
    Argument(help=f"A raw signal, or a folder with one: {_SIGNAL_FORMATS}. Not an image.", show_default=False),
]
ImageOutput = Annotated[
    Path,
    Option("--output", "-o", help="A folder (for a DICOM series), or a NIfTI file: .nii.gz, .nii.", show_default=False),
]
ConvertedOutput = Annotated[
    Path,
    Option(
        "--output",
        "-o",
        help="For an image: a folder (for a DICOM series), .nii.gz or .nii. For a raw signal: .pellucid.h5.",
        show_default=False,
    ),
]
Settings = Annotated[
    list[str] | None, Option("--set", help="A parameter as name=value; may be repeated.", metavar="NAME=VALUE")
]
DataFolder = Annotated[Path | None, Option("--data", help="The folder that holds the archive (pellucid-data).")]
Host = Annotated[str | None, Option(help="The address to listen on [127.0.0.1].")]
Port = Annotated[int | None, Option(help="The port to listen on [8470]; 0: any free one.", min=0, max=65535)]


def run(arguments: list[str]) -> int:
    """Run one command; errors are one line on standard error."""
    try:
        result = app(arguments, prog_name="pellucid", standalone_mode=False)
    except InvalidInputError as error:
        return _failed(str(error), 2)
    except (KeyboardInterrupt, CancelledError):
        return _failed("cancelled", 1)
    except PellucidError as error:
        return _failed(str(error), 1)
    except MemoryError:
        return _failed("needs more memory than this machine has; use a smaller image or fewer data", 1)
    except OSError as error:
        return _failed(f"{error.filename or ''}: {error.strerror or error}".lstrip(": "), 1)
    except typer.Exit as leave:
        return int(leave.exit_code)
    except Exception as error:
        if not hasattr(error, "exit_code"):
            raise
        return _usage_error(error)
    return result if isinstance(result, int) else 0


@app.command()
def reconstruct(
    file: SignalFile,
    output: ImageOutput,
    method: Annotated[
        str | None, Option(help="The method's name; `pellucid info FILE` lists them with their parameters.")
    ] = None,
    settings: Settings = None,
) -> None:
    """Make an image from a raw signal."""
    from pellucid import verbs
    from pellucid.acquisition import Acquisition
    from pellucid.cli.display import bar
    from pellucid.image import Image

    parameters = _pairs(settings)
    verbs.require_place(Image, output)
    raw = verbs.read(file, Acquisition)
    if not isinstance(raw, Acquisition):
        raise InvalidInputError(
            "holds an image; expected a raw signal. `pellucid convert` writes images in other formats", file=file
        )
    with bar("reconstruct") as progress:
        image = verbs.reconstruct(raw, method, progress=progress, **parameters)
    _say_saved(verbs.save(image, output))


@app.command()
def scan(
    protocol: Annotated[
        str, Argument(help="modality/protocol, such as mr/t1_gre; --list shows all.", show_default=False)
    ] = "",
    output: Annotated[Path | None, Option("--output", "-o", help="The file to write: *.pellucid.h5.")] = None,
    anatomy: Annotated[str, Option(help=f"The digital patient: {' or '.join(_ANATOMIES)}.")] = "brain",
    seed: Annotated[int, Option(help="Seed of the noise.", min=0)] = 0,
    settings: Settings = None,
    show: Annotated[
        bool, Option("--list", help="List the protocols and their settings; with a protocol, its own values.")
    ] = False,
) -> None:
    """Scan a digital patient: make a raw signal."""
    from pellucid import anatomy as anatomies
    from pellucid import verbs
    from pellucid.acquisition import Acquisition
    from pellucid.cli.display import bar, protocols
    from pellucid.errors import UnknownOptionError

    if show:
        typer.echo(protocols(protocol))
        return
    if not protocol or output is None:
        raise InvalidInputError(
            "needs modality/protocol and --output; `pellucid scan --list` shows the protocols", field="scan"
        )
    if anatomy not in _ANATOMIES:
        raise UnknownOptionError("anatomy", anatomy, _ANATOMIES)
    changes = _pairs(settings)
    verbs.require_place(Acquisition, output)
    with bar(f"scan {protocol}") as progress:
        patient = getattr(anatomies, anatomy)()
        raw = verbs.scan(patient, protocol, seed=seed, progress=progress, **changes)
    _say_saved(verbs.save(raw, output))


@app.command()
def info(
    path: File,
    as_json: Annotated[bool, Option("--json", help="Print JSON.")] = False,
    check: Annotated[
        bool, Option("--check", help="Check DICOM files against the standard; 1 where one fails.")
    ] = False,
) -> None:
    """Say what a file or folder holds, and what can be done with it."""
    from pellucid import verbs
    from pellucid.cli.display import description

    if check:
        problems = verbs.check(path)
        typer.echo(json.dumps({"path": str(path), "problems": problems}) if as_json else "\n".join(problems) or "valid")
        raise typer.Exit(code=1 if problems else 0)
    found = verbs.describe(path)
    typer.echo(json.dumps(found, indent=2) if as_json else description(found))


@app.command()
def convert(file: File, output: ConvertedOutput) -> None:
    """Write an image or a raw signal in another format.

    An image (DICOM, NIfTI) becomes a DICOM series or NIfTI; a raw signal of any known format becomes .pellucid.h5.
    """
    from pellucid import verbs

    _say_saved(verbs.save(verbs.read(file), output))


@app.command()
def serve(
    data: DataFolder = None,
    host: Host = None,
    port: Port = None,
    dimse_port: Annotated[int | None, Option(help="Serve DICOM associations on this port.", min=0, max=65535)] = None,
    dimse_host: Annotated[str | None, Option(help="The address for them [127.0.0.1].")] = None,
    aet: Annotated[str | None, Option(help="The AE titles to be called by, with commas [PELLUCID].")] = None,
    tls_certificate: Annotated[
        Path | None, Option(help="PEM file of the certificate (and its chain) for HTTPS.")
    ] = None,
    tls_key: Annotated[Path | None, Option(help="PEM file of its key.")] = None,
) -> None:
    """Start the archive, the viewer and the job server."""
    from pellucid.server import serve as start

    network = {"dimse_port": dimse_port, "dimse_host": dimse_host, "aet": aet}
    settings = _server_settings(data, host, port, **network, tls_certificate=tls_certificate, tls_key=tls_key)
    start(settings, ready=lambda address: typer.echo(f"Pellucid is ready: {address}"))


@app.command()
def demo(data: DataFolder = None, host: Host = None, port: Port = None) -> None:
    """Start the server with a demonstration patient, scanned on the first start."""
    from pellucid.cli.display import bar
    from pellucid.demo import start_with_demonstration

    start_with_demonstration(_server_settings(data, host, port), bar)


access.register(app)
archive.register(app)
archive_care.register(app)
archive_policy.register(app)
dimse.register(app)
capture.register(app)


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, Option("--version", help="Print the version.")] = False,
    threads: Annotated[int | None, Option(help="Threads to compute with (default: all cores).", min=1)] = None,
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit
    if threads is not None:
        os.environ["PELLUCID_THREADS"] = os.environ["NUMBA_NUM_THREADS"] = str(threads)


def _server_settings(data: Path | None, host: str | None, port: int | None, **more: Any) -> ServerSettings:
    """Settings: what was given here, else the environment, `pellucid.toml` and the defaults."""
    from pellucid.server import Settings

    given: dict[str, Any] = {"data": data, "host": host, "port": port, **more}
    return Settings(**{name: value for name, value in given.items() if value is not None})


def _pairs(settings: list[str] | None) -> dict[str, Any]:
    pairs: dict[str, Any] = {}
    for text in settings or []:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise InvalidInputError(f"is {text!r}; expected name=value", field="--set")
        pairs[name.strip()] = value.strip()
    return pairs


def _say_saved(paths: list[Path]) -> None:
    if len(paths) == 1:
        typer.echo(f"wrote {paths[0]}")
    else:
        number = paths[0].name.partition("-")[0]
        beside = f" as series {int(number)}, beside what was there" if number.isdigit() and int(number) > 1 else ""
        typer.echo(f"wrote {len(paths)} files to {paths[0].parent}{beside}")


def _failed(message: str, code: int) -> int:
    print(f"pellucid: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201
    return code


def _usage_error(error: Any) -> int:
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    return _failed(f"{message} (see pellucid --help)", int(error.exit_code) or 2)
