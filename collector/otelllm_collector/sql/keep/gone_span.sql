-- A record of a span that is gone.
not exists (select 1 from raw.spans as s where s.trace_id = x.trace_id and s.span_id = x.span_id)
