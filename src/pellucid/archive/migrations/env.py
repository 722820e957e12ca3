"""Run by Alembic: upgrade the database that the archive opened."""

from alembic import context

from pellucid.archive.schema import Base

with context.config.attributes["engine"].connect().execution_options(writes=True) as connection:
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
