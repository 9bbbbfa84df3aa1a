"""pin: writes behind the tag of each base image the digest that it has now."""

import json
import re

from operations import files
from operations.context import TIERS, Context
from operations.errors import Failure
from operations.programs import CommandFailed, together

IMAGE = re.compile(r"^(FROM|    image:) ([^ $@\n]+:[^ $@\n]+)(?:@sha256:[0-9a-f]{64})?(?= |$)", re.MULTILINE)


def command(context: Context) -> None:
    """Pin the images of the Compose file and of both Dockerfiles. Raises Failure, and then nothing was changed."""
    paths = [context.root / name for name in ("docker-compose.yml", *(f"{tier}/Dockerfile" for tier in TIERS))]
    texts = [path.read_text() for path in paths]
    images = sorted({match[2] for text in texts for match in IMAGE.finditer(text)})
    pinned = dict(together(*(lambda image=image: (image, _digest(context, image)) for image in images)))
    for path, text in zip(paths, texts, strict=True):
        new = IMAGE.sub(lambda match: f"{match[1]} {match[2]}@{pinned[match[2]]}", text)
        if new != text:
            files.replace(path, new, path.stat().st_mode & 0o777)
    for image, digest in pinned.items():
        context.console.say(f"{image}@{digest}")


def _digest(context: Context, image: str) -> str:
    try:
        said = context.docker.ask("buildx", "imagetools", "inspect", "--format", "{{json .Manifest.Digest}}", image)
    except CommandFailed as failed:
        context.console.say(failed.output.strip())
        raise Failure(f"the digest of {image} could not be looked up: see above. Nothing was changed") from None
    return str(json.loads(said))
