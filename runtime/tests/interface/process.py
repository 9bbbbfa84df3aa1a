"""The interface as a process of its own."""

import asyncio
import sys
from pathlib import Path

HERE = Path(__file__).parents[1]


async def start(environment: dict[str, str]) -> asyncio.subprocess.Process:
    """Start the interface as its container does."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "main.py",
        cwd=HERE,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
