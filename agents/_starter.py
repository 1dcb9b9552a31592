"""STARTER: answers the phone, says when it is open, takes a message."""

from patter_cli import Agent

PROMPT = """You answer the phone of a small shop. You say when it is open and take messages."""

agent = Agent(PROMPT, first_message="Hello, this is the shop's automated assistant. How can I help?")

# Answers without a key. With a language model instead: delete on_message and give the agent
#     llm=OpenAILLM()    or    llm=OpenAICompatibleLLM("http://localhost:11434/v1", "your-model")
# and tools: functions under @tool. See the README's "Write your own".


async def on_message(event):
    """Answer one turn of the caller; pieces are spoken as they come."""
    text = event.text.lower()
    if "open" in text or "hours" in text:
        yield "We are open from nine to six, Monday to Saturday."
    elif "message" in text:
        yield "Of course. What shall I pass on?"
    elif "bye" in text:
        yield "Thank you for calling. Goodbye!"
        event.end_call()
    else:
        yield "I have noted that. Is there anything else?"
