# Source this: where the engine lies and how its client is called.  Nothing here touches the host's network
# or its own Docker, if it has one.
export W="${WATCHKEEPER_ENGINE_FOLDER:-${TMPDIR:-/tmp}/watchkeeper-engine}" NETNS="${NETNS:-watchkeeper}"
SCRIPTS="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
export SCRIPTS DOCKER_HOST="unix://$W/docker.sock" DOCKER_CONFIG="$W/dockerconfig"
