"""Steps of plans and redirects are kept in one table, memo."""

from workers.migrate import run_sql

revision = "0200"
down_revision = "initial"


def upgrade() -> None:
    run_sql("""
    drop table detour;
    alter table memo add column seq integer not null default 0;
    alter table memo alter column seq drop default;
    alter table memo drop constraint memo_pkey, add constraint memo_pkey primary key (run_id, seq, name);
    comment on table memo is 'What batches learned before they had to wait: steps of a plan, redirects.';
    comment on column memo.seq is 'Its batch';
    comment on column memo.name is 'Step of the plan, or the address that redirects';
    """)


def downgrade() -> None:
    run_sql("""
    delete from memo where seq > 0 or name like 'http%';
    alter table memo drop constraint memo_pkey, add constraint memo_pkey primary key (run_id, name);
    alter table memo drop column seq;
    comment on table memo is 'What plans learned from upstreams; a plan that had to wait asks for the rest.';
    comment on column memo.name is 'The step, as its kind calls it';
    create table detour (
        run_id uuid not null references run (id) on delete cascade, seq integer not null, url text not null,
        location text not null, constraint detour_pkey primary key (run_id, seq, url));
    comment on table detour is 'Redirects followed half-way by a batch that must wait for its next call.';
    comment on column detour.run_id is 'Its run';
    comment on column detour.seq is 'Its batch';
    comment on column detour.url is 'What was asked for';
    comment on column detour.location is 'Where it led, at the same server';
    """)
