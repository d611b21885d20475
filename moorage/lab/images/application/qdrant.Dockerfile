# Plays Qdrant: no curl and no wget, as in the upstream image; root, as there.
ARG BASE
FROM ${BASE}
RUN rm -f /bin/busybox /usr/bin/busybox && mkdir -p /qdrant/storage /qdrant/snapshots
COPY lab_application /opt/lab/lab_application
ARG VERSION
ENV LAB_SERVICE=qdrant LAB_VERSION=${VERSION} \
    PYTHONPATH=/opt/lab PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /qdrant
EXPOSE 6333 6334
CMD ["python3", "-m", "lab_application"]
