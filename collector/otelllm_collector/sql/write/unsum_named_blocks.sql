-- Hours whose spans change.
delete from raw.named_blocks
where hour_ns between $start and $end
    and exists (select 1 from changed_stretches as c where c.start_ns = named_blocks.hour_ns and c.hours = 1);
