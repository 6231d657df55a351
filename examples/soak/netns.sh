#!/usr/bin/env bash
# Runs the soak in a network namespace of its own whose loopback delays, loses and
# reorders packets, below the faults that the soak itself makes. The arguments are
# those of the command.
#
#   NETEM='delay 80ms 20ms loss 2% reorder 25%' examples/soak/netns.sh -for 10m
#
# It needs Linux, root, iproute2, and a kernel with sch_netem. Without sch_netem,
# nftables drops LOSS percent of the packets (2), and there is neither delay nor
# reordering but the soak's own.
set -euo pipefail
cd "$(dirname "$0")/.."
netem=${NETEM:-delay 80ms 20ms loss 2% reorder 25%}
loss=${LOSS:-2}
namespace=untilack-soak-$$

fail() { echo "netns.sh: $*" >&2; exit 3; }

[ "$(id -u)" = 0 ] || fail 'only root may make a network namespace'
command -v ip >/dev/null && command -v tc >/dev/null || fail 'ip and tc are missing: install iproute2'

binary=$(mktemp)
ip netns add "$namespace" || fail 'no network namespace'
trap 'ip netns del "$namespace"; rm -f "$binary"' EXIT
inside() { ip netns exec "$namespace" "$@"; }
inside ip link set lo up

# shellcheck disable=SC2086 # these are several words
if inside tc qdisc add dev lo root netem $netem 2>/dev/null; then
  echo "netns.sh: loopback with $netem" >&2
else
  echo 'netns.sh: this kernel has no sch_netem (CONFIG_NET_SCH_NETEM): no delay, no reordering of packets' >&2
  command -v nft >/dev/null || fail 'and there is no nft to lose packets with'
  inside nft "add table inet loss
    add chain inet loss in { type filter hook input priority 0; }
    add rule inet loss in iif lo meta l4proto tcp numgen random mod 100 < $loss counter drop" ||
    fail 'and nft cannot lose packets either'
  echo "netns.sh: loopback that loses $loss % of the packets" >&2
fi

go build -o "$binary" ./soak
status=0
inside "$binary" "$@" || status=$?
inside nft list table inet loss 2>/dev/null | sed -n 's/.*counter packets \([0-9]*\).*/netns.sh: \1 packets were lost/p' >&2
exit "$status"
