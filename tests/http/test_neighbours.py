"""What one tenant does shows in no answer to another one (security.md SC-06)."""

from tests.http.conftest import MakeLab
from tests.http.test_limits import routes


async def test_SC_06_a_tenant_that_uses_up_its_share_changes_nothing_in_the_answers_to_another(lab: MakeLab) -> None:
    told = []
    for busy in (0, 50):
        here = lab(routes(), settings={"limits": {"search": 2}, "tenant_factor": 2})
        codes = [
            (await here.call("GET", "/api/search", headers=here.signed(tenant="ten_b", subject=f"usr_{n}"))).status_code
            for n in range(busy)
        ]
        assert codes == [200] * min(busy, 4) + [429] * (busy - 4)
        for _ in range(3):
            answer = await here.call("GET", "/api/search", headers=here.signed(tenant="ten_a"))
            seen = {name: value for name, value in answer.headers.items() if name not in {"x-request-id", "date"}}
            told.append((answer.status_code, seen))
    assert told[:3] == told[3:], "whatever the other does"
    assert [seen["x-ratelimit-remaining"] for _, seen in told[:3]] == ["1", "0", "0"]
