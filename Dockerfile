# A server in a container: small, not root, content with a read-only file system.
#
#   docker build -t affekt .
#   docker run --rm -p 127.0.0.1:8000:8000 -e AFFEKT_API_KEYS="$(affekt serve --new-key me)" affekt
#
# compose.yaml adds the limits that an operator wants.

FROM python:3.12-slim AS build
WORKDIR /build
RUN python -m venv /opt/affekt
COPY pyproject.toml hatch_build.py constraints.txt README.md LICENSE ./
COPY src ./src
COPY recipes ./recipes
COPY examples/recordings ./examples/recordings
RUN /opt/affekt/bin/pip install --no-cache-dir --constraint constraints.txt '.[serve,stream]' \
    && /opt/affekt/bin/pip uninstall --yes pip \
    && /opt/affekt/bin/affekt --version

FROM python:3.12-slim
COPY --from=build /opt/affekt /opt/affekt
# One thread for each run of a model: requests run beside one another instead.
ENV PATH=/opt/affekt/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    OMP_NUM_THREADS=1
USER 65532:65532
WORKDIR /
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health/ready', timeout=4)"]
STOPSIGNAL SIGTERM
# It refuses to start without keys, unless it is told --allow-anonymous.
ENTRYPOINT ["affekt", "serve", "--host", "0.0.0.0", "--port", "8000", "--log-format", "json"]
