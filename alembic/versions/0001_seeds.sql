-- What a new installation begins with; inserted once, no later revision overwrites what people have edited.

INSERT INTO upstream (name, base_url, note)
 VALUES ('dexscreener', 'https://api.dexscreener.com', 'No key; 60 feed and 300 pair calls a minute');
INSERT INTO upstream (name, base_url, concurrency, note)
 VALUES ('geckoterminal', 'https://api.geckoterminal.com', 2, 'No key; 30 calls a minute by its documentation');
INSERT INTO upstream (name, base_url, concurrency, spacing, note)
 VALUES ('alpha_vantage', 'https://www.alphavantage.co', 1, '00:00:01', 'Needs WATCHKEEPER_ALPHA_VANTAGE_API_KEY');
INSERT INTO upstream (name, base_url, concurrency, spacing, note)
 VALUES ('stooq', 'https://stooq.com', 1, '00:00:01', 'No key and no promise; used when a schedule names it');
INSERT INTO upstream (name, base_url, concurrency, note)
 VALUES ('discord', 'https://discord.com', 2, 'Webhooks of channels; the path with its token is in the environment');
INSERT INTO upstream (name, base_url, concurrency, spacing, obey_robots, note)
 VALUES ('head_fi', 'https://www.head-fi.org', 1, '00:00:02', true, 'A web site: one page at a time, robots.txt obeyed');

INSERT INTO quota (upstream, per, calls, note)
 VALUES ('dexscreener', '00:01:00', 60, 'The feeds'' limit holds for all calls here: 300 are allowed for pairs');
INSERT INTO quota (upstream, per, calls, note)
 VALUES ('geckoterminal', '00:01:00', 30, 'Documented limit per address');
INSERT INTO quota (upstream, per, calls, note)
 VALUES ('alpha_vantage', '1 day', 25, 'A free key; older keys had 5 a minute and 500 a day');
INSERT INTO quota (upstream, per, calls, note)
 VALUES ('stooq', '1 day', 200, 'Ours: its own daily limit is not documented');
INSERT INTO quota (upstream, per, calls, note)
 VALUES ('head_fi', '00:01:00', 20, 'Ours: no more than a person turns pages');
INSERT INTO quota (upstream, per, calls, note)
 VALUES ('discord', '00:00:02', 5, 'A webhook takes five in two seconds');

INSERT INTO market (mic, title, timezone)
 VALUES ('XNYS', 'New York Stock Exchange', 'America/New_York');
INSERT INTO market (mic, title, timezone)
 VALUES ('XLON', 'London Stock Exchange', 'Europe/London');
INSERT INTO market (mic, title, timezone)
 VALUES ('XTSE', 'Toronto Stock Exchange', 'America/Toronto');
INSERT INTO market (mic, title, timezone)
 VALUES ('XETR', 'Xetra, Frankfurt', 'Europe/Berlin');
INSERT INTO market (mic, title, timezone)
 VALUES ('XPAR', 'Euronext Paris', 'Europe/Paris');
INSERT INTO market (mic, title, timezone)
 VALUES ('XBOM', 'BSE, Mumbai', 'Asia/Kolkata');
INSERT INTO market (mic, title, timezone)
 VALUES ('XTKS', 'Tokyo Stock Exchange', 'Asia/Tokyo');
INSERT INTO market (mic, title, timezone)
 VALUES ('XHKG', 'Hong Kong Stock Exchange', 'Asia/Hong_Kong');
INSERT INTO market (mic, title, timezone)
 VALUES ('XASX', 'Australian Securities Exchange, Sydney', 'Australia/Sydney');
INSERT INTO market (mic, title, timezone)
 VALUES ('XFRA', 'Frankfurt Stock Exchange', 'Europe/Berlin');
INSERT INTO market (mic, title, timezone)
 VALUES ('XSHG', 'Shanghai Stock Exchange', 'Asia/Shanghai');

INSERT INTO site (name, upstream, title, selectors, note)
 VALUES ('head_fi', 'head_fi', 'Head-Fi classifieds', '{"card": "a.hfcUserListing", "next": "a.pageNav-jump--next", "type": ".hfcPrice .label", "image": "img.hfcCoverImage--clear", "price": ".hfcPrice", "title": ".hfcListingTitle", "edited": ".hfcLastEditDate time", "fields": ".hfcCustomFields dl", "listed": ".hfcListingDate time", "seller": ".hfcCreatorInfo", "overlay": ".hfcOverlayGlobal--content"}', 'Built in; selectors as two public bots know them');

INSERT INTO category (site, external_id, slug, title, path, scraped)
 VALUES ('head_fi', '1', 'headphones-for-sale-trade', 'Headphones', '/classifieds/categories/headphones-for-sale-trade.1/', false);
INSERT INTO category (site, external_id, slug, title, path, parent_id)
 VALUES ('head_fi', '2', 'full-size', 'Full-size headphones', '/classifieds/categories/full-size.2/', (SELECT id FROM category WHERE site = 'head_fi' AND external_id = '1'));
INSERT INTO category (site, external_id, slug, title, path, parent_id)
 VALUES ('head_fi', '3', 'in-ear-monitors', 'In-ear monitors', '/classifieds/categories/in-ear-monitors.3/', (SELECT id FROM category WHERE site = 'head_fi' AND external_id = '1'));
INSERT INTO category (site, external_id, slug, title, path, scraped)
 VALUES ('head_fi', '4', 'amplification-for-sale-trade', 'Amplification', '/classifieds/categories/amplification-for-sale-trade.4/', false);
INSERT INTO category (site, external_id, slug, title, path, parent_id)
 VALUES ('head_fi', '5', 'desktop', 'Desktop amplifiers', '/classifieds/categories/desktop.5/', (SELECT id FROM category WHERE site = 'head_fi' AND external_id = '4'));
INSERT INTO category (site, external_id, slug, title, path, parent_id)
 VALUES ('head_fi', '6', 'portable', 'Portable amplifiers', '/classifieds/categories/portable.6/', (SELECT id FROM category WHERE site = 'head_fi' AND external_id = '4'));
INSERT INTO category (site, external_id, slug, title, path, scraped)
 VALUES ('head_fi', '7', 'source-components-for-sale-trade', 'Source components', '/classifieds/categories/source-components-for-sale-trade.7/', false);
INSERT INTO category (site, external_id, slug, title, path, parent_id)
 VALUES ('head_fi', '8', 'dacs', 'DACs', '/classifieds/categories/dacs.8/', (SELECT id FROM category WHERE site = 'head_fi' AND external_id = '7'));
INSERT INTO category (site, external_id, slug, title, path, parent_id)
 VALUES ('head_fi', '9', 'dac-amps', 'DAC/Amps', '/classifieds/categories/dac-amps.9/', (SELECT id FROM category WHERE site = 'head_fi' AND external_id = '7'));
INSERT INTO category (site, external_id, slug, title, path, parent_id)
 VALUES ('head_fi', '10', 'daps', 'DAPs', '/classifieds/categories/daps.10/', (SELECT id FROM category WHERE site = 'head_fi' AND external_id = '7'));
INSERT INTO category (site, external_id, slug, title, path, parent_id)
 VALUES ('head_fi', '11', 'cd-players', 'CD players', '/classifieds/categories/cd-players.11/', (SELECT id FROM category WHERE site = 'head_fi' AND external_id = '7'));
INSERT INTO category (site, external_id, slug, title, path)
 VALUES ('head_fi', '12', 'cables-speakers-accessories-for-sale-trade', 'Cables, speakers, accessories', '/classifieds/categories/cables-speakers-accessories-for-sale-trade.12/');
INSERT INTO category (site, external_id, slug, title, path)
 VALUES ('head_fi', '13', 'media-for-sale-trade', 'Media', '/classifieds/categories/media-for-sale-trade.13/');

INSERT INTO watchlist_item (symbol)
 VALUES ('AAPL');
INSERT INTO watchlist_item (symbol)
 VALUES ('GOOGL');
INSERT INTO watchlist_item (symbol)
 VALUES ('MSFT');
INSERT INTO watchlist_item (symbol)
 VALUES ('AMZN');
INSERT INTO watchlist_item (symbol, priority)
 VALUES ('TSLA', 90);
INSERT INTO watchlist_item (symbol, priority)
 VALUES ('NVDA', 90);
INSERT INTO watchlist_item (symbol, priority)
 VALUES ('META', 90);

INSERT INTO task_kind (name, description, options_schema, queue)
 VALUES ('tasks.discovery.surveil', 'tasks.discovery.surveil', '{}', 'discovery');
INSERT INTO task_kind (name, description, options_schema, queue)
 VALUES ('tasks.discovery.discover', 'tasks.discovery.discover', '{}', 'discovery');
INSERT INTO task_kind (name, description, options_schema, queue)
 VALUES ('tasks.prices.refresh', 'tasks.prices.refresh', '{}', 'prices');
INSERT INTO task_kind (name, description, options_schema, queue)
 VALUES ('tasks.listings.scrape', 'tasks.listings.scrape', '{}', 'listings');
INSERT INTO task_kind (name, description, options_schema, queue)
 VALUES ('tasks.upkeep.sessions', 'tasks.upkeep.sessions', '{}', 'upkeep');
INSERT INTO task_kind (name, description, options_schema, queue)
 VALUES ('tasks.upkeep.retention', 'tasks.upkeep.retention', '{}', 'upkeep');
INSERT INTO task_kind (name, description, options_schema, queue)
 VALUES ('tasks.discovery.profile', 'tasks.discovery.profile', '{}', 'discovery');
INSERT INTO task_kind (name, description, options_schema, queue)
 VALUES ('tasks.watches.send', 'tasks.watches.send', '{}', 'notices');
INSERT INTO task_kind (name, description, options_schema, queue)
 VALUES ('tasks.watches.check', 'tasks.watches.check', '{}', 'notices');
INSERT INTO task_kind (name, description, options_schema, queue)
 VALUES ('tasks.watches.digest', 'tasks.watches.digest', '{}', 'notices');

-- The kinds are described by the migrate step right after: until then their schedules cannot be checked.
ALTER TABLE schedule DISABLE TRIGGER schedule_check;

INSERT INTO schedule (name, title, task, every)
 VALUES ('surveillance', 'Token surveillance', 'tasks.discovery.surveil', '04:00:00');
INSERT INTO schedule (name, title, task, every)
 VALUES ('discovery', 'Token discovery', 'tasks.discovery.discover', '06:00:00');
INSERT INTO schedule (name, title, task, cron)
 VALUES ('prices-nightly', 'Closing prices', 'tasks.prices.refresh', '0 0 * * *');
INSERT INTO schedule (name, title, task, every, enabled, note)
 VALUES ('prices-intraday', 'Prices while the market is open', 'tasks.prices.refresh', '00:15:00', false, 'Disabled: a free Alpha Vantage key has 25 calls a day; enable it with a larger quota');
INSERT INTO schedule (name, title, task, every, enabled, note)
 VALUES ('listing-scrape', 'Head-Fi classifieds', 'tasks.listings.scrape', '00:05:00', false, 'Disabled: set WATCHKEEPER_USER_AGENT to your contact first, and read the site''s terms');
INSERT INTO schedule (name, title, task, every)
 VALUES ('market-sessions', 'Trading calendars, two years ahead', 'tasks.upkeep.sessions', '1 day');
INSERT INTO schedule (name, title, task, cron)
 VALUES ('retention', 'Deletes what is old', 'tasks.upkeep.retention', '40 3 * * *');
INSERT INTO schedule (name, title, task, every, overlap)
 VALUES ('send-notices', 'Sends what waits in the outbox', 'tasks.watches.send', '00:01:00', 'allow_all');
INSERT INTO schedule (name, title, task, every, overlap)
 VALUES ('check-rules', 'Reads rules that were edited', 'tasks.watches.check', '01:00:00', 'buffer_one');
INSERT INTO schedule (name, title, task, cron)
 VALUES ('digest', 'What happened since yesterday; set timezone to yours', 'tasks.watches.digest', '0 8 * * *');
INSERT INTO schedule (name, title, task, after, overlap, note)
 VALUES ('profile', 'Early buyers of chosen tokens', 'tasks.discovery.profile', 'discovery', 'buffer_one', 'Looks at tokens of discoveries with profile_immediately');

ALTER TABLE schedule ENABLE TRIGGER schedule_check;

INSERT INTO global_filter (single)
 VALUES (true);

INSERT INTO pause_switch (single)
 VALUES (true);
