# Plays Jaeger 2: uid 10001, busybox's wget as in the upstream image.
ARG BASE
FROM ${BASE}
RUN ln -s /bin/busybox /usr/local/bin/wget
COPY lab_application /opt/lab/lab_application
ARG VERSION
ENV LAB_SERVICE=jaeger LAB_VERSION=${VERSION} \
    PYTHONPATH=/opt/lab PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
EXPOSE 4317 4318 8888 13133 14268 16686
CMD ["python3", "-m", "lab_application"]
