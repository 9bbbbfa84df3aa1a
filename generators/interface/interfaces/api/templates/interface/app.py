"""Your routes, beside those of the API that are built in. docs/howto/routes.md says what they can do."""

from three_tier.interface.api import Owner, Router

routes = Router(prefix="/v1")  # they need a key, as the built-in ones do
public = Router(public=True)  # everybody may call these


@routes.get("/whoami")
async def whoami(owner: Owner) -> dict[str, str]:
    """Tell whose key this is."""
    return {"owner": owner}
