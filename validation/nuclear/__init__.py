"""PET: projectors, scatter, activity, recovery, positivity, uptake values, real list mode and planes in part."""

from validation.nuclear import activity, list_mode, positivity, projection, recovery, scatter, single_slice

__all__ = ["activity", "list_mode", "positivity", "projection", "recovery", "scatter", "single_slice"]
