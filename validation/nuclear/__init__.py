"""PET: projectors, scatter, activity, recovery, positivity, uptake values and real list mode."""

from validation.nuclear import activity, list_mode, positivity, projection, recovery, scatter

__all__ = ["activity", "list_mode", "positivity", "projection", "recovery", "scatter"]
