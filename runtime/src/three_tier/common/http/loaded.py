"""What a process does once all that it needs is loaded."""

import gc


def settle() -> None:
    """Without this every full garbage collection walks all modules, and the slowest answers pay for it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
