"""OpenAI's wire format, which many other SDKs and servers speak: chat, completions and embeddings, read the same."""
