"""Teachers: who writes requests, answers and judges them; the grammar that does it offline, and the Ollama server."""
