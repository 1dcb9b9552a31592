"""An MCP server that shakes hands, offers tools with schemas that are none, and answers calls with garbage."""

import json
import sys

TOOLS = [
    {"name": "noise", "description": "Garbage.", "inputSchema": {"type": "object"}},
    {"name": "shape", "description": "An answer of the wrong shape.", "inputSchema": {"type": "object"}},
    {"name": "flood", "description": "A line without end.", "inputSchema": {"type": "object"}},
    {"name": "chatter", "description": "Lines without end.", "inputSchema": {"type": "object"}},
    {"name": "word", "description": "An answer.", "inputSchema": {"type": "object"}},
    {"name": "bad", "description": "No schema.", "inputSchema": {"type": "object", "properties": {"a": {"type": 7}}}},
    {"name": "far", "description": "Elsewhere.", "inputSchema": {"type": "object", "$ref": "https://evil.example/x"}},
    {"name": "wide", "description": "x", "inputSchema": {"type": "object", "description": "x" * 20_000}},
]


def answer(asked):
    match asked["method"]:
        case "initialize":
            version = asked["params"]["protocolVersion"]
            info = {"name": "liar", "version": "1"}
            return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}
        case "tools/list":
            return {"tools": TOOLS}
        case "tools/call" if asked["params"]["name"] == "shape":
            return {"content": "no list", "isError": "perhaps"}
        case "tools/call":
            return {"content": [{"type": "text", "text": "a word"}]}
    return None


for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    if asked["method"] == "tools/call" and asked["params"]["name"] == "noise":
        sys.stdout.buffer.write(b"\xff\xfe no json at all {{{\n[1, 2\n\n")
        sys.stdout.buffer.flush()
        continue
    while asked["method"] == "tools/call" and asked["params"]["name"] in ("flood", "chatter"):
        sys.stdout.write("x" * 65536 if asked["params"]["name"] == "flood" else "hm\n" * 1000)
    result = answer(asked)
    told = {"result": result} if result is not None else {"error": {"code": -32601, "message": "no such method"}}
    print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], **told}), flush=True)
