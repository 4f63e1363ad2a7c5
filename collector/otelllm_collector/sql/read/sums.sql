-- The same without percentiles, which cost ten times the rest.
select
    /*key*/ null as key,
    /*bucket*/ null as bucket_ns,
    /*include sum_columns*/,
    null::double as ttft_p50_ms,
    null::double as ttft_p95_ms,
    null::double as duration_p50_ms,
    null::double as duration_p95_ms,
    null::double as duration_p99_ms
from raw.spans as s
where
    /*include model_calls*/
    and /*condition*/ true
group by 1, 2
order by bucket_ns nulls first, calls desc, key nulls last
limit $limit;
