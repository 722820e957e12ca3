"""Backups: the index as tables of JSON lines, the objects by their names, several snapshots in one folder."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Integer, MetaData, Table, func, insert, select, text

from pellucid.archive.database import Database
from pellucid.archive.objects import ObjectDamagedError, key_of, sha256_of
from pellucid.archive.places import Places
from pellucid.archive.schema import VERSION
from pellucid.archive.workplace import Workplace
from pellucid.errors import InvalidInputError
from pellucid.progress import Progress, no_progress

if TYPE_CHECKING:
    from pellucid.archive.archive import Archive

_FORMAT = "pellucid-backup"
_VERSION_TABLE = "alembic_version"
_ROWS = 500
_OBJECTS, _SNAPSHOTS, _FILES = "objects", "snapshots", "files"


@dataclass
class Backup:
    """A snapshot that was written, or restored; `missing`: objects that the index names and the archive has not."""

    name: str
    rows: int = 0
    objects: int = 0
    copied: int = 0
    copied_bytes: int = 0
    missing: list[str] = field(default_factory=list)


def back_up(archive: Archive, target: Path, *, keep: int = 0, progress: Progress = no_progress) -> Backup:
    """Add a snapshot of the archive to the backup folder `target`; objects that are there already are not copied.

    The tables are those of one moment; the archive may be in use. `keep`: so many snapshots stay, and the objects that
    they name (0: all). Objects are compared with their checksums as they are copied.
    """
    made = Backup(name=datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ"))
    partial = target / _SNAPSHOTS / f".{made.name}"
    partial.mkdir(parents=True)
    try:
        tables, names = _write_tables(archive, partial, progress)
        files = _copy_databases(archive, partial)
        _copy_objects(archive, target, names, made, progress)
        made.rows = sum(table["rows"] for table in tables.values())
        manifest = {"format": _FORMAT, "schema": VERSION, "created": made.name, "tables": tables, "files": files}
        (partial / "objects.txt").write_text("".join(f"{name}\n" for name in sorted(names)), "ascii")
        (partial / "manifest.json").write_text(json.dumps(manifest, indent=1), "utf-8")
        _to_disk(partial)
        partial.rename(partial.with_name(made.name))
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    if keep:
        _forget(target, keep)
    return made


def snapshots(source: Path) -> list[str]:
    """The snapshots in a backup folder, the oldest first."""
    folder = source / _SNAPSHOTS
    found = folder.iterdir() if folder.is_dir() else iter(())
    return sorted(path.name for path in found if (path / "manifest.json").is_file())


def verify_backup(source: Path, progress: Progress = no_progress) -> list[str]:
    """Read all snapshots and objects again; a line for each that is missing or damaged."""
    problems, names = [], set[str]()
    for name in _required(source):
        folder = source / _SNAPSHOTS / name
        for table, known in _manifest(folder)["tables"].items():
            file = folder / f"{table}.jsonl.gz"
            if not file.is_file() or sha256_of(file) != known["sha256"]:
                problems.append(f"{name}: table {table} is missing or damaged")
        names |= set((folder / "objects.txt").read_text("ascii").split())
    for number, name in enumerate(sorted(names)):
        progress(number / len(names), f"{number} of {len(names)} objects")
        file = source / _OBJECTS / key_of(name)
        if not file.is_file():
            problems.append(f"object {name} is missing")
        elif sha256_of(file) != name:
            problems.append(f"object {name} is damaged")
    return problems


def restore(
    source: Path, folder: Path, *, snapshot: str = "", places: Places | None = None, progress: Progress = no_progress
) -> Backup:
    """Make an archive in an empty folder (and database) from a snapshot (default: the newest).

    Raises `InvalidInputError` where the target is not empty, or the backup is damaged or of a newer version.
    """
    known = _required(source)
    name = snapshot or known[-1]
    if name not in known:
        raise InvalidInputError(f"has no snapshot {name!r}; it has {', '.join(known)}", file=source)
    taken, chosen = source / _SNAPSHOTS / name, places or Places()
    manifest = _manifest(taken)
    if manifest["schema"] > VERSION:
        raise InvalidInputError(f"is of schema {manifest['schema']}; this program knows up to {VERSION}", file=taken)
    _require_empty(folder, chosen)
    restored = Backup(name=name)
    _restore_objects(source, taken, folder, chosen, restored, progress)
    _restore_tables(taken, manifest, chosen.index(folder), restored)
    for file in manifest["files"]:
        shutil.copyfile(taken / _FILES / file, folder / file)
    Database(chosen.index(folder)).close()  # brought up to date
    return restored


# Writing


def _write_tables(archive: Archive, folder: Path, progress: Progress) -> tuple[dict[str, Any], set[str]]:
    """All tables as of one moment, and the names of the objects that they name."""
    tables: dict[str, Any] = {}
    names: set[str] = set()
    with archive.reading() as session:
        known = MetaData()
        known.reflect(session.connection())
        for number, table in enumerate(known.sorted_tables):
            progress(0.1 * number / len(known.sorted_tables), f"table {table.name}")
            if table.name == _VERSION_TABLE:
                continue
            file = folder / f"{table.name}.jsonl.gz"
            rows = _write_table(session.connection(), table, file, names)
            tables[table.name] = {"rows": rows, "sha256": sha256_of(file)}
    return tables, names


def _write_table(connection: Any, table: Table, file: Path, names: set[str]) -> int:
    rows = 0
    with gzip.open(file, "wt", encoding="utf-8", compresslevel=3) as target:
        for row in connection.execution_options(yield_per=_ROWS).execute(select(table)).mappings():
            target.write(json.dumps(dict(row), ensure_ascii=False) + "\n")
            if "object_sha256" in row:
                names.add(row["object_sha256"])
            rows += 1
    return rows


def _copy_databases(archive: Archive, folder: Path) -> list[str]:
    """Other SQLite files of the data folder, such as the audit trail, by SQLite's own backup."""
    (folder / _FILES).mkdir()
    copied = []
    for file in sorted(archive.folder.glob("*.sqlite")):
        if file.name != "index.sqlite":
            with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(folder / _FILES / file.name)) as to:
                source.backup(to)
            copied.append(file.name)
    return copied


def _copy_objects(archive: Archive, target: Path, names: set[str], made: Backup, progress: Progress) -> None:
    for number, name in enumerate(sorted(names)):
        progress(0.1 + 0.9 * number / len(names), f"{number} of {len(names)} objects")
        made.objects += 1
        file = target / _OBJECTS / key_of(name)
        if file.is_file():
            continue
        try:
            with archive.objects.open(name) as source:
                made.copied_bytes += _copy(source, file, name)
            made.copied += 1
        except ObjectDamagedError:
            made.missing.append(name)


def _copy(source: Any, file: Path, name: str) -> int:
    """Copy an object, compared with its checksum; its size."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial, digest, size = file.with_name(f".{name}"), hashlib.sha256(), 0
    with partial.open("wb") as target:
        while chunk := source.read(1 << 20):
            digest.update(chunk)
            target.write(chunk)
            size += len(chunk)
        target.flush()
        os.fsync(target.fileno())
    if digest.hexdigest() != name:
        partial.unlink()
        raise ObjectDamagedError(f"object {name} does not have its checksum")
    partial.replace(file)
    return size


def _to_disk(folder: Path) -> None:
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb+") as opened:
                os.fsync(opened.fileno())


def _forget(target: Path, keep: int) -> None:
    for name in snapshots(target)[:-keep]:
        shutil.rmtree(target / _SNAPSHOTS / name)
    needed: set[str] = set()
    for name in snapshots(target):
        needed |= set((target / _SNAPSHOTS / name / "objects.txt").read_text("ascii").split())
    for file in (target / _OBJECTS).glob("??/*"):
        if file.name not in needed:
            file.unlink()


# Restoring


def _required(source: Path) -> list[str]:
    known = snapshots(source)
    if not known:
        raise InvalidInputError("has no snapshots: not a backup", file=source)
    return known


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"cannot be read ({error})", file=folder) from error
    if manifest.get("format") != _FORMAT:
        raise InvalidInputError("is not a backup of Pellucid", file=folder)
    return manifest


def _require_empty(folder: Path, places: Places) -> None:
    if folder.exists() and any(folder.iterdir()):
        raise InvalidInputError("is not empty; expected a new folder", file=folder)
    if places.database:
        database = Database(places.database)
        with closing(database), database.reading() as session:
            if session.scalar(text("SELECT count(*) FROM studies")):
                raise InvalidInputError("is not empty; expected a new database", field="setting database")


def _restore_objects(
    source: Path, taken: Path, folder: Path, places: Places, restored: Backup, progress: Progress
) -> None:
    names = (taken / "objects.txt").read_text("ascii").split()
    workplace = Workplace(folder / "incoming", lambda _names: None)
    try:
        objects = places.open_objects(folder, workplace)
        for number, name in enumerate(names):
            progress(number / len(names), f"{number} of {len(names)} objects")
            file = source / _OBJECTS / key_of(name)
            restored.objects += 1
            if not file.is_file() or sha256_of(file) != name:
                restored.missing.append(name)
                continue
            objects.put(file)
            objects.release(name)
            restored.copied += 1
            restored.copied_bytes += file.stat().st_size
    finally:
        workplace.close()


def _restore_tables(taken: Path, manifest: dict[str, Any], index: Path | str, restored: Backup) -> None:
    database = Database(index, version=manifest["schema"])
    try:
        known = MetaData()
        known.reflect(database.engine)
        with database.writing() as session:
            connection = session.connection()
            for table in known.sorted_tables:
                if table.name not in manifest["tables"]:
                    continue
                file = taken / f"{table.name}.jsonl.gz"
                if sha256_of(file) != manifest["tables"][table.name]["sha256"]:
                    raise InvalidInputError("is damaged", file=file)
                for rows in _rows(file):
                    connection.execute(insert(table), rows)
                    restored.rows += len(rows)
                _count_on(connection, table)
    finally:
        database.close()


def _rows(file: Path) -> Iterator[list[dict[str, Any]]]:
    waiting = []
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for line in lines:
            waiting.append(json.loads(line))
            if len(waiting) >= _ROWS:
                yield waiting
                waiting = []
    if waiting:
        yield waiting


def _count_on(connection: Any, table: Table) -> None:
    """PostgreSQL's own numbers go on after those that were restored."""
    if connection.dialect.name != "postgresql":
        return
    keys = list(table.primary_key.columns)
    if len(keys) != 1 or not isinstance(keys[0].type, Integer):
        return
    sequence = connection.scalar(select(func.pg_get_serial_sequence(table.name, keys[0].name)))
    highest = connection.scalar(select(func.max(keys[0])))
    if sequence and highest:
        connection.execute(select(func.setval(sequence, highest)))
