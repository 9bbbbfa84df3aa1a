"""What the memory's tests need to do to MongoDB behind the agent's back."""

from datetime import timedelta

from three_tier.agent.mongo.database import Mongo
from three_tier.agent.settings import Settings


async def age(settings: Settings, owner: str, thread_id: str, days: int) -> None:
    """Make the thread's newest message `days` days old."""
    mongo, place = Mongo(settings), {"owner": owner, "id": thread_id}
    thread = await mongo.query(lambda db: db.threads.find_one(place))
    assert thread is not None
    change = {"$set": {"used_on": thread["used_on"] - timedelta(days=days)}}
    await mongo.query(lambda db: db.threads.update_one(place, change))
    await mongo.close()
