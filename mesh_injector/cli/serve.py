"""`serve`: the HTTPS webhook on a cluster, files or folders, followed as they change."""

import logging
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from mesh_injector.cli import exits, flags, source
from mesh_injector.cli.flags import flag, lifetime
from mesh_injector.cli.terminal import Terminal
from mesh_injector.kube.credentials import Credentials


def serve(  # noqa: PLR0913 # the parameters are the command's flags
    sources: flags.Sources = None,
    kubeconfig: flags.Kubeconfig = "",
    context: flags.Context = "",
    host: Annotated[str, flag("--host", metavar="ADDRESS", help="The address to listen on.")] = "0.0.0.0",  # noqa: S104 # a pod is called from outside
    port: Annotated[int, flag("--port", metavar="PORT", min=0, max=65535, help="The port of the webhook; 0 picks a free one.")] = 8443,
    health_port: Annotated[
        int, flag("--health-port", metavar="PORT", min=0, max=65535, help="The port of /livez, /readyz and /metrics; 0 picks a free one.")
    ] = 8080,
    tls_dir: flags.TlsDir = None,
    tls_secret: Annotated[
        str,
        flag("--tls-secret", metavar="NAME", help="The Secret of the home namespace; where it is empty the leader fills and renews it."),
    ] = "",
    ca_lifetime: Annotated[
        timedelta,
        flag("--ca-lifetime", parser=lifetime, metavar="TIME", show_default="3650d", help="How long a CA lives that the leader makes."),
    ] = timedelta(days=3650),
    certificate_lifetime: Annotated[
        timedelta,
        flag("--certificate-lifetime", parser=lifetime, metavar="TIME", show_default="90d", help="How long a serving certificate lives."),
    ] = timedelta(days=90),
    certificate_overlap: Annotated[
        timedelta,
        flag(
            "--certificate-overlap",
            parser=lifetime,
            metavar="TIME",
            show_default="60s",
            help="How long API servers have known a new CA before a certificate of it serves. An old CA is dropped ten times later.",
        ),
    ] = timedelta(seconds=60),
    client_ca: Annotated[
        Path | None, flag("--client-ca", metavar="FILE", help="Let only clients in that have a certificate of this CA (PEM), over TLS.")
    ] = None,
    tracing: Annotated[
        bool, flag("--tracing", help="Send sampled OpenTelemetry spans, as OTEL_* variables say; needs the extra `tracing`.")
    ] = False,
    home_namespace: flags.Home = "mesh-system",
    configuration: Annotated[
        str, flag("--configuration", metavar="NAME", help="The MutatingWebhookConfiguration whose entries follow the Meshes.")
    ] = "mesh-injector",
    lease: Annotated[
        str, flag("--lease", metavar="NAME", help="The Lease, in the home namespace, by which replicas agree on the one that writes.")
    ] = "mesh-injector",
    service: Annotated[
        str, flag("--service", metavar="[NAMESPACE/]NAME[:PORT]", help="The Service by which API servers find the webhook.")
    ] = "mesh-injector",
    webhook_url: Annotated[
        str, flag("--webhook-url", metavar="URL", help="Where API servers find the webhook without a Service, as https://HOST:PORT.")
    ] = "",
    verbose: Annotated[bool, flag("-v", "--verbose", help="A log line for every review, not only for refusals.")] = False,
    quiet: Annotated[bool, flag("-q", "--quiet", help="Log warnings and errors only.")] = False,
) -> int:
    """Serve the webhook over HTTPS. A change of the source is live at once, a broken one leaves the last good one serving.

    POST AdmissionReviews to /mutate. The health port has /livez, /readyz and /metrics. SIGTERM drains and ends, SIGHUP reads source and
    certificate anew.

    Examples:

      mesh-injector serve --source mesh/ --tls-dir tls/

      mesh-injector serve --source cluster --home-namespace mesh-system

      mesh-injector serve --source mesh/ --host 127.0.0.1 --port 0 --health-port 0 -v
    """
    from mesh_injector import logs, server
    from mesh_injector.certs.rotation import Terms

    level = logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO
    logs.configure(level)
    source.announce(sources, Terminal(quiet=quiet))
    cluster, names = Credentials(kubeconfig, context), server.Names(configuration, lease, service, webhook_url)
    overlap = certificate_overlap
    options = server.Options(
        source.names(sources),
        home_namespace,
        host,
        port,
        health_port,
        tls_dir=tls_dir,
        secret=tls_secret,
        client_ca=client_ca,
        is_traced=tracing,
        credentials=cluster,
        names=names,
        terms=Terms((), certificate_lifetime, ca_lifetime, overlap, 10 * overlap),
    )
    server.run(options)
    return exits.DONE
