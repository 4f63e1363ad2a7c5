-- A trace none of whose spans is left.
not exists (
    select 1 from raw.spans as s
    where s.trace_id = x.trace_id and s.start_ns >= $from and s.start_ns between x.start_ns and x.end_ns
)
