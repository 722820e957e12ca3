"""The repository keeps its own rules: sizes, locks without addresses, files that fit in a head."""

import ast
import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def tracked(*patterns):
    done = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_file_is_over_3_megabytes():
    assert [f for f in tracked() if f.stat().st_size > 3_000_000] == []


def test_locks_name_no_address():
    for lock in (ROOT / "requirements").glob("*.lock"):
        assert not re.search(r"https?://|--index-url|--find-links", lock.read_text()), lock
    packages = json.loads((ROOT / "viewer" / "package-lock.json").read_text())["packages"]
    assert [name for name, entry in packages.items() if "resolved" in entry] == []


def test_every_locked_package_has_hashes():
    for lock in (ROOT / "requirements").glob("*.lock"):
        entries = re.split(r"\n(?=\S)", lock.read_text().strip())
        assert all("--hash=sha256:" in entry for entry in entries), lock


def test_source_files_fit_in_a_head():
    files = tracked("src/*.py", "tests/*.py", "validation/*.py")
    assert {file.relative_to(ROOT).parts[0] for file in files} == {"src", "tests", "validation"}
    long = {str(f.relative_to(ROOT)): n for f in files if (n := len(f.read_text().splitlines())) > 400}
    assert long == {}


def test_functions_are_short():
    """95 % of the functions have fewer than 40 lines without their docstring."""
    lengths = []
    for file in tracked("src/*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lengths.append(node.end_lineno - body[0].lineno + 1 if body else 1)
    lengths.sort()
    assert lengths[int(0.95 * len(lengths))] < 40
