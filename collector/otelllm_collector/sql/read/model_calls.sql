    s.operation in ('chat', 'generate_content', 'text_completion', 'embeddings', 'rerank')
    -- an embedding or rerank that names neither is a step of the app's own, in its process
    and (s.operation not in ('embeddings', 'rerank') or coalesce(s.provider, s.request_model) is not null)
    and s.counted is not false -- two spans of one call are one call
