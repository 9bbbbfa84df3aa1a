"""One message from the interface to the agent and back, in a thread of its own that is deleted again.

The verification runs this in the container of the interface. It also asks the bot whether Telegram delivers to it.
"""

import asyncio
import json
import sys
from http.client import HTTPConnection

from three_tier.common import log
from three_tier.interface.agent_client import AgentClient, Refused
from three_tier.interface.agent_types import Question
from three_tier.interface.base_settings import InterfaceSettings, load
from three_tier.interface.telegram.telegram_api import COMPLAINTS, OK, REFUSED

OWNER = "telegram:ops-verify"
QUESTION = "This is a test. Please answer with one word."
PATIENCE = 15  # seconds
# What the agent says when it serves, and others or what it asks keep it from this answer.
HINDERED = ("too much to do", "the agent needs did not answer")


def check_telegram() -> None:
    """Say why the running bot gets no messages; end where only another token helps."""
    connection = HTTPConnection("127.0.0.1", 8080, timeout=PATIENCE)
    connection.request("GET", "/health")
    state = json.load(connection.getresponse())["telegram"]
    connection.close()
    if state == REFUSED:
        sys.exit(COMPLAINTS[REFUSED])
    if state != OK:
        print(COMPLAINTS.get(state, "the bot has not reached Telegram yet"))


async def talk() -> None:
    """Make a thread, talk, read back what was stored, delete it."""
    async with AgentClient(load(InterfaceSettings)) as agent:
        thread = (await agent.create_thread(OWNER)).thread_id
        try:
            reply = (await agent.invoke(OWNER, Question(message=QUESTION, thread_id=thread))).reply
            stored = (await agent.messages(OWNER, thread)).data
            found = [(message.role, message.content) for message in stored if message.role != "tool"]
            if not reply or found != [("user", QUESTION), ("assistant", reply)]:
                sys.exit(f"{thread}: what was stored is not what was said")
        finally:
            await agent.delete_thread(OWNER, thread)


if __name__ == "__main__":
    log.configure("critical")  # what is printed is read
    try:
        asyncio.run(talk())
        check_telegram()
    except Refused as refused:
        print(refused.detail)
        sys.exit(0 if any(words in refused.detail for words in HINDERED) else 1)
    except OSError as error:
        sys.exit(f"the interface did not answer: {error!r}")
