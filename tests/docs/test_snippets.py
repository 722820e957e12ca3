"""The Python in the documentation runs: each page's blocks in order, in one namespace, in an empty folder.

A comment `<!-- needs: path below the test data -->` before a block puts that file (or folder) into the folder
by its own name; the page is skipped from there on where the data is absent. `<!-- slow -->` at a page's top keeps
it for the long tests.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"<!-- needs: (?P<needs>\S+) -->|```python\n(?P<code>.*?)```", re.DOTALL)


def _pages() -> list:
    found = []
    for page in PAGES:
        text = page.read_text()
        if "```python" in text:
            marks = [pytest.mark.slow] if text.startswith("<!-- slow -->") else []
            found.append(pytest.param(text, id=page.stem, marks=marks))
    return found


@pytest.mark.parametrize("text", _pages())
def test_page_runs(text, tmp_path, monkeypatch, real_data):
    monkeypatch.chdir(tmp_path)
    namespace: dict = {"__name__": "page"}
    for block in BLOCK.finditer(text):
        if block["needs"]:
            source = real_data(block["needs"]).resolve()
            (tmp_path / source.name).symlink_to(source)
            partner = source.with_suffix(".hdr")
            if source.suffix == ".cfl" and partner.exists():
                (tmp_path / partner.name).symlink_to(partner)
        else:
            line = text[: block.start()].count("\n") + 1
            exec(compile("\n" * line + block["code"], "page", "exec"), namespace)
