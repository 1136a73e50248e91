"""The pages for people; every one of them needs a login."""

from __future__ import annotations

from fastapi import APIRouter

from console.pages import (
    changes,
    dashboard,
    events,
    notices,
    rules,
    runs,
    schedule,
    schedules,
    system,
    tables,
    watches,
)

router = APIRouter()
for module in (
    changes,
    dashboard,
    events,
    notices,
    rules,
    runs,
    schedules,
    schedule,
    system,
    tables,
    watches,
):
    router.include_router(module.router)
