# The router in a container, see docs/deployment.md.
#
#   docker build -t concord .
#   docker run --rm -p 127.0.0.1:8080:8080 concord
#
# /etc/concord is the configuration: mount your own. /var/lib/concord is what realms keep on the disk.
FROM python:3.13-slim AS build
WORKDIR /source
COPY setup.cfg pyproject.toml README.md LICENSE ./
COPY config config
COPY router router
COPY realms realms
COPY twisted twisted
COPY console console
RUN python -m venv /opt/concord && /opt/concord/bin/pip install --no-cache-dir .

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/concord --create-home concord
COPY --from=build /opt/concord /opt/concord
COPY deploy/docker /etc/concord
ENV PATH=/opt/concord/bin:$PATH STATE_DIRECTORY=/var/lib/concord PYTHONUNBUFFERED=1
USER concord
WORKDIR /var/lib/concord
VOLUME /var/lib/concord
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["python", "-c", \
    "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/readyz', timeout=2)"]
CMD ["concord", "run", "--config", "/etc/concord"]
