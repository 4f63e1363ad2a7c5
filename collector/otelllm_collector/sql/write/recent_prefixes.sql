-- Where the newest conversations have come to: what the writer remembers after a restart.
select * from (
    select trace_id, span_id, start_ns, inferred_session, service_name, user_id, prefix
    from raw.spans
    where prefix is not null
    order by start_ns desc
    limit $limit
)
order by start_ns;
