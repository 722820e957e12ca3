"""How the index's schema changed (Alembic)."""
