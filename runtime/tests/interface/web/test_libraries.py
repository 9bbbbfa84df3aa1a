"""The page's libraries are the ones whose versions are watched."""

import json

from three_tier.interface.web.page import STATIC

FOLDER = STATIC / "vendor"
FILES = {"marked": "marked.js", "dompurify": "purify.js", "@highlightjs/cdn-assets": "highlight.js"}


def test_the_libraries_have_the_versions_that_package_json_names() -> None:
    versions = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))["dependencies"]
    assert versions.keys() == FILES.keys()
    for name, version in versions.items():
        head = (FOLDER / FILES[name]).read_text(encoding="utf-8")[:200]
        assert f"{version} " in head, f"{FILES[name]} is not of {name} {version}: see static/vendor/README.md"
