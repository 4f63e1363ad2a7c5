-- A record beside spans whose span is gone, or has no content any more.
not exists (
    select 1 from raw.spans as s
    where s.trace_id = x.trace_id and s.span_id = x.span_id
        and coalesce(s.content_forms, '') not like '%"content":"dropped"%'
)
