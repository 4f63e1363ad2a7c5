"""The same agent, its spans sent to another OTLP backend: `python other_backend.py http://localhost:4319`.

Headers that the backend asks for go into OTEL_EXPORTER_OTLP_HEADERS.
"""

import sys

from rag_agent.__main__ import main

main(endpoint=sys.argv[1])
