"""What holds for all tests."""

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("byline", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("byline")  # how long an example takes is what others do on the machine, and no test of ours


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files with slow tests first, so that no process is left alone with one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
