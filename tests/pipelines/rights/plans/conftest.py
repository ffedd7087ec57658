"""A story of policies, each planned and then built."""

import pytest

from tests.builders import POLICY
from tests.pipelines.rights.plans.planned import NARROW, a_planned_corpus, build_with, plan_of


@pytest.fixture(scope="session")
def story(tmp_path_factory):
    """Build under one policy, then under others; give each plan with what the build then did. Nothing may change it."""
    config = a_planned_corpus(tmp_path_factory.mktemp("plan"))
    build_with(config, POLICY)
    steps = {}
    for name, text in (("same", POLICY), ("narrow", NARROW), ("back", POLICY)):
        plan = plan_of(config, text)
        steps[name] = (plan, build_with(config, text))
    return config, steps
