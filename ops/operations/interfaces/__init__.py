"""The interfaces, a module each."""
