#!/bin/sh
here=$(readlink -f "$0") && exec "${here%/*}/ops/three-tier" deploy "$@"
