# Plays the web pages for Kafka: its own user, busybox's wget, a client of Kafka's protocol.
ARG BASE
FROM ${BASE}
COPY *.whl /tmp/
RUN for wheel in /tmp/*.whl; do python3 -m zipfile -e "$wheel" /opt/kafka; done && rm /tmp/*.whl \
 && useradd --system kafkaui \
 && ln -s /bin/busybox /usr/local/bin/wget
COPY lab_application /opt/lab/lab_application
ARG VERSION
ENV LAB_SERVICE=kafka_ui LAB_VERSION=${VERSION} \
    PYTHONPATH=/opt/lab:/opt/kafka PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /
USER kafkaui
EXPOSE 8080
CMD ["python3", "-m", "lab_application"]
