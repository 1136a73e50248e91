-- name: read
select p.*, i.every, i.period, c.minute, c.hour, c.day_of_week, c.day_of_month, c.month_of_year,
       c.timezone, k.clocked_time, s.event, s.latitude, s.longitude
  from django_celery_beat_periodictask p
  left join django_celery_beat_intervalschedule i on i.id = p.interval_id
  left join django_celery_beat_crontabschedule c on c.id = p.crontab_id
  left join django_celery_beat_clockedschedule k on k.id = p.clocked_id
  left join django_celery_beat_solarschedule s on s.id = p.solar_id
 order by p.name
