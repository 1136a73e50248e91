# One image for every part; compose names the command.  PYTHON_IMAGE pins the base: a tag or a digest.
ARG PYTHON_IMAGE=python:3.13-slim
FROM ${PYTHON_IMAGE} AS build
# BROWSER=yes adds Chromium, for sites whose ads scripts draw; CALENDARS=yes what computes sessions of exchanges.
ARG BROWSER=
ARG CALENDARS=
WORKDIR /app
COPY requirements/production.lock requirements/browser.lock requirements/calendars.lock requirements/
RUN python -m venv /venv \
 && for lock in production ${BROWSER:+browser} ${CALENDARS:+calendars}; do \
    /venv/bin/pip install --no-cache-dir --require-hashes -r "requirements/$lock.lock" || exit 1; done
COPY pyproject.toml README.md LICENSE ./
COPY workers workers
COPY beat beat
COPY tasks tasks
COPY console console
COPY alembic alembic
COPY deploy deploy
# What only installs, and libraries' own tests, stay behind.
RUN /venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation -e . \
 && python -m compileall -q workers beat tasks console alembic \
 && /venv/bin/pip uninstall -q -y hatchling editables trove-classifiers pathspec pluggy pip \
 && rm -rf requirements /venv/lib/python3.*/site-packages/tornado/test

FROM ${PYTHON_IMAGE}
ARG BROWSER=
# Debian's mirrors keep one version of a package: a pinned one would fail when the next comes.
# hadolint ignore=DL3008
RUN useradd --system --uid 10001 --create-home watchkeeper \
 && install -d -o watchkeeper /run/watchkeeper \
 && if [ -n "$BROWSER" ]; then apt-get update && apt-get install -y --no-install-recommends chromium \
 && rm -rf /var/lib/apt/lists/*; fi
WORKDIR /app
COPY --from=build /venv /venv
COPY --from=build /app /app
ENV PATH=/venv/bin:$PATH \
    CELERY_APP=workers.app \
    PYTHONUNBUFFERED=1 \
    MALLOC_ARENA_MAX=2 \
    WATCHKEEPER_LOG_FORMAT=json \
    WATCHKEEPER_HEARTBEAT_DIR=/run/watchkeeper
# By number, so that Kubernetes sees that it is not root.
USER 10001
# The exec form, and `init: true` in compose: SIGTERM reaches Celery, not a shell.
CMD ["celery", "-A", "workers.app", "worker"]
