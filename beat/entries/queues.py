"""`queue`: queues that workers serve besides those of the tasks; named by code or by people."""

ADD = "insert into queue (name, note) values (%(name)s, %(note)s) on conflict do nothing"
