"""Where a server's documents come from: files and folders, a cluster, or both read as one; each followed as it changes."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mesh_injector import directory, documents
from mesh_injector.documents import Reading
from mesh_injector.metrics import Metrics
from mesh_injector.server.app import Readiness
from mesh_injector.server.certificate import Certificate, FromSecret
from mesh_injector.server.options import CLUSTER, Options
from mesh_injector.store import Store

if TYPE_CHECKING:
    from mesh_injector.kube.client import Cluster
    from mesh_injector.kube.source import ClusterSource
    from mesh_injector.server.freshness import Freshness
    from mesh_injector.server.validator import Find


@dataclass(frozen=True, slots=True)
class Connected:
    """A cluster that is followed: its client, what it holds, who compares that with what an API server knows, and who looks for a
    ConfigMap where none are watched yet."""

    cluster: "Cluster"
    source: "ClusterSource"
    freshness: "Freshness"
    find: "Find"


@contextlib.asynccontextmanager
async def connected(options: Options, current: Store, metrics: Metrics) -> AsyncIterator[Connected | None]:
    """Follow the cluster while the block lasts, where it is among the sources. Raises ClusterError where none can be found."""
    if not options.reads_cluster:
        yield None
        return
    from mesh_injector.kube import client, objects, source  # half a second, for those who need it
    from mesh_injector.kube.live import Limits, Live
    from mesh_injector.server.freshness import Freshness

    async with (
        client.connect(options.credentials) as cluster,
        source.following(cluster, options.home_namespace, current.describe) as followed,
    ):
        live, seldom = Live(cluster), Live(cluster, Limits(per_second=2, burst=10, open=16))  # changes must not crowd out pods
        metrics.caches = followed.states
        try:
            yield Connected(cluster, followed, Freshness(current, followed, live), objects.finder(seldom))
        finally:
            await live.stop()
            await seldom.stop()


def readings(options: Options, connection: Connected | None, nudge: asyncio.Event) -> AsyncGenerator[Reading, None]:
    """What all sources hold, anew whenever one of them has changed."""
    paths = tuple(path for path in options.sources if path != CLUSTER)
    followed = [directory.follow(paths, nudge=nudge)] if paths else []
    if connection is not None:
        followed.append(connection.source.readings())
    return followed[0] if len(followed) == 1 else _merged(followed)


async def _merged(sources: list[AsyncGenerator[Reading, None]]) -> AsyncGenerator[Reading, None]:
    """The newest readings of several sources as one, when each has had its first; one that is not `ok` is told alone."""
    newest: dict[int, Reading] = {}
    coming = {asyncio.ensure_future(anext(each)): number for number, each in enumerate(sources)}
    try:
        while True:
            done, _ = await asyncio.wait(coming, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                number, reading = coming.pop(task), task.result()
                if reading.ok:
                    newest[number] = reading
                else:
                    yield reading
                coming[asyncio.ensure_future(anext(sources[number]))] = number
            if len(newest) == len(sources):
                yield documents.together(tuple(newest[number] for number in sorted(newest)))
    finally:
        for task in coming:
            task.cancel()
        await asyncio.gather(*coming, return_exceptions=True)
        for each in sources:
            await each.aclose()


async def followed_secret(connection: Connected, options: Options, serving: Certificate, readiness: Readiness) -> None:
    """Offer what the certificate's Secret holds, whenever it changes."""
    from mesh_injector.kube import lists, reflector, secret

    listener = FromSecret(serving, readiness, f"Secret {options.home_namespace}/{options.secret}")
    scope = lists.Scope(secret.SECRETS, options.home_namespace, name=options.secret)
    await reflector.Reflector(connection.cluster, scope, listener).run()


async def tell_missing(connection: Connected, tell: Callable[[str], None], seconds: float = 0.5) -> None:
    """Say every so often what has not been listed yet, until everything has."""
    while missing := connection.source.missing():
        tell(missing)
        await asyncio.sleep(seconds)
