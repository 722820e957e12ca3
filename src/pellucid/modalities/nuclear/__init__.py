"""PET (being filled)."""
