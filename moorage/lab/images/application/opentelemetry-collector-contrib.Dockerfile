# Plays the OpenTelemetry collector: uid 10001, no tools, as in the upstream image; options come as its command.
ARG BASE
FROM ${BASE}
RUN apt-get update -q \
 && apt-get install -y -q --no-install-recommends python3-yaml \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/* /bin/busybox /usr/bin/busybox
COPY lab_application /opt/lab/lab_application
ARG VERSION
ENV LAB_SERVICE=opentelemetry-collector-contrib LAB_VERSION=${VERSION} \
    PYTHONPATH=/opt/lab PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
EXPOSE 4317 4318 8888 13133
ENTRYPOINT ["python3", "-m", "lab_application"]
CMD ["--config", "/etc/otelcol-contrib/config.yaml"]
