#!/bin/bash
# engine.sh up: the engine in a network namespace of its own, without an uplink.
# engine.sh builder: the same data, in the host's network and without a bridge, for builds.
# engine.sh down: ends whichever runs.  engine.sh gone: and removes the namespace.
set -euo pipefail
. "$(dirname "$0")/env.sh"
mkdir -p "$W"
options=(--data-root "$W/data" --exec-root "$W/run" --pidfile "$W/docker.pid" -H "$DOCKER_HOST")
ready() {
  for _ in $(seq 150); do docker version >/dev/null 2>&1 && return; sleep 0.2; done
  tail -n 20 "$W/dockerd.log"
  exit 1
}
running() { [ -s "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null; }
case "$1" in
up)
  [ -e "/run/netns/$NETNS" ] || { ip netns add "$NETNS"; ip -n "$NETNS" link set lo up; }
  ip -n "$NETNS" addr replace 10.99.0.1/32 dev lo
  running "$W/dns.pid" || {
    setsid nsenter --net="/run/netns/$NETNS" python3 "$SCRIPTS/nxdomain.py" 10.99.0.1 >/dev/null 2>&1 </dev/null &
    echo $! > "$W/dns.pid"
  }
  setsid nsenter --net="/run/netns/$NETNS" unshare -m "$SCRIPTS/inroot.sh" /usr/sbin/dockerd "${options[@]}" --dns 10.99.0.1 >> "$W/dockerd.log" 2>&1 </dev/null &
  ready ;;
builder)
  setsid unshare -m "$SCRIPTS/inroot.sh" /usr/sbin/dockerd "${options[@]}" --bridge=none --iptables=false --ip6tables=false --ip-forward=false \
    --ip-masq=false >> "$W/dockerd.log" 2>&1 </dev/null &
  ready ;;
down)
  running "$W/docker.pid" || exit 0
  pid=$(cat "$W/docker.pid")
  kill "$pid"
  while kill -0 "$pid" 2>/dev/null; do sleep 0.2; done ;;
gone)
  "$0" down
  running "$W/dns.pid" && kill "$(cat "$W/dns.pid")"
  rm -f "$W/dns.pid"
  ip netns del "$NETNS" 2>/dev/null || true ;;
esac
