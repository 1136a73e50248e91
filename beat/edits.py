"""`schedule_edit`: what was edited and is not yet planned; a trigger appends, beat consumes."""

OPEN = """
select id, schedule from schedule_edit order by id limit %(limit)s for update skip locked
"""

#: Planned ones, and those of schedules that are gone.
CONSUME = """
delete from schedule_edit e
 where id = any(%(ids)s)
   and (schedule = any(%(names)s) or not exists (select from schedule where name = e.schedule))
"""
