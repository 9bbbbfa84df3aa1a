#!/usr/bin/env bash
# Pins the base images to what their tags name now.
set -euo pipefail

here=$(readlink -f "${BASH_SOURCE[0]}")
# shellcheck source=ops/common.sh
source "${here%/*}/common.sh"

options "Usage: ops/pin.sh

Asks the registries which image each tag names now, in docker-compose.yml and the two Dockerfiles, and writes its digest
behind the tag: python:3.13-slim@sha256:... . From then on every build is from that very image, until this is run again.
Dependabot proposes the same changes on GitHub. What runs is not touched; ./deploy.sh puts it into service.

Exit status: 0 all are pinned, 1 one could not be looked up (nothing was changed), 2 wrong usage." "$@"

files=("${root}/docker-compose.yml" "${root}/agent/Dockerfile" "${root}/interface/Dockerfile")
names='^(FROM|    image:) ([^ $@]+:[^ $@]+)(@sha256:[0-9a-f]{64})?'
found=$(sed -nE "s/${names}.*/\2/p" "${files[@]}" | sort -u)
edits=()
for image in ${found}; do
  digest=$(docker buildx imagetools inspect --format '{{json .Manifest.Digest}}' "${image}") ||
    die "the digest of ${image} could not be looked up: see above. Nothing was changed"
  digest=${digest//\"/}
  edits+=(--expression "s#^(FROM|    image:) ${image}(@sha256:[0-9a-f]{64})?( |\$)#\1 ${image}@${digest}\3#")
  say "${image}@${digest}"
done
sed --in-place --regexp-extended "${edits[@]}" "${files[@]}"
