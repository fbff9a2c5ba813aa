"""What a strategy does when the mesh around it starts again."""

from shared.messages import orders, system


def test_a_service_that_starts_again_is_silent_no_more(opened, of, settle) -> None:
    desk = opened()
    settle(desk)
    desk.say(system.SourceSilent("market_data", 1000), "bus")
    settle(desk)
    assert of(orders.OrderIntent, desk.show_book()) == []

    desk.say(system.EpochStarted(8, "test"), "bus")
    desk.say(system.ServiceStarted("market_data", 2, "test", b"\x80", ["market_data"]), "bus")

    assert len(of(orders.OrderIntent, desk.show_book())) == 2
