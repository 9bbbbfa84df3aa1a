"""Tests of the agent: python -m pytest, in this tier's folder."""
