"""The trace explorer: a Streamlit app that reads the collector's HTTP API and nothing else."""
