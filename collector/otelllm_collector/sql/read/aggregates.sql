-- Sums and percentiles of model calls. The key and the bucket are fixed expressions of stores/duckdb/conditions.py.
select
    /*key*/ null as key,
    /*bucket*/ null as bucket_ns,
    count(*) as calls,
    count(*) filter (where s.status = 'error') as errors,
    coalesce(sum(s.input_tokens), 0)::bigint as input_tokens,
    coalesce(sum(s.output_tokens), 0)::bigint as output_tokens,
    coalesce(sum(s.cache_read_tokens), 0)::bigint as cache_read_tokens,
    coalesce(sum(s.reasoning_tokens), 0)::bigint as reasoning_tokens,
    sum(s.cost_usd) as cost_usd, -- null where no call has a price
    count(*) filter (
        where s.cost_usd is null and coalesce(s.cost_status, s.input_tokens::varchar, s.output_tokens::varchar) is not null
    ) as unpriced_calls, -- what failed before anything was used has no cost to be known
    quantile_cont(coalesce(s.ttft_s, s.first_chunk_s), 0.5) * 1e3 as ttft_p50_ms,
    quantile_cont(coalesce(s.ttft_s, s.first_chunk_s), 0.95) * 1e3 as ttft_p95_ms,
    quantile_cont((s.end_ns - s.start_ns) / 1e6, 0.5) as duration_p50_ms,
    quantile_cont((s.end_ns - s.start_ns) / 1e6, 0.95) as duration_p95_ms,
    quantile_cont((s.end_ns - s.start_ns) / 1e6, 0.99) as duration_p99_ms
from raw.spans as s
where s.operation in ('chat', 'generate_content', 'text_completion', 'embeddings', 'rerank')
    -- an embedding or rerank that names neither is a step of the app's own, in its process
    and (s.operation not in ('embeddings', 'rerank') or coalesce(s.provider, s.request_model) is not null)
    and s.counted is not false -- two spans of one call are one call
    and /*condition*/ true
group by 1, 2
order by bucket_ns nulls first, calls desc, key nulls last
limit $limit;
