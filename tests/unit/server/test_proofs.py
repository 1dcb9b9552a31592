"""What shows that an address leads to this server."""

from __future__ import annotations

from patter_cli.server.proofs import LIFE_S, MOST, Proofs


def test_a_proof_is_good_once_for_each_kind_of_connection() -> None:
    """Whoever has seen it on its way finds nothing afterwards; who guesses never does."""
    proofs = Proofs(lambda: 0.0)
    proof = proofs.new()
    assert proofs.take("guessed", "http") is None
    assert proofs.take(proof.token, "http") == proof.answer
    assert proofs.take(proof.token, "http") is None
    assert proofs.take(proof.token, "websocket") == proof.answer
    assert proofs.take(proof.token, "websocket") is None


def test_a_proof_that_nobody_asked_for_is_forgotten() -> None:
    """After its time, and when there are many."""
    clock = [0.0]
    proofs = Proofs(lambda: clock[0])
    old = proofs.new()
    clock[0] = LIFE_S
    assert proofs.take(old.token, "http") is None
    first = proofs.new()
    others = [proofs.new() for _ in range(MOST - 1)]
    assert proofs.take(first.token, "http") == first.answer
    proofs.new()
    assert proofs.take(first.token, "websocket") is None
    assert proofs.take(others[-1].token, "http") == others[-1].answer
