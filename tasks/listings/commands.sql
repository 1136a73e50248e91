-- name: newest
-- Listings that pass all filters that are not null.
select l.external_id as id, l.title, l.price, l.currency, l.status, l.listing_type as type,
       c.slug as category, l.seller, ago_words(l.first_seen_at) as found, l.site, l.url,
       first_price.price as first_price
  from listing l
  left join category c on c.id = l.category_id
  left join lateral (select p.price from listing_price p where p.listing_id = l.id
                      order by p.seen_at, p.id limit 1) first_price on true
 where (%(site)s::text is null or l.site = %(site)s)
   and (%(category)s::text is null or c.slug = %(category)s)
   and (%(status)s::text is null or l.status = %(status)s)
   and (%(title)s::text is null or l.title ilike %(title)s)
   and (%(max_price)s::numeric is null or l.price <= %(max_price)s)
 order by l.first_seen_at desc, l.id desc limit %(count)s

-- name: by_number
-- None, one, or two when sites share the number.
select l.*, c.slug as category from listing l left join category c on c.id = l.category_id
 where l.external_id = %(number)s and (%(site)s::text is null or l.site = %(site)s)
 order by l.site limit 2

-- name: history
select p.seen_at as at, 'price' as what, concat_ws(' ', p.price, p.currency) as value
  from listing_price p where p.listing_id = %(listing)s
union all
select s.seen_at, 'status', s.status from listing_status_change s where s.listing_id = %(listing)s
 order by 1

-- name: sites
select s.name, s.title, s.upstream, s.fetch_by, s.active, s.currency, s.expire_after, s.note,
       (select count(*) from category c where c.site = s.name and c.scraped) as categories,
       (select count(*) from listing l where l.site = s.name) as ads,
       (select count(*) from listing l where l.site = s.name and l.status = 'active') as active_ads
  from site s order by s.name

-- name: categories
select c.site, c.external_id as id, c.slug, c.title, p.slug as parent, c.scraped,
       (select count(*) from listing l where l.category_id = c.id and l.status = 'active')
           as active_ads,
       s.last_complete_at
  from category c
  left join category p on p.id = c.parent_id
  left join category_state s on s.category_id = c.id
 order by c.site, c.id
