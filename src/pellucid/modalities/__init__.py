"""The modalities, by physics; none imports another."""
