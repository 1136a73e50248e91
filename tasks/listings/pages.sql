-- name: found
select l.id::text as key, l.title, l.price, l.currency, l.status, c.title as category, l.condition,
       l.seller, l.site,
       (select array_agg(p.price order by p.seen_at, p.id) from listing_price p
              where p.listing_id = l.id) as spark,
       l.first_seen_at as found, l.url
  from listing l left join category c on c.id = l.category_id
 where (cast(:q as text) is null or l.title ilike :q or l.seller ilike :q)
   and (cast(:after as text) is null or l.id < cast(:after as bigint))
 order by l.id desc limit :limit

-- name: sites
select s.name as site, s.title, s.upstream, s.active,
       (select count(*) from category c where c.site = s.name and c.scraped) as categories,
       (select max(g.started_at) from scrape_log g where g.site = s.name) as last_scrape,
       (select blocked_until from upstream_state u where u.upstream = s.upstream
              and blocked_until > clock_timestamp())
           as blocked_until
  from site s order by s.active desc, s.name

-- name: facts
select l.title, l.url, l.image_url, l.listing_type, l.price, l.currency, l.price_text, l.condition,
       l.negotiability,
       l.ships_to, l.seller, l.seller_reputation, l.status, l.site, c.title as category,
              l.listed_at, l.edited_at,
       l.first_seen_at, l.changed_at, l.last_seen_at, l.missed_scrapes
  from listing l left join category c on c.id = l.category_id where l.id = cast(:key as bigint)

-- name: prices
select seen_at as at, price from listing_price where listing_id = cast(:key as bigint) order by seen_at

-- name: history
select seen_at as seen, 'price' as what, concat_ws(' ', price, currency) as value
  from listing_price where listing_id = cast(:key as bigint)
union all
select seen_at, 'status', concat_ws(' → ', before, status)
  from listing_status_change where listing_id = cast(:key as bigint)
 order by 1 desc

-- name: of_a_run
select site, category, state, reason, pages, cards, new, changed, price_changes, expired, thorough,
       blocked_why
  from scrape_log where run_id = :run order by started_at
