"""The order desk of a shop: finds orders, asks the carrier, changes addresses, gets you a person. All of it by tools.

    patter simulate orders                               hear it, with the caller of orders.toml: no account, no key
    patter simulate --scenario agents/orders-busy.toml   the same desk, while nobody can come to the telephone

Who decides when a tool is called is `rules`, a function in the place of a language model, so that it runs without a
key. With OPENAI_API_KEY set, the same tools work for a real one. Import OpenAILLM and change one line at the end:

    llm=OpenAILLM(),
"""

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from patter_cli import Agent, RulesLLM, Tool, ToolCall, ToolContext, Turn, call_tool, tool
from patter_cli.text.spoken import normal

COLLEAGUE = "+12025550144"
ORDERS: dict[str, dict[str, Any]] = {  # your shop's database
    "4711": {"item": "a green teapot", "state": "sent"},
    "1234": {"item": "two cups", "state": "packed", "address": {"street": "9 Mill Lane", "town": "Bristol"}},
}
call_backs: list[dict[str, str]] = []


# --- The tools: what a model may do -------------------------------------------------------------------------------


@dataclass
class Address:
    """Where a parcel goes. A tool's argument can be any type that says what is in it."""

    street: str
    town: str


@tool
def find_order(number: str) -> dict[str, Any]:
    """Look an order up: what it is, and whether it is packed or sent. number: four digits, such as "4711"."""
    return ORDERS.get(number, {"state": "unknown"})


@tool(timeout_s=20)
async def track_parcel(number: str) -> str:
    """Ask the carrier where an order is that was sent. number: the order's."""
    await asyncio.sleep(2.5)  # carriers take their time; meanwhile the caller is told so, and could talk on
    return "It is in the van and will be with you before six o'clock today."


@tool
def change_address(number: str, address: Address) -> dict[str, Any]:
    """Send an order to another address, after the caller has agreed to it. number: the order's."""
    order = ORDERS.get(number, {"state": "unknown"})
    if order["state"] != "packed":  # never rely on the model for what must not happen
        return {"changed": False, "because": f"the order is {order['state']}"}
    order["address"] = asdict(address)
    return {"changed": True}


def note_call_back(arguments: Mapping[str, Any], ctx: ToolContext) -> str:
    """ctx comes from the call itself: no model can make up who is calling."""
    call_backs.append({"caller": ctx.caller, "about": arguments["about"]})
    return "noted"


call_back = Tool(  # the same as @tool, with the schema in your own hands
    "call_back",
    "Have a colleague ring the caller back, on the number they are calling from.",
    {
        "type": "object",
        "properties": {"about": {"type": "string", "maxLength": 200, "description": "What they need."}},
        "required": ["about"],
    },
    handler=note_call_back,
)


# --- The rules: what a model would decide -------------------------------------------------------------------------

NUMBER = "What is your order number? You can say it, or press its four keys."
CARRIER = "Shall I ask the carrier where it is now?"
ADDRESS = "What is the new address, with the street and the town?"
AGREED = "Is that right?"
MORE = "Is there anything else?"

# What we listen for, in normal text: lower case, numbers as digits ("twelve thirty four" is "12 34").
WISH = r"(address)|order(?! number)|parcel|where"
DIGITS = r"\b(\d{4}|\d\d \d\d|\d \d \d \d)\b"
STREET = r"(\d+ (?:\w+ ){1,2}(?:street|road|lane|avenue|way)) (?:in )?(\w+)"
YES = r"^(?!.*\b(no|not|don't|wait|wrong)\b).*\b(yes|yeah|yep|sure|ok|okay|please|right|correct)\b"


def rules(turn: Turn) -> str | ToolCall | Iterable[str | ToolCall]:
    """Say something, call a tool, or both; asked again once the tools have answered.

    It may be asked before the caller has surely finished, and again after. So it remembers nothing: all it knows is
    in the turn.
    """
    if turn.results:
        return report(*turn.results[-1])
    text, asked = normal(turn.text), "".join(turn.agent_said[-1:])
    if re.search(r"good ?by|\bbye\b|that('s| is) (all|it|everything)", text):
        return ["Thank you for calling. Goodbye!", call_tool("end_call")]
    if re.search(r"call.* back", text):
        return call_tool("call_back", about=" ".join(turn.caller_said)[-200:])
    if re.search(r"human|person|colleague|somebody|talk to", text):
        return ["One moment, I'm putting you through.", call_tool("transfer_call", number=COLLEAGUE)]
    wish = latest(turn, WISH) if NUMBER in asked or ADDRESS in asked else re.search(WISH, text)
    digits, street, yes = latest(turn, DIGITS), latest(turn, STREET), re.search(YES, text)
    number = digits[1].replace(" ", "") if digits else ""
    address = {"street": street[1].title(), "town": street[2].title()} if street else {}
    if CARRIER in asked and yes:
        return call_tool("track_parcel", number=number)
    if AGREED in asked and yes:
        return call_tool("change_address", number=number, address=address)
    if wish and not number:
        return NUMBER
    if wish and not wish[1]:
        return call_tool("find_order", number=number)
    if wish and address and ADDRESS in asked:
        return f"I'll send order {' '.join(number)} to {address['street']} in {address['town']}. {AGREED}"
    if wish:
        return ADDRESS
    return "You can ask where an order is, change its address, or talk to a colleague."


def report(tool: str, data: Any) -> str:
    """What to say to a tool's answer; one that failed has None."""
    match tool, data:
        case "find_order", {"item": item, "state": "sent"}:
            return f"You have ordered {item}, and it has been sent. {CARRIER}"
        case "find_order", {"item": item}:
            return f"You have ordered {item}. It is packed and leaves us tomorrow. {MORE}"
        case "find_order", {"state": "unknown"}:
            return f"I can't find that order. {NUMBER}"
        case "track_parcel", str(where):
            return f"{where} {MORE}"
        case "change_address", {"changed": True}:
            return f"Done, it goes to the new address. {MORE}"
        case "change_address", {"because": why}:
            return f"I'm sorry, I can't change that: {why}. {MORE}"
        case "call_back", "noted":
            return f"A colleague will call you back on the number you are calling from. {MORE}"
    return f"I'm sorry, that did not work just now. {MORE}"


def latest(turn: Turn, pattern: str) -> re.Match[str] | None:
    """Where the caller said something of the kind last."""
    return next(filter(None, (re.search(pattern, normal(said)) for said in reversed(turn.caller_said))), None)


agent = Agent(
    system_prompt=(
        "You are the order desk of Blue Door Teas. Find an order before you talk about it. Ask the carrier only if the "
        "caller wants it. Read a new address back before you change it. Whoever asks for a person gets one."
    ),
    first_message="Thank you for calling Blue Door Teas. This is the automated order desk. What can I do for you?",
    llm=RulesLLM(rules),
    tools=[find_order, track_parcel, change_address, call_back],
    transfer_numbers=[COLLEAGUE],
)
