# Plays Qdrant: no curl and no wget, as in the upstream image; root, as there, or 1000 in the -unprivileged one.
ARG BASE
FROM ${BASE}
ARG USER_ID=0
RUN rm -f /bin/busybox /usr/bin/busybox \
 && mkdir -p /qdrant/storage /qdrant/snapshots \
 && chown -R "${USER_ID}:${USER_ID}" /qdrant
COPY lab_application /opt/lab/lab_application
ARG VERSION
ENV LAB_SERVICE=qdrant LAB_VERSION=${VERSION} \
    PYTHONPATH=/opt/lab PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /qdrant
USER ${USER_ID}:${USER_ID}
EXPOSE 6333 6334
CMD ["python3", "-m", "lab_application"]
