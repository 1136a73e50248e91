-- What the golden screens show: every kind of state, and names that are wide, long or empty.
-- Times are relative to frozen.clock_timestamp(), 2026-01-15 12:00 UTC.
set session_replication_role = replica;
-- What an installation brings.
delete from watchlist_item; delete from channel; delete from rule; delete from rule_state; delete from category; delete from heartbeat;

insert into schedule (name, task, every, cron, after, timezone, enabled, paused_until, pause_reason, note, options, updated_at, updated_by) values
 ('discovery', 'tasks.discovery.discover', '6 hours', null, null, 'UTC', true, null, null, null, '{"max_tokens": 20}', '2026-01-01Z', 'ada'),
 ('surveillance', 'tasks.discovery.surveil', '4 hours', null, null, 'UTC', true, null, null, 'looks at what discovery found', '{}', '2026-01-01Z', 'ada'),
 ('profile', 'tasks.discovery.profile', null, null, 'discovery', 'UTC', true, null, null, null, '{}', '2026-01-01Z', 'ada'),
 ('prices-nightly', 'tasks.prices.refresh', null, '0 17 * * 1-5', null, 'America/New_York', true, null, null, null, '{}', '2026-01-01Z', 'ada'),
 ('prices-intraday', 'tasks.prices.refresh', '15 minutes', null, null, 'UTC', false, null, null, 'a free key has 25 calls a day', '{}', '2026-01-01Z', 'ada'),
 ('listing-scrape', 'tasks.listings.scrape', '5 minutes', null, null, 'UTC', true, '2026-01-15 14:00Z', 'the site is down for maintenance until the afternoon, says its status page', null, '{}', '2026-01-01Z', 'grace'),
 ('set-aside', 'tasks.discovery.discover', '1 hour', null, null, 'UTC', true, null, null, null, '{}', '2026-01-01Z', 'ada'),
 ('overdue', 'tasks.discovery.discover', '1 hour', null, null, 'UTC', true, null, null, null, '{}', '2026-01-01Z', 'ada'),
 ('tripped', 'tasks.discovery.discover', '1 hour', null, null, 'UTC', true, null, null, null, '{}', '2026-01-01Z', 'ada'),
 ('retention', 'tasks.upkeep.retention', null, '40 3 * * *', null, 'UTC', true, null, null, null, '{}', '2026-01-01Z', 'owner'),
 ('send-notices', 'tasks.watches.send', '1 minute', null, null, 'UTC', true, null, null, null, '{}', '2026-01-01Z', 'owner');

insert into schedule_state (schedule, anchor_at, planned_revision, next_run_at, claim_at, consecutive_failures, tripped_at, tripped_reason, error, error_at, updated_at) values
 ('discovery', '2026-01-01Z', 0, '2026-01-15 18:00Z', '2026-01-15 18:00Z', 0, null, null, null, null, '2026-01-15 12:00Z'),
 ('surveillance', '2026-01-01Z', 0, '2026-01-15 12:00:45Z', '2026-01-15 12:00:45Z', 0, null, null, null, null, '2026-01-15 12:00Z'),
 ('profile', '2026-01-01Z', 0, null, null, 0, null, null, null, null, '2026-01-15 12:00Z'),
 ('prices-nightly', '2026-01-01Z', 0, '2026-01-15 22:00Z', '2026-01-15 22:00Z', 2, null, null, null, null, '2026-01-15 12:00Z'),
 ('listing-scrape', '2026-01-01Z', 0, null, null, 0, null, null, null, null, '2026-01-15 12:00Z'),
 ('set-aside', '2026-01-01Z', 0, null, null, 0, null, null, 'cron "0 0 30 2 *" would never run: no such date', '2026-01-15 09:00Z', '2026-01-15 12:00Z'),
 ('overdue', '2026-01-01Z', 0, '2026-01-15 11:30Z', '2026-01-15 11:30Z', 0, null, null, null, null, '2026-01-15 12:00Z'),
 ('tripped', '2026-01-01Z', 0, null, null, 3, '2026-01-15 08:00Z', '3 failed runs in a row', null, null, '2026-01-15 12:00Z'),
 ('retention', '2026-01-01Z', 0, '2026-01-16 03:40Z', '2026-01-16 03:40Z', 0, null, null, null, null, '2026-01-15 12:00Z'),
 ('send-notices', '2026-01-01Z', 0, '2026-01-15 12:00:30Z', '2026-01-15 12:00:30Z', 0, null, null, null, null, '2026-01-15 12:00Z');

insert into run (id, schedule, task, trigger, due_at, state, queue, created_at, started_at, finished_at, total, done, failed, deferred, result, error, reason, requested_by, open_batches) values
 ('11111111-0000-4000-8000-000000000001', 'discovery', 'tasks.discovery.discover', 'schedule', '2026-01-15 06:00Z', 'succeeded', 'discovery', '2026-01-15 06:00Z', '2026-01-15 06:00:01Z', '2026-01-15 06:00:02.7Z', 20, 20, 0, 0, '{"summary": "62 found, 62 new, 0 updated, 20 chosen"}', null, null, null, 0),
 -- The first nine characters are the same: a table shows one more.
 ('22222222-1000-4000-8000-000000000002', 'surveillance', 'tasks.discovery.surveil', 'schedule', '2026-01-15 08:00Z', 'partial', 'discovery', '2026-01-15 08:00Z', '2026-01-15 08:00:01Z', '2026-01-15 08:01:31Z', 341, 339, 2, 0, '{"summary": "341 checked, 6 new"}', 'dexscreener: answered 503 for 2 of the tokens; they are tried again by the next run', null, null, 0),
 ('22222222-2000-4000-8000-000000000003', 'prices-nightly', 'tasks.prices.refresh', 'schedule', '2026-01-14 22:00Z', 'failed', 'prices', '2026-01-14 22:00Z', '2026-01-14 22:00:01Z', '2026-01-14 22:00:04Z', 0, 0, 0, 0, null, 'WATCHKEEPER_ALPHA_VANTAGE_API_KEY is not set: prices come from there', null, null, 0),
 ('33333333-0000-4000-8000-000000000004', 'listing-scrape', 'tasks.listings.scrape', 'manual', '2026-01-15 10:00Z', 'succeeded', 'listings', '2026-01-15 10:00Z', '2026-01-15 10:00:01Z', '2026-01-15 10:00:11.5Z', 10, 10, 0, 0, '{"summary": "10 pages, 200 ads, 1 new, 日本語の題名 und Ümläute 🎧 zum Prüfen der Breite einer Zelle"}', null, null, 'grace', 0),
 ('44444444-0000-4000-8000-000000000005', 'surveillance', 'tasks.discovery.surveil', 'schedule', '2026-01-15 11:58Z', 'running', 'discovery', '2026-01-15 11:58Z', '2026-01-15 11:58:01Z', null, 100, 0, 0, 0, null, null, null, null, 2),
 ('55555555-0000-4000-8000-000000000006', 'overdue', 'tasks.discovery.discover', 'backfill', '2026-01-15 10:30Z', 'skipped', 'discovery', '2026-01-15 10:30Z', null, '2026-01-15 10:30Z', 0, 0, 0, 0, null, null, 'the last run is still active', 'ada', 0),
 ('66666666-0000-4000-8000-000000000007', 'retention', 'tasks.upkeep.retention', 'schedule', '2026-01-15 03:40Z', 'succeeded', 'upkeep', '2026-01-15 03:40Z', '2026-01-15 03:40:01Z', '2026-01-15 03:40:02Z', 1, 1, 0, 0, '{"counts": {"deleted": 1204}, "summary": "1,204 rows deleted"}', null, null, null, 0),
 ('77777777-0000-4000-8000-000000000008', null, 'tasks.prices.refresh', 'manual', '2026-01-15 09:00Z', 'stopped', 'prices', '2026-01-15 09:00Z', '2026-01-15 09:00:01Z', '2026-01-15 09:10Z', 5, 2, 0, 0, null, null, 'stopped by ada: wrong symbols', 'ada', 0);
insert into run (id, schedule, task, trigger, due_at, state, queue, created_at, started_at, finished_at, result)
select ('8' || lpad(n::text, 7, '0') || '-0000-4000-8000-000000000000')::uuid, 'send-notices', 'tasks.watches.send', case when n % 10 = 0 then 'system' else 'schedule' end,
       timestamptz '2026-01-15 12:00Z' - n * interval '1 minute', 'succeeded', 'notices', timestamptz '2026-01-15 12:00Z' - n * interval '1 minute',
       timestamptz '2026-01-15 12:00Z' - n * interval '1 minute', timestamptz '2026-01-15 12:00:00.2Z' - n * interval '1 minute',
       '{"counts": {"sent": 0, "messages": 0}, "summary": "nothing to send"}'
  from generate_series(1, 312) n;
insert into batch (run_id, seq, task, queue, state, total, done, failed, deferred, waiting_for, created_at, updated_at, send_at) values
 ('44444444-0000-4000-8000-000000000005', 0, 'tasks.discovery.surveil', 'discovery', 'done', 50, 40, 1, 0, null, '2026-01-15 11:58Z', '2026-01-15 11:59Z', null),
 ('44444444-0000-4000-8000-000000000005', 1, 'tasks.discovery.surveil', 'discovery', 'waiting', 50, 0, 0, 0, 'dexscreener', '2026-01-15 11:58Z', '2026-01-15 11:59Z', null);
update upstream_state set next_permit_at = '2026-01-15 12:00:09Z', next_permit_reason = '300 calls a minute' where upstream = 'dexscreener';
update upstream_state set next_permit_at = '2026-01-15 12:00Z' where upstream <> 'dexscreener';
update upstream_state set blocked_until = '2026-01-15 13:00Z', blocked_reason = 'answered 503 with a challenge page', failures = 3 where upstream = 'head_fi';

insert into heartbeat (name, role, started_at, seen_at, detail) values
 ('beat1@host', 'beat', '2026-01-15 06:00Z', '2026-01-15 11:59:58Z', '{}'),
 ('fast@host', 'worker', '2026-01-15 06:00Z', '2026-01-15 11:59:57Z', '{"queues": ["prices", "discovery", "notices", "upkeep"]}'),
 ('scrape@host', 'worker', '2026-01-15 06:00Z', '2026-01-15 11:00Z', '{"queues": ["listings"]}');

delete from change;
insert into change (id, table_name, key, name, action, old, new, changed_at, changed_by, program) overriding system value values
 (1, 'schedule', '{"name": "discovery"}', 'discovery', 'update', '{"every": "04:00:00"}', '{"every": "06:00:00"}', '2026-01-10 08:00Z', 'ada', 'psql'),
 (2, 'schedule', '{"name": "listing-scrape"}', 'listing-scrape', 'update', '{"paused_until": null}', '{"paused_until": "2026-01-15T14:00:00+00:00"}', '2026-01-15 10:05Z', 'grace', 'watchkeeper'),
 (3, 'quota', '{"upstream": "alpha_vantage", "per": "1 day"}', 'alpha_vantage 1 day', 'update', '{"calls": 500}', '{"calls": 25}', '2026-01-15 11:00Z', 'ada', 'console');

insert into channel (name, kind, target, upstream, enabled, created_at, note) values
 ('phone', 'webhook', 'https://push.example.org/x', 'discord', true, '2026-01-01Z', 'on call'),
 ('team', 'discord', 'env:WATCHKEEPER_CHANNEL_TEAM', 'discord', false, '2026-01-01Z', null);
insert into rule (name, subject, expression, updated_at) values
 ('bargain', 'listing', 'title contains "HD 650" and price < 300', '2026-01-01Z'),
 ('broken', 'listing', 'prise < 300', '2026-01-01Z');
insert into rule_state (rule, revision, error, error_at, hint, checked_at) values
 ('bargain', 0, null, null, null, '2026-01-02Z'),
 ('broken', 0, 'listing has no field "prise"', 0, 'Did you mean price?', '2026-01-02Z');
insert into match (id, rule, subject, subject_id, occasion, occasion_key, title, facts, matched_at) overriding system value values
 (1, 'bargain', 'listing', '1', 'new', 'new', 'Sennheiser HD 650 mint', '{}', '2026-01-15 10:00Z');
insert into notice (id, channel, key, match_id, content, state, attempts, not_before, answer, created_at, sent_at) overriding system value values
 (1, 'phone', 'a', 1, null, 'sent', 1, '2026-01-15 10:00Z', '200', '2026-01-15 10:00Z', '2026-01-15 10:00:05Z'),
 (2, 'phone', 'b', null, '{"title": "prices-nightly failed", "text": "no key"}', 'dead', 5, '2026-01-15 09:00Z', '404: Unknown Webhook', '2026-01-15 08:00Z', null),
 (3, 'phone', 'c', null, '{"title": "beat is silent", "text": "since 12:00"}', 'waiting', 0, '2026-01-15 12:05Z', null, '2026-01-15 11:59Z', null);

insert into watchlist_item (symbol, priority, refresh_every, active, note, added_at) values
 ('AAPL', 10, '5 minutes', true, null, '2026-01-01Z'), ('TSCO.LON', 50, '1 hour', true, 'groceries', '2026-01-01Z');
insert into quote (symbol, source, price, session_date, volume, previous_close, fetched_at) values
 ('AAPL', 'alpha_vantage', 230.12, '2026-01-14', 1000, 228, '2026-01-15 01:00Z'), ('TSCO.LON', 'stooq', 4.5, '2026-01-14', 1000, 4.6, '2026-01-15 01:00Z');
insert into category (id, site, external_id, slug, title, path, scraped) overriding system value values (900, 'head_fi', '900', 'headphones', 'Headphones for sale', '/headphones/', true);
insert into category_state (category_id, first_complete_at, last_complete_at) values (900, '2026-01-01Z', '2026-01-15 10:00Z');
insert into listing (id, site, external_id, category_id, title, url, price, currency, status, listing_type, seller, first_seen_at, changed_at, last_seen_at) overriding system value values
 (1, 'head_fi', '1001', 900, 'Sennheiser HD 650 mint', 'https://www.example.org/1001', 249, 'USD', 'active', 'for sale', 'ada', '2026-01-15 10:00Z', '2026-01-15 10:00Z', '2026-01-15 10:00Z'),
 (2, 'head_fi', '1002', 900, '日本語ヘッドホン 🎧 e' || U&'\0301' || 'dition spéciale, with the original box, all cables and a balanced one', 'https://www.example.org/1002', 1249.50, 'JPY', 'sold', 'for sale', 'grace', '2026-01-14 10:00Z', '2026-01-15 10:00Z', '2026-01-15 10:00Z');
insert into listing_price (id, listing_id, price, currency, seen_at) overriding system value values (1, 1, 299, 'USD', '2026-01-14 10:00Z'), (2, 1, 249, 'USD', '2026-01-15 10:00Z');
insert into listing_status_change (id, listing_id, status, before, seen_at) overriding system value values (1, 1, 'active', null, '2026-01-14 10:00Z');
insert into token (id, chain, address_key, address, symbol, name, price_usd, first_seen_at, last_seen_at) overriding system value values
 (1, 'solana', 'so1', 'So11111111111111111111111111111111111111112', 'SOL', 'Wrapped SOL', 231.5, '2026-01-15 06:00Z', '2026-01-15 11:58Z');
set session_replication_role = origin;
