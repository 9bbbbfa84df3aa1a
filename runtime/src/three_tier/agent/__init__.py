"""The agent: answers messages over HTTP, with the logic of its owner and a database that remembers."""
