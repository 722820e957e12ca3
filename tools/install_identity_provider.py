"""Install the OpenID provider that the tests log in at: exact versions, no scripts run.

Where it cannot be installed, what needs it is skipped by name.
"""

from __future__ import annotations

import shutil
import sys

from build_viewer import ROOT, BuildError, digest, find_node

FOLDER = ROOT / "tests/access/identity_provider"


def main() -> int:
    """Always exit code 0: tests say what they lack."""
    stamp = FOLDER / "node_modules/.pellucid-stamp"
    wanted = digest([FOLDER / "package.json", FOLDER / "package-lock.json"])
    if stamp.is_file() and stamp.read_text() == wanted:
        return 0
    try:
        node = find_node()
        node.run(node.npm, "ci", "--no-audit", "--no-fund", "--loglevel=error", folder=FOLDER)
    except BuildError as error:
        print(f"Not installed, so what needs it will be skipped: oidc-provider ({error})")
        return 0
    shutil.rmtree(FOLDER / "node_modules/.npm-cache", ignore_errors=True)
    stamp.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
