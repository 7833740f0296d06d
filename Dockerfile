# syntax=docker/dockerfile:1
# The injector on a Python without a distribution: no shell, no package manager, not root, nothing to write to.
# A release builds from digests: .github/workflows/release.yaml asks once what these names stand for, and hands the answers in.
ARG UV=ghcr.io/astral-sh/uv:0.13.9
ARG PYTHON=docker.io/library/python:3.13-slim-trixie
ARG RUNTIME=gcr.io/distroless/python3-debian13:nonroot

FROM ${UV} AS uv

FROM ${PYTHON} AS build
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

# hadolint ignore=DL3006
FROM ${RUNTIME}
COPY --from=build /packages /packages
COPY --from=build /program /program
ENV PYTHONPATH=/program:/packages PYTHONSAFEPATH=1
USER 65532:65532
EXPOSE 8443 8080
ENTRYPOINT ["/usr/bin/python3", "-m", "mesh_injector"]
CMD ["--help"]
