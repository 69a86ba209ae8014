"""What `alembic` runs: everything is in `exec_tracker.migrations.environment`."""

from logging.config import fileConfig

from alembic import context

from exec_tracker.migrations.environment import run

if context.config.config_file_name is not None:
    fileConfig(context.config.config_file_name, disable_existing_loggers=False)

run()
