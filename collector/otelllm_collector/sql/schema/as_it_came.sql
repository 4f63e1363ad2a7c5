-- What an export needs to give back just what came: how content was written where that was no compact JSON text, what
-- else a resource or a scope says, and whether retention has dropped a span's content.
alter table raw.spans add column content_forms varchar;
alter table raw.resources add column rest varchar;
alter table raw.scopes add column rest varchar;
-- Of an event's record whose text retention has dropped.
alter table raw.logs add column content_dropped boolean;
