# An application of AUREN: as the others, with a client for Kafka.
ARG BASE
FROM ${BASE}
RUN useradd --uid 10001 --create-home appuser
COPY *.whl /tmp/
RUN for wheel in /tmp/*.whl; do python3 -m zipfile -e "$wheel" /opt/kafka; done
COPY lab_application /opt/lab/lab_application
ARG SERVICE VERSION FAIL=""
ENV LAB_STACK=auren LAB_SERVICE=${SERVICE} LAB_VERSION=${VERSION} LAB_FAIL=${FAIL} \
    PYTHONPATH=/opt/lab:/opt/kafka PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /home/appuser
USER appuser
CMD ["python3", "-m", "lab_application"]
