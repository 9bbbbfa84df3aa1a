"""What the memory's tests need to do to Redis behind the agent's back."""

import time

from three_tier.agent.redis.database import Database
from three_tier.agent.settings import Settings


async def age(settings: Settings, owner: str, thread_id: str, days: int) -> None:
    """Make the thread's newest message `days` days old."""
    database = Database(settings)
    then = round(time.time()) - days * 86_400
    await database.send("ZADD", f"{database.prefix}used", then, f"{owner}/{thread_id}")
    await database.close()
