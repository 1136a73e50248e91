create or replace function tell_incident(notice_key text, kind_of text, about text, title text, said text) returns integer
language plpgsql
as $$
declare
    told integer;
begin
    insert into notice (channel, key, content)
    select c.name, notice_key, jsonb_build_object('title', title, 'text', said)
      from channel c
     -- A channel gets no notice of its own trouble: it could not send that either.
     where c.enabled and c.incidents and not (kind_of like 'notices %' and c.name = about)
        on conflict do nothing;
    get diagnostics told = row_count;
    return told;
end
$$;

comment on function tell_incident(text, text, text, text, text) is
    'Write a notice for every enabled channel with incidents, once for each key; returns how many';

create or replace function incident_goes_on(kind text, subject text) returns boolean
language sql stable
as $$
    -- An upstream that is blocked again and again, or a quota around its edge, is one incident.
    select case kind
        when 'blocked' then exists (select from upstream_state u where u.upstream = subject and u.blocked_until > clock_timestamp())
        when 'quota low' then exists (select from quota_status q where q.upstream || ' per ' || q.per = subject and q.used >= 0.8 * q.allowed)
        else false end
$$;

comment on function incident_goes_on(text, text) is 'Whether an incident is not yet over although view trouble has no row of it';

create or replace function incident_outcome(kind text, subject text) returns text
language plpgsql stable
as $$
declare
    s schedule;
    st schedule_state;
begin
    if kind in ('failing', 'tripped', 'late', 'set aside') then
        select * into s from schedule where name = subject;
        select * into st from schedule_state where schedule = subject;
        return case
            when s.name is null then 'the schedule was deleted'
            when not s.enabled then 'the schedule was disabled' || coalesce(': ' || s.note, '')
            when s.paused_until > clock_timestamp() then 'the schedule was paused' || coalesce(': ' || s.pause_reason, '')
            when kind = 'tripped' then 'the schedule runs again; it has not succeeded yet'
            when kind = 'failing' and st.tripped_at is not null then 'the schedule paused itself'
            when kind = 'failing' and st.consecutive_failures > 0 then 'it is reported only after ' || s.alert_after || ' failures in a row now'
            when kind = 'late' and (select paused from pause_switch) then 'everything was paused'
            when kind = 'late' and st.error is not null then 'the schedule is set aside'
            when kind = 'late' and st.claim_at < clock_timestamp() - interval '1 minute' then 'many schedules are late, which is one incident'
            end;
    elsif kind in ('beat silent', 'worker silent') and subject <> 'beat' and not exists (
            select from heartbeat h where h.name = subject and (h.seen_at > clock_timestamp() - interval '30 seconds'
                                                                or h.detail ? 'ended')) then
        return 'other processes do its work';
    elsif kind = 'blocked' and exists (select from upstream_state u where u.upstream = subject and u.failures > 0) then
        return 'it may be called again; no call has succeeded yet';
    end if;
    return null;
end
$$;

comment on function incident_outcome(text, text) is
    'How an incident ended when not by recovering: disabled, paused, replaced …; null: it recovered';

create or replace function follow_incidents() returns table (opened integer, closed integer)
language plpgsql set lock_timeout = '1s'
as $$
declare
    one record;
    outcome text;
    told integer := 0;
    began constant timestamptz := clock_timestamp();
    -- Read once: it looks at all that is late, held and low.
    broken constant trouble[] := array(select t from trouble t);
begin
    opened := 0;
    closed := 0;
    for one in
        insert into incident (kind, subject, title, text)
        select t.kind, t.subject, t.title, coalesce(t.text, '') from unnest(broken) t
         where not exists (select from incident i where i.kind = t.kind and i.subject = t.subject and i.closed_at is null)
         order by t.kind, t.subject
            on conflict (kind, subject) where closed_at is null do nothing
        returning *
    loop
        opened := opened + 1;
        told := told + tell_incident('incident ' || one.id, one.kind, one.subject, one.title, one.text);
    end loop;
    for one in
        update incident i set closed_at = clock_timestamp()
         where i.closed_at is null
           -- What another beat has opened meanwhile may have broken meanwhile.
           and i.opened_at < began
           and not exists (select from unnest(broken) t where t.kind = i.kind and t.subject = i.subject)
           and not incident_goes_on(i.kind, i.subject)
        returning *
    loop
        closed := closed + 1;
        outcome := incident_outcome(one.kind, one.subject);
        told := told + tell_incident(
            'recovery ' || one.id, one.kind, one.subject,
            case when outcome is null then 'Recovered: ' else 'Over: ' end || one.title,
            coalesce(upper(left(outcome, 1)) || substr(outcome, 2) || '. ', '') || 'It lasted '
            || duration_words(date_trunc('second', one.closed_at - one.opened_at)) || '.');
    end loop;
    if told > 0 then
        perform ask_for_sending();
    end if;
    return next;
end
$$;

comment on function follow_incidents() is
    'Opens an incident for each row of view trouble, closes those that are over, and writes notices of both; beat calls it';
