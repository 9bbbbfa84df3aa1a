"""The operations program of a project: deploy, verify, back up, restore and the rest, for the host's own Python."""
