"""The pages for people; every one of them needs a login."""

from fastapi import APIRouter

from console.routes import events, overview, runs, schedule, schedules, tables, watches

router = APIRouter()
for module in (overview, events, runs, schedules, schedule, tables, watches):
    router.include_router(module.router)
