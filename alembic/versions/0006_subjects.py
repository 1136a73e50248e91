"""Rules may be about what the registered watches find: a new watch changes no constraint."""

from workers.migrate import run_sql

revision = "subjects"
down_revision = "console_search"

UP = """
create table subject (
    name         text    not null,
    plural       text    not null,
    has_currency boolean not null,
    constraint subject_pkey primary key (name)
);
comment on table subject is 'What rules may be about; written by migrate.';
comment on column subject.name is 'As in rule.subject';
comment on column subject.plural is 'Several of them';
comment on column subject.has_currency is 'Whether its rules may name a currency';
insert into subject values ('listing', 'listings', true), ('token', 'tokens', false), ('quote', 'quotes', false);

create or replace function rule_check() returns trigger
language plpgsql
as $$
declare
    known subject;
begin
    select * into known from subject where name = new.subject;
    if not found then
        raise exception 'subject: no watch finds a %', new.subject
            using errcode = '23514', column = 'subject',
                  hint = 'Subjects: ' || (select string_agg(name, ', ' order by name) from subject);
    end if;
    if new.currency is not null and not known.has_currency then
        raise exception 'currency: rules on % have none', known.plural
            using errcode = '23514', column = 'currency',
                  hint = 'Subjects with one: '
                         || (select string_agg(name, ', ' order by name) from subject where has_currency);
    end if;
    return new;
end
$$;
comment on function rule_check() is 'Trigger: refuses a subject that no watch finds, and a currency where there is none';

create or replace trigger rule_check
    before insert or update of subject, currency on rule
    for each row execute function rule_check();

-- The trigger refuses what these refused.
-- squawk-ignore ban-drop-constraint
alter table rule drop constraint "subject: listing, token or quote";
-- squawk-ignore ban-drop-constraint
alter table rule drop constraint "currency: only rules on listings have one";
comment on column rule.subject is 'What it is about: a name of table subject';
comment on column match.subject is 'What was found: a name of table subject';
comment on column token_rule.fits is 'Whether the rule fitted at the last look, or the token is still within its margin';
"""

DOWN = """
drop trigger rule_check on rule;
drop function rule_check();
drop table subject;
delete from rule where subject not in ('listing', 'token', 'quote');
update rule set currency = null where subject <> 'listing';
alter table rule add constraint "subject: listing, token or quote"
    check (subject in ('listing', 'token', 'quote'));
alter table rule add constraint "currency: only rules on listings have one"
    check (currency is null or subject = 'listing');
comment on column rule.subject is 'listing | token | quote';
comment on column match.subject is 'listing | token | quote';
comment on column token_rule.fits is 'Whether the rule fitted at the last look';
"""


def upgrade() -> None:
    run_sql(UP)


def downgrade() -> None:
    run_sql(DOWN)
