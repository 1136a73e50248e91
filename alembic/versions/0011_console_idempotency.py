"""Requests to the API that are not done twice."""

from workers.migrate import run_sql

revision = "console_idempotency"
down_revision = "history_partitions"

UP = """
create table console.idempotency_key (
    person      text        not null,
    key         text        not null,
    fingerprint bytea       not null,
    status      integer,
    answer      jsonb,
    created_at  timestamptz default clock_timestamp() not null,
    constraint idempotency_key_pkey primary key (person, key),
    constraint idempotency_key_person_fkey foreign key (person) references console.person (name) on update cascade on delete cascade
);
create index idempotency_key_created_at on console.idempotency_key (created_at);
comment on table console.idempotency_key is 'Requests that are not done twice, with their answers; a day.';
comment on column console.idempotency_key.person is 'Who asked';
comment on column console.idempotency_key.key is 'As given by the program';
comment on column console.idempotency_key.fingerprint is 'SHA-256 of what was asked';
comment on column console.idempotency_key.status is 'HTTP status of the answer';
comment on column console.idempotency_key.answer is 'The answer';
comment on column console.idempotency_key.created_at is 'First asked at';
"""


def upgrade() -> None:
    run_sql(UP)


def downgrade() -> None:
    run_sql("drop table console.idempotency_key")
