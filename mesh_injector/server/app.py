"""The health port: whether the process lives, and what is missing until it can answer reviews.

It is plain HTTP for the kubelet and shows nothing about pods.
"""

from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse


@dataclass(slots=True)
class Readiness:
    """What is missing, a sentence for each item; ready when there is none."""

    missing: tuple[str, ...]


def health(readiness: Readiness) -> FastAPI:
    """Make the app: `/livez` is always 200, `/readyz` is 503 with one line for each item that is missing."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)

    @app.get("/livez")
    async def livez() -> PlainTextResponse:
        return PlainTextResponse("alive\n")

    @app.get("/readyz")
    async def readyz() -> PlainTextResponse:
        missing = readiness.missing
        return PlainTextResponse("".join(f"{item}\n" for item in missing) or "ready\n", 503 if missing else 200)

    return app
