"""Speaks to the agent with OpenAI's own client, and prints what came, as JSON.

Arguments: base URL, API key, thread id, the example of its logic.
"""

import json
import sys

from openai import AuthenticationError, OpenAI

base_url, api_key, thread_id, example = sys.argv[1:]
client = OpenAI(base_url=base_url, api_key=api_key, max_retries=0)
model = client.models.list().data[0].id


def ask(text: str, **options: object):
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}], **options)


remembered = ask("the first question", metadata={"thread_id": thread_id})
shown = ask(example, metadata={"thread_id": thread_id})
chunks = list(ask("the third question", metadata={"thread_id": thread_id}, stream=True,
                  stream_options={"include_usage": True}))
stateless = client.chat.completions.create(model=model, messages=[
    {"role": "system", "content": "Be brief."}, {"role": "user", "content": "one"},
    {"role": "assistant", "content": "1"}, {"role": "user", "content": "two"}])
try:
    OpenAI(base_url=base_url, api_key="wrong-" + api_key, max_retries=0).models.list()
    refused = False
except AuthenticationError:
    refused = True

print(json.dumps({
    "first": remembered.choices[0].message.content,
    "example": shown.choices[0].message.content,
    "third": "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices),
    "pieces": sum(bool(choice.delta.content) for chunk in chunks for choice in chunk.choices),
    "usage": chunks[-1].usage and chunks[-1].usage.total_tokens,
    "finish": [choice.finish_reason for chunk in chunks for choice in chunk.choices][-1],
    "stateless": stateless.choices[0].message.content,
    "refused": refused,
}))
