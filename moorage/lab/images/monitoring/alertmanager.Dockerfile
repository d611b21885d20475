# Alertmanager and amtool from Debian with the upstream image's user, folders and command; busybox, as there.
ARG BASE
FROM ${BASE}
RUN apt-get update -q \
 && apt-get install -y -q --no-install-recommends busybox \
 && cd /tmp && apt-get download -q prometheus-alertmanager && dpkg -x prometheus-alertmanager_*.deb /tmp/unpacked \
 && mv /tmp/unpacked/usr/bin/prometheus-alertmanager /bin/alertmanager \
 && mv /tmp/unpacked/usr/bin/amtool /bin/ \
 && mv /tmp/unpacked/usr/share/prometheus /usr/share/ \
 && apt-get clean && rm -rf /var/lib/apt/lists/* /tmp/* \
 && ln -s /bin/busybox /usr/local/bin/wget \
 && install -d -o nobody -g nogroup /alertmanager /etc/alertmanager
USER nobody
VOLUME /alertmanager
WORKDIR /alertmanager
EXPOSE 9093
ENTRYPOINT ["/bin/alertmanager"]
CMD ["--config.file=/etc/alertmanager/alertmanager.yml", "--storage.path=/alertmanager"]
