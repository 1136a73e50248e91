"""What chaos runs: upstreams and their limits, schedules of every overlap, and tables that keep traces."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

LEASE = 5.0
BEHIND_NETWORKS = ("worker3", "beat2")
#: Name: limits as the imitation judges them (calls, seconds), most at once.
UPSTREAMS: dict[str, tuple[list[tuple[int, float]], int]] = {
    "alpha": ([(8, 2.0)], 3),
    "beta": ([(1, 1.0), (6, 8.0)], 2),
    "gamma": ([], 3),
}
#: The upstream with a day's quota: so many calls at first, so many more each time that people raise it.
DAY_UPSTREAM, DAY_FIRST, DAY_RAISE = "gamma", 9, 6
#: Upstreams of real watches: their imitations judge each call by the documented limits.
WATCHED = ("dexscreener", "head_fi")
CATEGORIES = ["full-size", "dacs"]
_IN_UPKEEP = {"overlap": "skip", "queue": "upkeep"}
#: Plain Celery tasks: quick ones, one longer than its lease, one that is cancelled each time, retries of
#: Celery's two kinds, attempts of the schedule, one over its time limit.
PLAIN: list[tuple[str, float, str, dict[str, Any], dict[str, Any]]] = [
    ("plain-quick", 2, "chaos.plain_early", {"args": [0.05]}, _IN_UPKEEP),
    ("plain-long", 14, "chaos.plain_late", {"args": [1.6 * LEASE]}, _IN_UPKEEP),
    ("plain-newest", 6, "chaos.plain_early", {"args": [1.6 * LEASE]}, {**_IN_UPKEEP, "overlap": "cancel_other"}),
    ("plain-retried", 5, "chaos.plain_retried", {"kwargs": {"until": 2, "countdown": 0.5}}, _IN_UPKEEP),
    ("plain-auto", 9, "chaos.plain_auto", {}, _IN_UPKEEP),
    ("plain-failing", 7, "chaos.plain_failing", {}, {**_IN_UPKEEP, "max_attempts": 2}),
    ("plain-endless", 16, "chaos.plain_early", {"args": [300]}, {**_IN_UPKEEP, "timeout": timedelta(seconds=4)}),
]  # fmt: skip
#: Name, every (seconds), kind, options, other columns.
SCHEDULES: list[tuple[str, float, str, dict[str, Any], dict[str, Any]]] = [
    ("calls-alpha", 2, "chaos.working", {"items": 5, "upstream": "alpha"}, {"overlap": "allow_all"}),
    ("calls-beta", 4, "chaos.working", {"items": 2, "upstream": "beta"}, {"overlap": "skip"}),
    ("quick", 1, "chaos.working", {"items": 4, "seconds": 0.05}, {"overlap": "skip"}),
    ("slow", 3, "chaos.working", {"items": 7, "seconds": 0.6}, {"overlap": "buffer_one"}),
    ("short-of-time", 3, "chaos.working", {"items": 9, "seconds": 0.3},
     {"overlap": "skip", "timeout": timedelta(seconds=1.5)}),
    ("newest", 4, "chaos.working", {"items": 6, "seconds": 1.5}, {"overlap": "cancel_other"}),
    ("narrow", 6, "chaos.working", {"items": 12, "seconds": 0.1}, {"overlap": "skip", "max_in_flight": 1}),
    ("spaced", 6, "chaos.working", {"items": 9, "seconds": 0.05},
     {"overlap": "skip", "batch_delay": timedelta(seconds=0.7)}),
    ("daily", 5, "chaos.working", {"items": 7, "upstream": "gamma"}, {"overlap": "skip"}),
    ("hangs", 20, "chaos.hanging", {"items": 1}, {"overlap": "skip"}),
    ("discovery", 10, "tasks.discovery.discover",
     {"chains": [], "max_tokens": 5, "profile_immediately": False}, {"overlap": "skip", "queue": "upkeep"}),
    ("scrape", 8, "tasks.listings.scrape",
     {"categories": CATEGORIES, "max_pages": 3, "rate_limit_delay_seconds": 0.5},
     {"overlap": "skip", "queue": "upkeep"}),
    *PLAIN,
]  # fmt: skip
#: For the rule that lost doorbells are rung again: a queue with little work, and its worker.
ASIDE_QUEUE, ASIDE_WORKER = "prices", "worker4"
ASIDE: tuple[str, float, str, dict[str, Any], dict[str, Any]] = (
    "aside", 3600, "chaos.working", {"items": 3, "seconds": 0.05},
    {"overlap": "allow_all", "queue": ASIDE_QUEUE},
)  # fmt: skip
TRACES = """
create table effect (run_id uuid, item text, pid integer, at timestamptz default clock_timestamp());
create table chaos_death (run_id uuid, seq int, worker text, fence int, since timestamptz,
                          at timestamptz default clock_timestamp());
create table chaos_claim (run_id uuid, seq int, what text, at timestamptz default clock_timestamp());
create table chaos_stranger (run_id uuid, seq int, at timestamptz default clock_timestamp());
create table chaos_plain (id bigserial, run_id uuid, was text, state text, fence int, retries int,
                          failed boolean, error text, at timestamptz default clock_timestamp());
grant select, insert, update, delete on effect, chaos_death, chaos_claim, chaos_stranger, chaos_plain to service;
grant usage on sequence chaos_plain_id_seq to service;
create function chaos_note() returns trigger language plpgsql as $$
begin
    -- Nothing but its claim changes this of a running batch.
    insert into chaos_death (run_id, seq, worker, fence, since)
    values (old.run_id, old.seq, old.worker, old.fence, old.updated_at);
    return null;
end $$;
create trigger chaos_note after update on batch for each row
    when (new.deaths > old.deaths) execute function chaos_note();
create function chaos_look() returns trigger language plpgsql as $$
declare
    most integer := (select max_in_flight from run where id = new.run_id);
    running integer := (select count(*) from batch where run_id = new.run_id and seq > 0 and state = 'running');
begin
    if old.state not in ('waiting', 'sent')
       -- Celery's message of a retry says that the attempt before it has ended.
       and not (new.plain and old.state = 'running' and new.retries = old.retries + 1) then
        insert into chaos_claim values (new.run_id, new.seq, 'was taken while ' || old.state);
    elsif running > most then
        insert into chaos_claim values (new.run_id, new.seq, running || ' at once, allowed are ' || most);
    end if;
    return null;
end $$;
create trigger chaos_look after update on batch for each row
    when (new.fence > old.fence) execute function chaos_look();
create function chaos_follow() returns trigger language plpgsql as $$
begin
    insert into chaos_plain (run_id, was, state, fence, retries, failed, error)
    values (new.run_id, old.state, new.state, new.fence, new.retries, new.attempt > old.attempt, new.error);
    return null;
end $$;
create trigger chaos_follow after update on batch for each row
    when (new.plain and (old.state, old.fence) is distinct from (new.state, new.fence))
    execute function chaos_follow();
"""
