"""The archive against faults, damaged input, other programs' decoders, and its own limits of memory and time."""

from validation.archive import exactness, faults, fuzzing, limits

__all__ = ["exactness", "faults", "fuzzing", "limits"]
