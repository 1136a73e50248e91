"""Many batches in one process: what sessions take from, and which batches run alone after a death."""

from workers.migrate import run_sql

revision = "slots"
down_revision = "site_page_pause"

UP = """
alter table batch add column suspect boolean default false not null;
alter table batch add column alone boolean default false not null;
comment on column batch.suspect is 'Its worker died with several batches in hand: it runs alone from now on';
comment on column batch.alone is 'Whether its worker''s process has no other batch in hand';
comment on column batch.deaths is 'Times its worker died while it was the only batch in hand';
comment on column batch.sends is 'Messages of its own since it was last claimed; 0: its queue''s doorbell';
comment on column batch.send_at is 'Ready from then on (waiting: not announced yet); with a message of its own: looked for again; null: not until released';

-- Only batches that have not ended are in these indexes: built at once, as few as they are.
-- squawk-ignore require-concurrent-index-creation
create index batch_ready on batch (queue, task, priority desc, send_at) where state = 'sent';
-- squawk-ignore require-concurrent-index-deletion
drop index batch_to_send;
-- squawk-ignore require-concurrent-index-creation
create index batch_to_send on batch (send_at) where state = 'waiting' or state = 'sent' and sends > 0;
-- squawk-ignore require-concurrent-index-deletion
drop index batch_waiting_run;
-- squawk-ignore require-concurrent-index-creation
create index batch_waiting_run on batch (waiting_for, run_id) where state in ('waiting', 'sent');
-- squawk-ignore require-concurrent-index-deletion
drop index batch_by_queue;
-- Beat asks at each tick which queues an older worker serves; a heartbeat a process, so built at once.
-- squawk-ignore require-concurrent-index-creation
create index heartbeat_by_role on heartbeat (role);
"""

DOWN = """
drop index heartbeat_by_role;
create index batch_by_queue on batch (queue, state, send_at) where state in ('waiting', 'sent', 'running');
drop index batch_waiting_run;
create index batch_waiting_run on batch (waiting_for, run_id) where state in ('waiting', 'sent') and waiting_for is not null;
drop index batch_to_send;
create index batch_to_send on batch (send_at) where state in ('waiting', 'sent');
drop index batch_ready;
comment on column batch.send_at is 'When a message for it is to be sent, or looked for again; null: not until released';
comment on column batch.sends is 'Messages sent since it was last claimed';
comment on column batch.deaths is 'Leases that ended while all but its worker was up';
alter table batch drop column alone;
alter table batch drop column suspect;
"""


def upgrade() -> None:
    run_sql(UP)


def downgrade() -> None:
    run_sql(DOWN)
