"""`isthmus sandbox` serves until Ctrl-C, shows what is needed to connect, and refuses rubbish with a reason."""

import http.client
import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import pytest
from tests.given import forks

COMMAND = ["-m", "isthmus", "sandbox"]


@contextmanager
def running(*options: str) -> Iterator[tuple[forks.Fork, str]]:
    """The command, started; yields it with everything it prints before it serves."""
    read, write = os.pipe()
    with Path(os.devnull).open("rb") as nothing, os.fdopen(read, encoding="utf-8") as printed:
        process = forks.Fork([*COMMAND, *options], [nothing.fileno(), write, 2], env={**os.environ, "COLUMNS": "70"})
        os.close(write)
        try:
            shown = ""
            for line in printed:
                shown += line
                if "Ctrl-C" in line:
                    break
            yield process, shown
        finally:
            process.kill()
            process.wait(10)


def test_one_marketplace_is_served_until_ctrl_c() -> None:
    with running("tiki", "--products", "3") as (process, shown):
        address = next(word for word in shown.split() if word.startswith("http://127.0.0.1:"))
        with closing(http.client.HTTPConnection(address.removeprefix("http://"), timeout=5)) as connection:
            connection.request("GET", "/_sandbox")
            summary = msgspec.json.decode(connection.getresponse().read())
        packed = "".join(shown.replace("│", "").split())
        for app in summary["apps"]:
            assert all(value in packed for value in app["credentials"].values())
        assert all(seller["id"] in packed for seller in summary["sellers"])
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


@pytest.mark.parametrize(
    ("options", "reason"),
    [(["amazing"], "no sandbox for amazing"), (["tiki", "--catalog", "FILE"], "line 2, column 'Regular price'")],
)
def test_a_wrong_name_or_file_ends_with_its_reason(tmp_path: Path, options: list[str], reason: str) -> None:
    file = tmp_path / "products.csv"
    file.write_text("Type,SKU,Name,Regular price\nsimple,a,Cap,cheap\n")
    given = [str(file) if option == "FILE" else option for option in options]
    environment = {**os.environ, "COLUMNS": "200"}
    ended = forks.run([*COMMAND, *given], timeout=30, env=environment)
    assert ended.returncode == 1
    assert reason in ended.stderr
    assert "Traceback" not in ended.stderr
