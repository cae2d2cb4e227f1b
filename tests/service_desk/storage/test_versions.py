"""What this build calls its newest schema is what Alembic would bring a database to."""

from alembic.config import Config
from alembic.script import ScriptDirectory

from service_desk.storage.versions import newest_version


def test_the_newest_version_is_the_head_of_the_only_line() -> None:
    config = Config()
    config.set_main_option("script_location", "service_desk.storage:migrations")
    script = ScriptDirectory.from_config(config)
    assert script.get_heads() == [newest_version()]
    assert all(
        revision.path.split("/")[-1].startswith(revision.revision) for revision in script.walk_revisions()
    )
