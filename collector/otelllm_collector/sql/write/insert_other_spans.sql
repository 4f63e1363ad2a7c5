-- A batch's spans but for those that are stored already, or are in another batch.
insert into raw.spans by name
select b.*
from batch_rows as b
anti join dropped_spans as d on b.trace_id = d.trace_id and b.span_id = d.span_id;
