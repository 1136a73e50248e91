"""The pages for people; every one of them needs a login."""

from __future__ import annotations

from fastapi import APIRouter

from console.pages import dashboard, events, notices, rules, runs, system, tables, watches

router = APIRouter()
for module in (dashboard, events, notices, rules, runs, system, tables, watches):
    router.include_router(module.router)
