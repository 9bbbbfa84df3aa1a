"""Tier 3, the interface: how people and programs reach the agent. It knows the agent's API, nothing of the database."""
