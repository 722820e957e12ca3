"""Make the picture of measured data in docs/mr.md: python docs/make_pictures/mr_measured.py FOLDER_OF_TEST_DATA."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

import pellucid

TARGET = Path(__file__).parents[1] / "pictures" / "mr_measured.png"
DATA = Path(__file__).parents[2] / "../shared/data"
SCANS = (
    ("Siemens gre.dat: ACR phantom", "mr/raw/siemens_twix/gre.dat", "fft"),
    ("brain, 12 % sampled, zero filled", "mr/raw/sigpy_tutorial/cartesian_ksp.npy", "fft"),
    ("the same, wavelets", "mr/raw/sigpy_tutorial/cartesian_ksp.npy", "l1_wavelet"),
    ("brain, 13 % sampled, wavelets", "mr/raw/bart_pics_brain/ksp.cfl", "l1_wavelet"),
)


def main() -> None:
    """Reconstruct each and show them side by side; says so where the data is absent."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("PELLUCID_TEST_DATA", DATA))
    if not folder.is_dir():
        sys.stderr.write(f"{folder} is absent: {TARGET.name} stays as it is\n")
        return
    figure, axes = plt.subplots(1, len(SCANS), figsize=(3.1 * len(SCANS), 4.6))
    for axis, (title, file, method) in zip(axes, SCANS, strict=True):
        picture = pellucid.reconstruct(pellucid.read(folder / file), method).array[0]
        axis.imshow(picture, cmap="gray", vmin=0, vmax=np.percentile(picture, 99.5))
        axis.set_title(title, fontsize=10)
        axis.axis("off")
    figure.tight_layout()
    figure.savefig(TARGET, dpi=90)


if __name__ == "__main__":
    main()
