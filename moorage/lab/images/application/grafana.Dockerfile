# Plays Grafana: uid 472, its folders, curl and wget as in the upstream image.
ARG BASE
FROM ${BASE}
RUN useradd --uid 472 --gid 0 --no-create-home --home-dir /usr/share/grafana grafana \
 && apt-get update -q \
 && apt-get install -y -q --no-install-recommends python3-yaml curl \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/* \
 && ln -s /bin/busybox /usr/local/bin/wget \
 && install -d -o 472 -g 0 -m 0775 /var/lib/grafana \
 && install -d /etc/grafana/provisioning
COPY lab_application /opt/lab/lab_application
ARG VERSION
ENV LAB_SERVICE=grafana LAB_VERSION=${VERSION} \
    PYTHONPATH=/opt/lab PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /usr/share/grafana
USER 472
EXPOSE 3000
CMD ["python3", "-m", "lab_application"]
