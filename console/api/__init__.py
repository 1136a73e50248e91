"""`/api/v1`: what the pages do, for programs."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from console.access import Visit

router = APIRouter(prefix="/api/v1")


@router.get("/me", summary="Who asks, and what they may do")
def me(visit: Visit) -> dict[str, Any]:
    return {"name": visit.person.name, "role": visit.person.role}
