# syntax=docker/dockerfile:1
# The injector on a Python without a distribution: no shell, no package manager, not root, nothing to write to.
# Its bases are named by tag and digest; .github/dependabot.yml moves both.
FROM ghcr.io/astral-sh/uv:0.13.0@sha256:cdc6093146eb3ff6a40107b38f008b789e050e77ad87865e381d9917da55a168 AS uv

FROM docker.io/library/python:3.13.16-slim-trixie@sha256:3dd7cc108ec1493442514f5c2a871af6af0ec31d768ff6e378a93340c3b3db5f AS build
COPY --from=uv /uv /usr/local/bin/uv
ENV UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
WORKDIR /src
# The packages change less often than the program, so they are a layer of their own.
COPY pyproject.toml uv.lock ./
RUN uv export --frozen --no-dev --extra tracing --no-emit-project --quiet --output-file packages.txt
RUN uv pip install --target /packages --require-hashes --no-deps --only-binary :all: --requirements packages.txt
# The root filesystem is read-only where this runs, so what Python would write later is written now.
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /packages
COPY README.md LICENSE ./
COPY config/samples config/samples
COPY mesh_injector mesh_injector
RUN uv pip install --target /program --no-deps .
ARG COMMIT
RUN printf '%s' "${COMMIT}" > /program/mesh_injector/COMMIT
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /program

# Debian 13's Python is 3.13, as that of the stage above: https://packages.debian.org/trixie/python3
FROM gcr.io/distroless/python3-debian13:nonroot@sha256:774595d652a294b54c9bd575b2d9fdd1a4b47547dc17b8bfa4c0e953c64855b3
COPY --from=build /packages /packages
COPY --from=build /program /program
ENV PYTHONPATH=/program:/packages PYTHONSAFEPATH=1
USER 65532:65532
EXPOSE 8443 8080
ENTRYPOINT ["/usr/bin/python3", "-m", "mesh_injector"]
CMD ["--help"]
