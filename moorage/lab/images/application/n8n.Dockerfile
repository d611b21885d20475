# Plays n8n: user node, its settings folder, busybox's wget.
ARG BASE
FROM ${BASE}
RUN useradd --uid 1000 --create-home node \
 && install -d -o node -g node -m 0700 /home/node/.n8n \
 && ln -s /bin/busybox /usr/local/bin/wget
COPY lab_application /opt/lab/lab_application
ARG VERSION
ENV LAB_SERVICE=n8n LAB_VERSION=${VERSION} \
    PYTHONPATH=/opt/lab PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /home/node
USER node
EXPOSE 5678
CMD ["python3", "-m", "lab_application"]
