"""What `connect` finds out before anything is computed, and what its workers are like."""

from __future__ import annotations

import http.server
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

distributed = pytest.importorskip("distributed")

from tinygrad_bp.cluster import connect, connection  # noqa: E402
from tinygrad_bp.errors import ClusterError  # noqa: E402
from tinygrad_bp.train.surroundings import THREADS  # noqa: E402


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "SECONDS", 0.5)


@pytest.fixture
def without_workers() -> Iterator[Any]:
    with distributed.LocalCluster(
        n_workers=0, dashboard_address="127.0.0.1:0", scheduler_kwargs={"dashboard": False}
    ) as cluster:
        yield cluster


def refused(address: str) -> str:
    with pytest.raises(ClusterError) as raised, connect(address):
        pass
    return str(raised.value)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "127.0.0.1:1", "nonsense", "cup://a:1"])
def test_an_address_without_a_scheduler(address: str) -> None:
    assert f"no scheduler answers at {address}" in refused(address)


def test_somebody_who_listens_and_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = "tcp://{}:{}".format(*silent.getsockname())
        assert "nothing within" in refused(address)


def test_a_web_server() -> None:
    """Dask's own page at port 8787 is one; its client would wait for good."""

    class Quiet(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert "nothing within" in refused(f"tcp://127.0.0.1:{server.server_port}")
        server.shutdown()


def test_a_scheduler_without_workers(without_workers: Any) -> None:
    told = refused(without_workers.scheduler_address)
    assert f"dask worker {without_workers.scheduler_address} --nthreads 1" in told


def test_workers_with_other_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    there = connection.surroundings()
    monkeypatch.setattr(connection, "surroundings", lambda: {**there, "numpy": "1.0"})
    told = f"has numpy {there['numpy']}, and here it is 1.0"
    with pytest.raises(ClusterError, match=told), connect(workers=1):
        pass


def test_workers_have_one_thread_whatever_is_set_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with connect(workers=1) as client:
        (found,) = client.run(_threads).values()
    assert found == dict.fromkeys(THREADS, "1")
    assert os.environ["OPENBLAS_NUM_THREADS"] == "2"
    assert "MKL_NUM_THREADS" not in os.environ


def _threads() -> dict[str, str | None]:
    return {name: os.environ.get(name) for name in THREADS}
