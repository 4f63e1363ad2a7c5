// Sends spans by OpenTelemetry's own JavaScript SDK: node sender.mjs PROTOCOL URL [MODEL_URL]
// With MODEL_URL they are those of Vercel's ai package, of a streamed and of a whole answer; else two of our own.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(new URL("../../package.json", import.meta.url));
const load = (name) => import(pathToFileURL(require.resolve(name)));

const [protocol, url, model] = process.argv.slice(2);
const { trace, SpanKind, SpanStatusCode } = await load("@opentelemetry/api");
const { NodeTracerProvider, BatchSpanProcessor } = await load("@opentelemetry/sdk-trace-node");
const { resourceFromAttributes } = await load("@opentelemetry/resources");

const exporters = {
  "http/json": ["@opentelemetry/exporter-trace-otlp-http", { url: `${url}/v1/traces` }],
  "http/protobuf": ["@opentelemetry/exporter-trace-otlp-proto", { url: `${url}/v1/traces`, compression: "gzip" }],
  grpc: ["@opentelemetry/exporter-trace-otlp-grpc", { url }],
};
const [name, options] = exporters[protocol];
const { OTLPTraceExporter } = await load(name);
const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ "service.name": "shop-js" }),
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter(options))],
});
provider.register();
const tracer = trace.getTracer("shop", "1.2.3");

async function own() {
  await tracer.startActiveSpan("invoke_agent helper", { attributes: { "gen_ai.operation.name": "invoke_agent" } }, async (agent) => {
    const chat = tracer.startSpan("chat gpt-4o-mini", {
      kind: SpanKind.CLIENT,
      attributes: {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.usage.input_tokens": 1200,
        "gen_ai.usage.output_tokens": 50,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.input.messages": JSON.stringify([{ role: "user", parts: [{ type: "text", content: "Skagen? ÆØÅ 🌊" }] }]),
        "app.score": 0.5,
        "app.flags": [true, false],
      },
    });
    chat.addEvent("exception", { "exception.type": "RateLimitError" });
    chat.setStatus({ code: SpanStatusCode.ERROR, message: "slow down" });
    chat.end();
    console.log(agent.spanContext().traceId);
    agent.end();
  });
}

async function vercel() {
  const { generateText, streamText } = await load("ai");
  const { createOpenAI } = await load("@ai-sdk/openai");
  const openai = createOpenAI({ baseURL: model, apiKey: "none" });
  const telemetry = { isEnabled: true, functionId: "answer", metadata: { userId: "u-1", sessionId: "s-1" } };
  await tracer.startActiveSpan("app", async (root) => {
    await generateText({ model: openai.chat("gpt-4o-mini"), prompt: "When was it lit?", experimental_telemetry: telemetry });
    const streamed = streamText({ model: openai.chat("gpt-4o-mini"), prompt: "And then?", experimental_telemetry: telemetry });
    for await (const _ of streamed.textStream);
    console.log(root.spanContext().traceId);
    root.end();
  });
}

await (model ? vercel() : own());
await provider.forceFlush();
await provider.shutdown();
