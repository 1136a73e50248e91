"""`queue`: queues that workers serve besides those of the tasks; named by code or by people."""

from __future__ import annotations

ADD = "insert into queue (name, note) values (%(name)s, %(note)s) on conflict do nothing"
