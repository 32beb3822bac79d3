import json
from pathlib import Path

import pytest

import streams.sandbox

SHOP = Path(streams.sandbox.__file__).parent / "shop"
PROGRAMME = """
programme: corner
version: {version}
zone: Europe/Moscow
points: {{bonus: {{unit: 1.00, value: 1.00}}}}
points_lanes: [base]
redemption: {{currency: bonus}}
"""
CAMPAIGN = """
campaign: tea
version: {version}
gives: {{points_percent: {percent}}}
lane: base
"""


@pytest.fixture
def written(tmp_path):
    """Write documents into a folder, each replacing the one before."""

    def write(name, text):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_the_campaigns_of_the_demo_are_sound(call):
    """What newcomers copy from must pass."""
    ended = call("campaigns", "check", str(SHOP / "campaigns"), str(SHOP / "programme.yaml"))

    assert ended.code == 0, ended.out
    assert "0 problems" in ended.out


def test_a_problem_is_said_at_its_line_and_column(call, written):
    """As compilers do, so that editors find the place."""
    written("programme.yaml", PROGRAMME.format(version=1))
    path = written("tea.yaml", CAMPAIGN.format(version=1, percent="15%").replace("lane", "lame"))

    ended = call("campaigns", "check", path)

    assert ended.code == 1
    assert f"{path}:5:1: " in ended.out
    problems = json.loads(call("campaigns", "check", path, "--json").out)["problems"]
    assert any(problem["line"] == 5 and problem["file"] == path for problem in problems)


def test_a_file_that_is_not_there_is_wrong_usage(call):
    """Exit code 2, as for any argument that cannot be meant."""
    assert call("campaigns", "check", "nowhere.yaml").code == 2


def test_publishing_is_a_dry_run_until_told_to(call, written, market):
    """Then it is out, and publishing it again changes nothing."""
    programme = written("programme.yaml", PROGRAMME.format(version=1))
    path = written("tea.yaml", CAMPAIGN.format(version=1, percent="5%"))

    def outcomes(*arguments):
        ended = call(*arguments, "--json", **market)
        assert ended.code == 0, ended.err
        return [row["outcome"] for row in json.loads(ended.out)]

    assert outcomes("programmes", "publish", programme) == ["would be published"]
    assert json.loads(call("programmes", "list", "--json", **market).out) == []
    assert outcomes("programmes", "publish", programme, "--execute") == ["published"]
    assert outcomes("programmes", "publish", programme, "--execute") == ["is out already"]
    assert outcomes("campaigns", "publish", path) == ["would be published"]
    assert outcomes("campaigns", "publish", path, "--execute") == ["published"]
    (listed,) = json.loads(call("campaigns", "list", "--json", **market).out)
    assert (listed["id"], listed["version"]) == ("tea", 1)
    assert listed["document"]["gives"] == {"points_percent": 500}


def test_what_is_out_is_never_changed(call, written, market):
    """Other content under a published number is refused; the next number is taken."""
    call(
        "programmes", "publish", written("programme.yaml", PROGRAMME.format(version=1)),
        "--execute", **market,
    )  # fmt: skip
    publish = ("campaigns", "publish", "--execute")
    call(*publish, written("tea.yaml", CAMPAIGN.format(version=1, percent="5%")), **market)

    changed = written("tea.yaml", CAMPAIGN.format(version=1, percent="50%"))
    refused = call(*publish, changed, **market)
    raised = call(
        *publish, written("tea.yaml", CAMPAIGN.format(version=2, percent="50%")), **market
    )

    assert refused.code == 1
    assert "error PUBLISHED: tea version 1 is published with other content" in refused.err
    assert "give it version 2" in refused.err
    assert raised.code == 0, raised.err
    listed = json.loads(call("campaigns", "list", "--all", "--json", **market).out)
    shares = [(each["version"], each["document"]["gives"]["points_percent"]) for each in listed]
    assert shares == [(1, 500), (2, 5000)]


def test_a_campaign_without_a_programme_is_refused(call, written, market):
    """It could be about points that do not exist."""
    path = written("tea.yaml", CAMPAIGN.format(version=1, percent="5%"))

    ended = call("campaigns", "publish", path, "--execute", **market)

    assert ended.code == 1
    assert "error NO_PROGRAMME" in ended.err
