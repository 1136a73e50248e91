#!/bin/bash
# postgres:17 and :15, redis:8, python:3.13-slim, each from a tree of Debian.  Needs a running engine.
set -euo pipefail
. "$(dirname "$0")/env.sh"
export DOCKER_BUILDKIT=0
for tree in trixie bookworm; do
  docker image inspect "local/$tree" >/dev/null 2>&1 ||
    tar -C "$W/$tree" --exclude=./proc --exclude=./sys --exclude=./var/cache/apt -c . | docker import - "local/$tree" >/dev/null
done
build() { # folder, tag, arguments
  rm -rf "$W/context"
  cp -r "$SCRIPTS/images/$1" "$W/context"
  cp /etc/ssl/certs/ca-certificates.crt "$W/context/"
  docker build -q -t "$2" "${@:3}" "$W/context" >/dev/null
}
build postgres postgres:17
build postgres postgres:15 --build-arg BASE=local/bookworm --build-arg MAJOR=15
build redis redis:8
build python python:3.13-slim
