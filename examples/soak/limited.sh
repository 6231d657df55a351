#!/usr/bin/env bash
# Runs the soak in little memory. The arguments are those of the command.
#
#   MEMORY=256 examples/soak/limited.sh -for 1h
#
# Three limits, in MiB: the system refuses more than MEMORY of writable memory
# (RLIMIT_DATA, which Linux counts without what Go has only reserved, so that it
# works where limits on the address space do not); Go's own soft limit is two
# thirds of that; and the run fails if more than MEMORY was resident at any time.
# No rights and no control groups are needed. Without cgo, for else the stacks of
# the C library count, 8 MiB for each thread.
set -euo pipefail
cd "$(dirname "$0")/.."
memory=${MEMORY:-256}
binary=$(mktemp)
trap 'rm -f "$binary"' EXIT
CGO_ENABLED=0 go build -o "$binary" ./soak
export GOMEMLIMIT=$((memory * 2 / 3))MiB
ulimit -d $((memory * 1024))
"$binary" -memory "${memory}MiB" "$@"
