#!/bin/bash
# inroot.sh COMMAND…: in a mount namespace of its own, with the engine's tree as /; $W keeps its path.
set -euo pipefail
. "$(dirname "$0")/env.sh"
tree="$W/engine"
mount --make-rprivate /
mount --bind "$tree" "$tree"
for folder in proc sys dev; do mount --rbind "/$folder" "$tree/$folder"; done
mkdir -p "$tree$W" "$tree/before"
mount --bind "$W" "$tree$W"
cd "$tree"
pivot_root . before
umount -l /before
exec "$@"
