"""Your commands, beside those of the bot that are built in. docs/howto/bot.md says what they can do."""

from three_tier.interface.telegram import Call, Commands

commands = Commands()


@commands.command("id")
async def show_id(call: Call) -> str:
    """Show your id and that of this chat."""
    return f"You have the id `{call.user}`, and this chat has the id `{call.chat}`."
