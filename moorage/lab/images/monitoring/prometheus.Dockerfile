# Prometheus and promtool from Debian with the upstream image's user, folders and command; busybox, as there.
ARG BASE
FROM ${BASE}
RUN apt-get update -q \
 && apt-get install -y -q --no-install-recommends busybox \
 && cd /tmp && apt-get download -q prometheus promtool \
 && for package in *.deb; do dpkg -x $package unpacked; done \
 && mv /tmp/unpacked/usr/bin/prometheus /tmp/unpacked/usr/bin/promtool /bin/ \
 && mv /tmp/unpacked/usr/share/prometheus /usr/share/ \
 && apt-get clean && rm -rf /var/lib/apt/lists/* /tmp/* \
 && ln -s /bin/busybox /usr/local/bin/wget \
 && install -d -o nobody -g nogroup /prometheus /etc/prometheus \
 && printf 'global: {scrape_interval: 15s}\n' > /etc/prometheus/prometheus.yml
USER nobody
VOLUME /prometheus
WORKDIR /prometheus
EXPOSE 9090
ENTRYPOINT ["/bin/prometheus"]
CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]
