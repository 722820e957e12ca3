"""K-space in other programs' formats."""

from pellucid.modalities.mr.writers.cfl import write_cfl
from pellucid.modalities.mr.writers.ismrmrd import write_ismrmrd

__all__ = ["write_cfl", "write_ismrmrd"]
