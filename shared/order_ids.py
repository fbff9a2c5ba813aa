"""Client order ids as all parts read them: `{epoch}-{strategy}-{slot}-{generation}`."""

PARTS = 4


def slot_of(order_id: str) -> str:
    """Return the slot in a client order id, empty when it is none of ours."""
    parts = order_id.split("-")
    return parts[2] if len(parts) == PARTS else ""
