-- Statements that the database refuses.  `make docs` runs each, and writes refusals.md with the answers.
-- A line that begins with `-- #` is a heading of that page.

-- # When a schedule runs
UPDATE schedule SET every = '15' WHERE name = 'discovery';
UPDATE schedule SET every = '2 days' WHERE name = 'discovery';
UPDATE schedule SET every = '3 hours' WHERE name = 'surveillance';
UPDATE schedule SET every = '1 month' WHERE name = 'discovery';
UPDATE schedule SET every = '-1 hour' WHERE name = 'discovery';
UPDATE schedule SET cron = '@daily' WHERE name = 'discovery';
UPDATE schedule SET every = NULL WHERE name = 'discovery';
UPDATE schedule SET cron = '17:00' WHERE name = 'retention';
UPDATE schedule SET cron = '@every 5m' WHERE name = 'retention';
UPDATE schedule SET cron = '0, 30 * * * *' WHERE name = 'retention';
UPDATE schedule SET cron = '0 25 * * *' WHERE name = 'retention';
UPDATE schedule SET cron = '0 0 L * *' WHERE name = 'retention';
UPDATE schedule SET cron = '0 0 31 2 *' WHERE name = 'retention';
UPDATE schedule SET cron = '@reboot' WHERE name = 'retention';
UPDATE schedule SET timezone = 'America/New_Yrok' WHERE name = 'retention';
UPDATE schedule SET calendar = 'NYSE' WHERE name = 'retention';
UPDATE schedule SET calendar_hours = 'open' WHERE name = 'retention';
UPDATE schedule SET every = NULL, after = 'discovry' WHERE name = 'surveillance';
UPDATE schedule SET every = NULL, after = 'follower' WHERE name = 'discovery';
UPDATE schedule SET starts_at = '2026-12-24Z', ends_at = '2026-12-23Z' WHERE name = 'discovery';
UPDATE schedule SET starts_at = 'infinity' WHERE name = 'discovery';
UPDATE schedule SET jitter = '1 month' WHERE name = 'discovery';

-- # Options of a task
UPDATE schedule SET options = '{"max_tokns": 5}' WHERE name = 'discovery';
UPDATE schedule SET options = '{"max_tokens": 300}' WHERE name = 'discovery';
UPDATE schedule SET options = '{"max_tokens": "many"}' WHERE name = 'discovery';
UPDATE schedule SET options = '{"include": ["BONK", " "]}' WHERE name = 'discovery';
UPDATE schedule SET options = '5' WHERE name = 'discovery';
UPDATE schedule SET enabled = NULL WHERE name = 'discovery';
INSERT INTO schedule (name, task, every) VALUES ('new', NULL, '1 hour');

-- # Other columns of a schedule
UPDATE schedule SET alert_after = 0 WHERE name = 'discovery';
UPDATE schedule SET alert_on_partial = 50 WHERE name = 'discovery';
UPDATE schedule SET pause_reason = 'down' WHERE name = 'discovery';
UPDATE schedule SET timeout = '0' WHERE name = 'discovery';
UPDATE schedule SET overlap = 'queue' WHERE name = 'discovery';
UPDATE schedule SET catch_up = 'some' WHERE name = 'discovery';
UPDATE schedule SET priority = 10 WHERE name = 'discovery';
UPDATE schedule SET priority = 100000 WHERE name = 'discovery';
UPDATE schedule SET max_attempts = 1000000 WHERE name = 'discovery';
UPDATE schedule SET max_runs = 0 WHERE name = 'discovery';
UPDATE schedule SET queue = 'fast' WHERE name = 'discovery';
UPDATE schedule SET name = 'found' WHERE name = 'discovery';
UPDATE schedule SET task = 'tasks.prices.refresh' WHERE name = 'discovery';
INSERT INTO schedule (name, task, every) VALUES ('nightly', 'tasks.prices.refesh', '1 hour');
INSERT INTO schedule (name, task, every) VALUES ('Night Run', 'tasks.prices.refresh', '1 hour');
INSERT INTO schedule (name, task, every) VALUES (repeat('a', 101), 'tasks.prices.refresh', '1 hour');
DELETE FROM schedule WHERE name = 'discovery';

-- # Upstreams, quotas and pools
UPDATE quota SET calls = 0 WHERE upstream = 'alpha_vantage';
UPDATE quota SET calls = -5 WHERE upstream = 'alpha_vantage';
INSERT INTO quota (upstream, per, calls) VALUES ('alpha_vantage', '1 month', 500);
INSERT INTO quota (upstream, per, calls) VALUES ('alpha_vantage', '0', 5);
UPDATE quota SET calls = NULL WHERE upstream = 'alpha_vantage' AND per = '1 day';
INSERT INTO quota (upstream, per, calls) VALUES ('alpha_vantage', '90 days', 5);
UPDATE quota SET per = '1 hour', timezone = 'UTC' WHERE upstream = 'alpha_vantage' AND per = '1 day';
INSERT INTO quota (upstream, per, calls) VALUES ('alfa_vantage', '1 minute', 5);
UPDATE upstream SET concurrency = 0 WHERE name = 'head_fi';
UPDATE upstream SET spacing = '-2 seconds' WHERE name = 'head_fi';
SELECT unblock('head_fy');
UPDATE upstream SET base_url = 'www.head-fi.org' WHERE name = 'head_fi';
UPDATE upstream SET base_url = 'http://169.254.169.254/latest' WHERE name = 'head_fi';
INSERT INTO upstream (name, base_url) VALUES ('shop', 'http://2130706433');
INSERT INTO worker_group VALUES ('prices', 8, 1);

-- # Rules and filters
INSERT INTO rule (name, expression, channels) VALUES ('hd800', 'title contains "HD 800"', '{phone}');
INSERT INTO rule (name, expression, occasions) VALUES ('hd800', 'title contains "HD 800"', '{}');
INSERT INTO rule (name, subject, expression) VALUES ('hd800', 'car', 'price < 800');
UPDATE global_filter SET filters = '{"ship_to": ["US"]}';
UPDATE global_filter SET filters = '{"ships_to": "US"}';
UPDATE global_filter SET filters = '{"min_seller_reputation": "ten"}';

-- # Requests
SELECT run_now('discovry');
SELECT run_now('discovery', 'why', '{"max_tokns": 5}');
SELECT run_now('discovery', 'why', '[]');
SELECT backfill('discovery', '2010-01-01Z', '2026-01-01Z');
SELECT backfill('discovery', '9000-01-01Z', '9000-01-02Z');
SELECT backfill('discovery', '2026-01-01Z', NULL);
SELECT backfill('follower', '2026-01-01Z', '2026-01-02Z');
SELECT stop_run('00000000-0000-0000-0000-000000000000');
