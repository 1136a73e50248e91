-- name: rule_states
select name, state, wrong_at, hint from rule_status
