# One image for every part; compose names the command.
FROM python:3.13-slim AS build
# BROWSER=yes adds Chromium, for sites whose ads scripts draw.
ARG BROWSER=
WORKDIR /app
RUN python -m venv /venv
COPY requirements/production.lock requirements/browser.lock requirements/
RUN /venv/bin/pip install --no-cache-dir --require-hashes -r "requirements/$([ -n "$BROWSER" ] && echo browser || echo production).lock"
COPY pyproject.toml README.md LICENSE ./
COPY workers workers
COPY beat beat
COPY tasks tasks
COPY console console
RUN /venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation -e .
RUN python -m compileall -q workers beat tasks console

FROM python:3.13-slim
ARG BROWSER=
RUN if [ -n "$BROWSER" ]; then apt-get update && apt-get install -y --no-install-recommends chromium \
 && rm -rf /var/lib/apt/lists/*; fi
RUN useradd --system --uid 10001 --create-home watchkeeper \
 && install -d -o watchkeeper /run/watchkeeper
WORKDIR /app
COPY --from=build /venv /venv
COPY --from=build /app /app
COPY alembic alembic
COPY deploy deploy
ENV PATH=/venv/bin:$PATH \
    CELERY_APP=workers.app \
    PYTHONUNBUFFERED=1 \
    MALLOC_ARENA_MAX=2 \
    WATCHKEEPER_LOG_FORMAT=json \
    WATCHKEEPER_HEARTBEAT_DIR=/run/watchkeeper
USER watchkeeper
# The exec form, and `init: true` in compose: SIGTERM reaches Celery, not a shell.
CMD ["celery", "-A", "workers.app", "worker"]
