"""`python -m pellucid.server`: the server, with files imported first where asked."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from pathlib import Path

from pellucid.errors import PellucidError
from pellucid.server.platform import Platform
from pellucid.server.run import serve
from pellucid.server.settings import Settings


def main() -> int:
    """Run; 0 done, 1 failed, 2 wrong input."""
    parser = argparse.ArgumentParser(prog="python -m pellucid.server", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of the archive")
    parser.add_argument("--host", help="address to listen on")
    parser.add_argument("--port", type=int, help="port to listen on")
    parser.add_argument("--import", dest="folder", type=Path, help="store the DICOM files of a folder first")
    given = vars(parser.parse_args())
    folder = given.pop("folder")
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
        if folder:
            with closing(Platform.open(settings)) as platform:
                sys.stderr.write(f"{platform.import_dicom(folder)} instances stored\n")
        serve(settings)
    except PellucidError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
