# Plays Chroma: no curl and no wget, root, its data in /data, as in the upstream image.
ARG BASE
FROM ${BASE}
RUN rm -f /bin/busybox /usr/bin/busybox && mkdir /data
COPY lab_application /opt/lab/lab_application
ARG VERSION
ENV LAB_SERVICE=chroma LAB_VERSION=${VERSION} \
    PYTHONPATH=/opt/lab PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /data
VOLUME /data
EXPOSE 8000
CMD ["python3", "-m", "lab_application"]
