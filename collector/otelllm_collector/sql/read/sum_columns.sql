    -- Sums over model calls. Included by the questions that give them with percentiles and without.
    count(*) as calls,
    count(*) filter (where s.status = 'error') as errors,
    coalesce(sum(s.input_tokens), 0)::bigint as input_tokens,
    coalesce(sum(s.output_tokens), 0)::bigint as output_tokens,
    coalesce(sum(s.cache_read_tokens), 0)::bigint as cache_read_tokens,
    coalesce(sum(s.reasoning_tokens), 0)::bigint as reasoning_tokens,
    sum(s.cost_usd) as cost_usd, -- null where no call has a price
    count(*) filter ( -- what failed before anything was used has no cost to be known
        where s.cost_usd is null and coalesce(s.cost_status, s.input_tokens::varchar, s.output_tokens::varchar) is not null
    ) as unpriced_calls
