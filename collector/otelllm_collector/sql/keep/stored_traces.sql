-- Summaries of traces that the file holds, those that were deleted with them, and those that there are.
select
    (
        select coalesce(sum(count), 0)::bigint
        from pragma_storage_info('raw.traces')
        where column_name = 'start_ns' and segment_type = 'BIGINT'
    ) as stored,
    (select count(*) from raw.traces) as live;
