-- What an export of log records and metrics needs to give back just what came (see rows.py).
alter table raw.logs add column unsaid varchar;
alter table raw.metrics add column metadata varchar;
alter table raw.metrics add column unsaid varchar;
