"""CrewAI: its methods are wrapped where they do their work. Its event bus hands events to threads of its own, so that a
listener can make no span current, and hears starts and ends out of order; its own telemetry is left alone.
"""

from __future__ import annotations

from functools import partial

from ...spec import Hook, Wrapper
from .classes import each_class
from .models import begin_model_call, told_chunk, told_completion, told_thought, told_usage
from .steps import (
    begin_agent,
    begin_agent_task,
    begin_crew,
    begin_flow,
    begin_kickoff,
    begin_query,
    begin_recall,
    begin_resumed_flow,
    begin_tool,
    in_context,
    observed,
    with_call_id,
)

__all__ = ["FRAMEWORK"]

_LLM = "crewai.llms.base_llm:BaseLLM"
_calls = observed(begin_model_call)
_tasks = observed(begin_agent_task)
_alone = observed(begin_agent)
_tools = observed(begin_tool)


class _CrewAI:
    name = "crewai"
    package = "crewai"
    oldest = "1.15"
    newest = "1.15.30"
    hooks = (
        Wrapper("crewai.crew:Crew.kickoff", observed(begin_crew)),  # kickoff_async is this one in a thread
        Wrapper("crewai.crew:Crew.akickoff", observed(begin_crew)),
        Wrapper("crewai.crew:Crew.replay", observed(begin_crew), optional=True),
        Wrapper("crewai.flow.runtime:Flow.kickoff_async", observed(begin_flow)),  # the others end here
        Wrapper("crewai.flow.runtime:Flow.resume_async", observed(begin_resumed_flow), optional=True),
        Hook(
            "crewai.agents.agent_builder.base_agent:BaseAgent",
            partial(
                each_class,
                "BaseAgent",
                {
                    "execute_task": _tasks,
                    "aexecute_task": _tasks,
                    "kickoff": observed(begin_kickoff),
                    "kickoff_async": _alone,
                },
            ),
        ),
        Wrapper("crewai.lite_agent:LiteAgent.kickoff", _alone, optional=True),
        Hook("crewai.tools.base_tool:BaseTool", partial(each_class, "BaseTool", {"run": _tools, "arun": _tools})),
        Wrapper("crewai.tools.structured_tool:CrewStructuredTool.invoke", _tools),
        Wrapper("crewai.tools.structured_tool:CrewStructuredTool.ainvoke", lambda one: _tools(in_context(one))),
        Wrapper(
            "crewai.agents.agent_executor:AgentExecutor._execute_single_native_tool_call", with_call_id, optional=True
        ),
        Wrapper("crewai.knowledge.knowledge:Knowledge.query", observed(begin_query), optional=True),
        Wrapper("crewai.knowledge.knowledge:Knowledge.aquery", observed(begin_query), optional=True),
        Wrapper("crewai.memory.unified_memory:Memory.recall", observed(begin_recall), optional=True),
        Hook(_LLM, partial(each_class, "BaseLLM", {"call": _calls, "acall": _calls})),
        Wrapper(f"{_LLM}._emit_call_completed_event", told_completion, optional=True),
        Wrapper(f"{_LLM}._emit_stream_chunk_event", told_chunk, optional=True),
        Wrapper(f"{_LLM}._emit_thinking_chunk_event", told_thought, optional=True),
        Wrapper(f"{_LLM}._track_token_usage_internal", told_usage, optional=True),
    )


FRAMEWORK = _CrewAI()
