-- name: list
-- Problems first, what does not run last.
select * from schedule_detail
 order by case when state ~ '^(LATE|set aside|paused itself)' then 1
               when state = 'on' and result = 'failed' then 1
               when state = 'on' and result = 'partial' then 2
               when state like 'paused%' then 3 when state = 'disabled' then 5 else 4 end, name
