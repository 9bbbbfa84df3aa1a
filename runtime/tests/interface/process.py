"""The interface as a process of its own."""

import asyncio
import os
import sys
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "src"


async def start(kind: str, environment: dict[str, str]) -> asyncio.subprocess.Process:
    """Start an interface of this kind as its container does."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        f"import sys\nfrom three_tier.interface.{kind} import run\nsys.exit(run())",
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCES), **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
