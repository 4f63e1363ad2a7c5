delete from raw.spans
where start_ns between $start and $end
    and exists (
        select 1 from replaced_spans as r where r.trace_id = spans.trace_id and r.span_id = spans.span_id
    );
