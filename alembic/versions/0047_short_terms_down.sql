drop index schedule_by_short_term;
drop function short_terms(text);
