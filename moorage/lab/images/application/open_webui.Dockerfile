# Plays Open WebUI: root, curl and jq as in the upstream image, its data folder.
ARG BASE
FROM ${BASE}
RUN apt-get update -q \
 && apt-get install -y -q --no-install-recommends curl jq \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/* \
 && install -d /app/backend/data
COPY lab_application /opt/lab/lab_application
ARG VERSION
ENV LAB_SERVICE=open_webui LAB_VERSION=${VERSION} \
    PYTHONPATH=/opt/lab PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app/backend
EXPOSE 8080
CMD ["python3", "-m", "lab_application"]
