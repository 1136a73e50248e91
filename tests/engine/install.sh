#!/bin/bash
# Once a machine: an engine in a tree of Debian trixie (bookworm's knows no start_interval), its static compose,
# and trees of trixie and bookworm from which stand-in images are made, so that no image registry is needed.
set -euo pipefail
. "$(dirname "$0")/env.sh"
mkdir -p "$W" "$DOCKER_CONFIG/cli-plugins"
command -v docker >/dev/null && command -v debootstrap >/dev/null && command -v ip >/dev/null || {
  apt-get update -qq
  # Of docker.io only the client is used.
  apt-get install -y -qq --no-install-recommends docker.io debootstrap iproute2 xz-utils curl openssl >/dev/null
}
# The mirror that this machine itself uses.
mirror=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/debian.sources 2>/dev/null | head -n 1)
mirror=${mirror:-$(sed -n 's/^deb \(\[[^]]*\] \)\?\([^ ]*\) .*/\2/p' /etc/apt/sources.list | head -n 1)}
architecture=$(dpkg --print-architecture)
if [ ! -x "$DOCKER_CONFIG/cli-plugins/docker-compose" ]; then
  curl -fsS "$mirror/dists/trixie/main/binary-$architecture/Packages.xz" | xz -dc > "$W/Packages"
  file=$(awk '/^Package: docker-compose$/ {wanted = 1} wanted && /^Filename:/ {print $2; exit}' "$W/Packages")
  curl -fsS -o "$W/compose.deb" "$mirror/$file"
  dpkg-deb -x "$W/compose.deb" "$W/compose"
  cp "$W/compose/usr/libexec/docker/cli-plugins/docker-compose" "$DOCKER_CONFIG/cli-plugins/"
fi
tree() { # name, suite, packages
  [ -e "$W/$1.made" ] || {
    rm -rf "${W:?}/$1"
    debootstrap --variant=minbase --include="ca-certificates,$3" "$2" "$W/$1" "$mirror" > "$W/$1.log"
    touch "$W/$1.made"
  }
}
tree engine trixie docker.io,iptables,iproute2
tree trixie trixie python3,python3-venv,postgresql-17,redis-server,curl
tree bookworm bookworm postgresql-15
