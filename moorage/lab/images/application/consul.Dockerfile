# Plays Consul: curl and the upstream image's folders, user and entrypoint.
ARG BASE
FROM ${BASE}
RUN apt-get update -q \
 && apt-get install -y -q --no-install-recommends curl \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 100 --user-group --home-dir /consul consul \
 && install -d -o consul -g consul /consul/data /consul/config
COPY lab_application /opt/lab/lab_application
COPY consul-entrypoint.sh /usr/local/bin/docker-entrypoint.sh
RUN chmod 0755 /usr/local/bin/docker-entrypoint.sh
ARG VERSION
ENV LAB_SERVICE=consul LAB_VERSION=${VERSION} \
    PYTHONPATH=/opt/lab PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
VOLUME /consul/data
EXPOSE 8500 8600/udp
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["agent", "-server", "-client=0.0.0.0"]
