"""One line makes every call of an app a span: start `otelllm up`, set OPENAI_API_KEY, run this."""

import openai

import otelllm

otelllm.instrument(service_name="quickstart", capture="full")
answer = openai.OpenAI().chat.completions.create(
    model="gpt-4o-mini", messages=[{"role": "user", "content": "Why is the sky blue?"}], max_tokens=40
)
print(answer.choices[0].message.content)
