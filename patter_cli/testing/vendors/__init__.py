"""The vendor lab: vendors of speech and language on this machine, each a scripted peer on a real socket.

A vendor here is a function from what a client asks to what it gets: an Answer over HTTP, or a Talk over a WebSocket.
It refuses what the real one refuses, and says what it is told to say on the real one's wire. Faults (late, half open,
cut off, garbage, refused) are put on it from outside, once for all vendors. Nothing in it is shared with the adapters
that it is there to test; the vendors' own SDKs prove it.

    async with serve(AnthropicVendor([Said("We open at nine.")])) as lab:
        model = AnthropicLLM("sk-lab", base_url=lab.url)

`server` has the web server and its steps, `sockets` the WebSocket, `faults` what can go wrong, `llm` language models.
"""
