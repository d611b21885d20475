# An exporter from Debian as the upstream image's entrypoint; busybox, as in the node exporter's and PostgreSQL's.
ARG BASE
FROM ${BASE}
ARG PACKAGE PROGRAM PORT USER=nobody
RUN apt-get update -q \
 && apt-get install -y -q --no-install-recommends busybox \
 && cd /tmp && apt-get download -q ${PACKAGE} && dpkg -x ${PACKAGE}_*.deb /tmp/unpacked \
 && mv /tmp/unpacked/usr/bin/${PACKAGE} ${PROGRAM} \
 && ln -s ${PROGRAM} /usr/local/bin/exporter \
 && apt-get clean && rm -rf /var/lib/apt/lists/* /tmp/* \
 && ln -s /bin/busybox /usr/local/bin/wget
USER ${USER}
EXPOSE ${PORT}
ENTRYPOINT ["/usr/local/bin/exporter"]
