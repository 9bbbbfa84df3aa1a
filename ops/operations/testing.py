"""test: runs the tests of agent and interface."""

from operations.context import TIERS, Context
from operations.errors import Failure


def command(context: Context) -> None:
    """Test in images. Raises Failure."""
    try:
        for tier in TIERS:
            context.console.step(f"the tests of the {tier}")
            context.programs.follow(
                "docker", "build", "--progress", "plain", "--target", "test", str(context.root / tier)
            )
    except Failure as failure:
        raise Failure(f"tests failed: {failure}") from None
    context.console.say("All tests passed.")
