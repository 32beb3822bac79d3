"""The engine is quiet while thousands of its workers die."""

import logging

import pytest
import structlog


@pytest.fixture(autouse=True)
def quiet():
    """Let no log line be written."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)
