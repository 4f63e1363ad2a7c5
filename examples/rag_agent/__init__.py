"""A small RAG agent on a model that runs on this machine: `python -m rag_agent` in the folder above this one."""
