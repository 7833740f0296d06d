"""The health port: whether the process lives, what is missing until it can answer reviews, and what it has counted.

It is plain HTTP for the kubelet and Prometheus, and shows nothing about pods.
"""

from datetime import UTC, datetime

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response

from mesh_injector.metrics import Metrics


class Readiness:
    """The conditions of being ready, in order, each with what is missing; nothing is missing where the text is empty."""

    def __init__(self) -> None:
        self.missing = {"source": "it has not been read yet", "server": "it does not accept reviews yet"}
        self.certificate_expires: datetime | None = None
        self.certificate_missing = ""

    def conditions(self, at: datetime) -> dict[str, str]:
        """What is missing for each condition at a time, which is aware of its zone."""
        expires = self.certificate_expires
        is_over = expires is not None and at > expires
        return {**self.missing, "certificate": f"it expired at {expires:%Y-%m-%dT%H:%M:%SZ}" if is_over else self.certificate_missing}


def health(readiness: Readiness, metrics: Metrics) -> FastAPI:
    """Make the app: `/livez` is always 200; `/readyz` has a line for each condition as Kubernetes writes it, and is 503 where one is
    missing; `/metrics` is for Prometheus."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)

    @app.get("/livez")
    async def livez() -> PlainTextResponse:
        return PlainTextResponse("alive\n")

    @app.get("/readyz")
    async def readyz() -> PlainTextResponse:
        conditions = readiness.conditions(datetime.now(UTC))
        lines = [f"[-]{name} not ready: {missing}" if missing else f"[+]{name} ok" for name, missing in conditions.items()]
        is_ready = not any(conditions.values())
        lines.append(f"readyz check {'passed' if is_ready else 'failed'}")
        return PlainTextResponse("".join(f"{line}\n" for line in lines), 200 if is_ready else 503)

    @app.get("/metrics")
    async def scrape(request: Request) -> Response:
        text, content_type = metrics.text(request.headers.get("accept", ""))
        return Response(text, headers={"content-type": content_type})

    return app
