#!/bin/sh
here=$(readlink -f "$0") && exec "${here%/*}/three-tier" verify "$@"
