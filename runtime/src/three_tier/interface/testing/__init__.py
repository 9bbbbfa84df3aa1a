"""For tests: an agent that is not one, and waiting. Nothing of it is imported where the interface runs."""
