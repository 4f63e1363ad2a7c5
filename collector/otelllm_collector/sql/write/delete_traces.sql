delete from raw.traces
where start_ns between $start and $end
    and exists (select 1 from changed_traces as c where c.trace_id = traces.trace_id and c.start_ns = traces.start_ns);
