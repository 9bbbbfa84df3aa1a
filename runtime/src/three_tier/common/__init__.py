"""What the agent and the interface have in common."""
