-- Stretches of time whose spans change: the sums of users.
delete from raw.user_sums
where start_ns between $start and $end
    and exists (
        select 1 from changed_stretches as c where c.start_ns = user_sums.start_ns and c.hours = user_sums.hours
    );
