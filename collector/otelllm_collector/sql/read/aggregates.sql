-- Sums and percentiles of model calls. The key and the bucket are fixed expressions of stores/duckdb/conditions.py.
select
    /*key*/ null as key,
    /*bucket*/ null as bucket_ns,
    /*include sum_columns*/,
    quantile_cont(coalesce(s.ttft_s, s.first_chunk_s), 0.5) * 1e3 as ttft_p50_ms,
    quantile_cont(coalesce(s.ttft_s, s.first_chunk_s), 0.95) * 1e3 as ttft_p95_ms,
    quantile_cont((s.end_ns - s.start_ns) / 1e6, 0.5) as duration_p50_ms,
    quantile_cont((s.end_ns - s.start_ns) / 1e6, 0.95) as duration_p95_ms,
    quantile_cont((s.end_ns - s.start_ns) / 1e6, 0.99) as duration_p99_ms
from raw.spans as s
where
    /*include model_calls*/
    and /*condition*/ true
group by 1, 2
order by bucket_ns nulls first, calls desc, key nulls last
limit $limit;
