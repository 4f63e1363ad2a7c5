-- Hours whose spans change: their sums hold no more.
delete from raw.hour_sums
where hour_ns between $start and $end and exists (select 1 from changed_hours as c where c.hour_ns = hour_sums.hour_ns);
