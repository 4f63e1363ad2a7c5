-- Calls whose prompt does not begin with the prompt of the session's last call (of the same model and agent), so that a
-- provider's cache of it is of no use from there on. Narrow it by session_id or by model: those go down to the spans.
create or replace view main.prompt_breaks as
with calls as (
    select
        coalesce(session_id, inferred_session) as session_id,
        coalesce(response_model, request_model) as model,
        agent_name, trace_id, span_id, start_ns, input_tokens, cache_read_tokens, cost_usd, input_messages,
        system_instructions, tool_definitions,
        row_number() over last_call as number,
        lag(span_id) over last_call as previous_span_id,
        lag(input_tokens) over last_call as previous_input_tokens,
        lag(input_messages) over last_call as previous_messages,
        lag(system_instructions) over last_call as previous_system,
        lag(tool_definitions) over last_call as previous_tools
    from raw.spans
    where operation in ('chat', 'generate_content', 'text_completion')
        and counted is not false
        and coalesce(session_id, inferred_session) is not null
        and input_messages is not null
    window last_call as (
        partition by
            coalesce(session_id, inferred_session), coalesce(response_model, request_model), agent_name
        order by start_ns, span_id
    )
),

compared as (
    select
        *,
        least(len(input_messages), len(previous_messages)) as shared,
        coalesce(list_position(
            list_transform(
                list_zip(input_messages[:shared], previous_messages[:shared]), lambda pair: pair[1] != pair[2]
            ),
            true
        ), 0) as broken_message
    from calls
    where number > 1
)

select
    session_id,
    model,
    agent_name,
    make_timestamp(start_ns // 1000)::timestamptz as start_time,
    replace(trace_id::varchar, '-', '') as trace_id,
    format('{:016x}', span_id) as span_id,
    format('{:016x}', previous_span_id) as previous_span_id,
    case -- providers put tools before instructions, and those before messages
        when tool_definitions is distinct from previous_tools then 'tools'
        when system_instructions is distinct from previous_system then 'system'
        else 'message'
    end as broke_at,
    if(broke_at = 'message', broken_message, null) as message, -- the first that differs, from 1
    if(broke_at = 'message', previous_messages[broken_message], null) as was_message_id,
    if(broke_at = 'message', input_messages[broken_message], null) as is_message_id,
    input_tokens,
    cache_read_tokens,
    -- of what the last call had sent already, what was not read from the cache
    greatest(least(input_tokens, previous_input_tokens) - coalesce(cache_read_tokens, 0), 0) as uncached_tokens,
    cost_usd,
    start_ns
from compared
where broken_message > 0
    or tool_definitions is distinct from previous_tools
    or system_instructions is distinct from previous_system;
