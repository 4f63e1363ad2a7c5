-- Of calls whose sender named no session (see conversations.py).
alter table raw.spans add column inferred_session varchar;
alter table raw.spans add column prefix bigint;
