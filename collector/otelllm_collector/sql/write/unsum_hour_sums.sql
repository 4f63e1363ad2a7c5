-- Hours whose spans change.
delete from raw.hour_sums
where hour_ns between $start and $end
    and exists (select 1 from changed_stretches as c where c.start_ns = hour_sums.hour_ns and c.hours = 1);
