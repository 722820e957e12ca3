"""The command line: `pellucid scan | reconstruct | info | convert | serve | demo`.

Exit codes: 0 done, 1 failed, 2 wrong use or bad input.
"""

import sys


def main() -> None:
    """Run the command line and exit."""
    from pellucid.cli.app import run

    sys.exit(run(sys.argv[1:]))
