-- Spans of other libraries: in whose words they came, and what those mean where no column has it (see rows.py).
alter table raw.spans add column vocabulary varchar;
alter table raw.spans add column made varchar;
alter table raw.spans add column counted boolean; -- false where another span is the same call, and counts
