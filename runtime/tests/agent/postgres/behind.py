"""What the memory's tests need to do to PostgreSQL behind the agent's back."""

import asyncpg

from three_tier.agent.settings import Settings


async def age(settings: Settings, owner: str, thread_id: str, days: int) -> None:
    """Make the thread's newest message `days` days old."""
    password = settings.database_password.get_secret_value()
    connection = await asyncpg.connect(settings.database_url, password=password)
    statement = "update threads set used_on = used_on - $3::integer where owner = $1 and id = $2"
    await connection.execute(statement, owner, thread_id, days)
    await connection.close()
