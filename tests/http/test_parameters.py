"""What parameters that say nothing of their own are described as."""

import pytest

from isthmus.http.parameters import described


@pytest.mark.parametrize(
    ("name", "path", "said"),
    [
        ("id", "/api/connections/{id}/test", "The connection's id."),
        ("id", "/api/sync/pushes/{id}", "The push's id."),
        ("id", "/api/webhooks/recoveries/{id}", "The recovery's id."),
        ("id", "/api/admin/integrations/{category}/{id}", "The provider's id."),
        ("id", "/api/merchants/{merchant_id}/api-keys/{id}", "The API key's id."),
        ("run_id", "/api/sync/runs/{run_id}", "The run's id."),
        ("merchant_id", "/api/merchants/{merchant_id}/api-keys", "The merchant's id, which is the tenant's."),
    ],
)
def test_a_part_of_the_path_is_told_by_its_name_and_by_what_stands_before_it(name: str, path: str, said: str) -> None:
    assert described({"name": name, "in": "path"}, path)["description"] == said


def test_a_parameters_own_words_count_and_an_unknown_one_stays_silent() -> None:
    own = {"name": "from", "in": "query", "description": "Included."}
    assert described(own, "/api/audit") == own
    assert described({"name": "from", "in": "query"}, "/api/orders")["description"] == "From this time on."
    for place in ("query", "path"):
        assert "description" not in described({"name": "colour", "in": place}, "/api/things/{colour}")
