-- Stretches of time whose spans change: their sums hold no more.
delete from raw.summed
where start_ns between $start and $end
    and exists (
        select 1 from changed_stretches as c where c.start_ns = summed.start_ns and c.hours = summed.hours
    );
