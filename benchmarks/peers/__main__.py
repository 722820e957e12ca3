"""Run one task of one peer in the peers' environment: `python -m benchmarks.peers PEER TASK INPUT.npz OUTPUT.npz`."""

import json
import sys
from importlib import import_module, metadata
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from timing import measure


def main() -> None:
    """Time the peer's function and write its result and its seconds."""
    peer, task, source, target, repeats = sys.argv[1:]
    sys.path.insert(0, str(Path(__file__).parent))
    module = import_module(peer)
    inputs = dict(np.load(source))
    function = getattr(module, task)(inputs)
    result, walls, cpus = measure(function, int(repeats))
    version = metadata.version(module.PACKAGE) if module.PACKAGE else module.version()
    report = {"walls": walls, "cpus": cpus, "version": version}
    np.savez(target, result=np.asarray(result), report=json.dumps(report))


if __name__ == "__main__":
    main()
